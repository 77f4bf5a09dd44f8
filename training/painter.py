"""Make the painter in ``models/`` from clips of people speaking: ``python -m training.painter --data DIR``.

``DIR/grid/train`` and ``DIR/grid/dev`` hold clips of the GRID corpus, ``DIR/wild`` (optional) any clips; only
``grid/train`` is learned from. Needs the extra ``train`` and about 4 GB of memory; takes about 20 minutes on 2 cores.
``--measure`` scores the painter that is there and writes its card without training it again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from heygem_cli.face.tracker import FaceTracker, MediaPipeTracker
from heygem_cli.mesh.painter import MODEL, Painter
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings
from training.cards import write_card
from training.clips import load_clips
from training.measure import SETS, command_line
from training.painter_data import Mouth, read_mouths
from training.painter_evaluate import judge_clip, table
from training.painter_lessons import make_lessons
from training.painter_train import STEPS, export_painter, train_painter

TRAIN = "grid/train"


def load_mouths(data: Path, name: str, work: Path, tracker: FaceTracker) -> list[list[Mouth]]:
    """Read the mouths of all clips of a set; tracks are kept in ``work``."""
    clips = load_clips(data / name, tracker, work / name)
    return [read_mouths(data / name / clip.name, clip.landmarks) for clip in clips]


def measure(sets: Mapping[str, Sequence[Sequence[Mouth]]], models: Path, settings: Settings) -> None:
    """Score the program's painter on each set of clips, print the tables and write its card."""
    painter = Painter("cpu", settings)
    scores = {name: [found for clip in clips if (found := judge_clip(painter, clip))] for name, clips in sets.items()}
    tables = {name: table(rows) for name, rows in scores.items()}
    write_card(models / MODEL, tables)
    print(*tables.values(), sep="\n\n")


def main() -> None:
    """Read the command line and make the painter."""
    line = command_line(__doc__ or "")
    line.add_argument("--measure", action="store_true", help="train nothing")
    options = line.parse_args()
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    torch.set_num_threads(settings.torch_threads)
    cv2.setNumThreads(1)
    hide_native_output()
    tracker = MediaPipeTracker()
    if not options.measure:
        clips = load_mouths(options.data, TRAIN, options.work, tracker)
        lessons = list(make_lessons(clips, np.random.default_rng(0)))
        print(f"{len(lessons)} lessons of {len(clips)} clips", flush=True)
        export_painter(train_painter(lessons, STEPS, seed=1), models_folder() / MODEL)
    present = [name for name in SETS if (options.data / name).is_dir()]
    measure(
        {name: load_mouths(options.data, name, options.work, tracker) for name in present}, models_folder(), settings
    )


if __name__ == "__main__":
    main()
