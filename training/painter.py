"""Train the painter in ``models/`` on clips of people speaking: ``python -m training.painter --data DIR``.

``DIR/grid/train`` and ``DIR/grid/dev`` hold clips of the GRID corpus, ``DIR/wild`` (optional) any other clips; only
``grid/train`` is used for training. Requires the extra ``train`` and about 4 GB of memory; takes about 20 minutes on
2 cores. ``--measure`` scores the existing painter and writes its card without training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from heygem_cli.face.tracker import FaceTracker
from heygem_cli.mesh.painter import MODEL, Painter
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings
from training.cards import write_card
from training.clips import load_clips
from training.measure import SETS, TRAIN, make_parser, start_command
from training.painter_data import Mouth, read_mouths
from training.painter_evaluate import score_clip, table
from training.painter_examples import make_examples
from training.painter_train import STEPS, export_painter, train_painter


def load_mouths(data: Path, name: str, work: Path, tracker: FaceTracker) -> list[list[Mouth]]:
    """Read the mouths of all clips of a set; tracks are cached in ``work``."""
    clips = load_clips(data / name, tracker, work / name)
    return [read_mouths(data / name / clip.name, clip.landmarks) for clip in clips]


def measure(sets: Mapping[str, Sequence[Sequence[Mouth]]], models: Path, settings: Settings) -> None:
    """Score the painter on each set of clips, print the tables and write its card."""
    painter = Painter("cpu", settings)
    scores = {name: [score for clip in clips if (score := score_clip(painter, clip))] for name, clips in sets.items()}
    tables = {name: table(rows) for name, rows in scores.items()}
    write_card(models / MODEL, tables)
    print(*tables.values(), sep="\n\n")


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--measure", action="store_true", help="only score the existing painter")
    options, settings = start_command(parser)
    torch.set_num_threads(settings.torch_threads)
    cv2.setNumThreads(1)
    tracker = FaceTracker("cpu", settings)
    if not options.measure:
        clips = load_mouths(options.data, TRAIN, options.work, tracker)
        examples = list(make_examples(clips, np.random.default_rng(0)))
        print(f"{len(examples)} examples from {len(clips)} clips", flush=True)
        export_painter(train_painter(examples, STEPS, seed=1), models_folder() / MODEL)
    present = [name for name in SETS if (options.data / name).is_dir()]
    measure(
        {name: load_mouths(options.data, name, options.work, tracker) for name in present}, models_folder(), settings
    )


if __name__ == "__main__":
    main()
