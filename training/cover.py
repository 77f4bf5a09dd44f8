"""Train the network that finds what covers a face: ``python -m training.cover --data DIR``.

``DIR/grid/train`` holds clips of the GRID corpus and ``DIR/portraits`` photographs of many people, onto which occluders
are drawn; ``DIR/grid/dev`` and ``DIR/wild`` (optional) are other clips to score the network on. Requires the extra
``train`` and about 3 GB of memory; takes about 10 minutes on one core. ``--measure`` scores the existing network and
writes its card without training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from heygem_cli.face.tracker import FaceTracker
from heygem_cli.mesh.cover_network import MODEL
from heygem_cli.mesh.cover_network import CoverNetwork as CoverFinderNetwork
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings
from training.cards import write_card
from training.clips import load_clips
from training.cover_data import LowerFace, read_lower_faces, read_portraits
from training.cover_evaluate import merged, score_faces, table
from training.cover_examples import draw_occluders, joined, make_examples
from training.cover_network import CoverNetwork
from training.cover_train import export_cover, load_cover, train_cover
from training.measure import SETS, TRAIN, make_parser, start_command

PORTRAITS = "portraits"
"""Folder of the photographs: heads and shoulders, seen from the front, nothing in front of the face."""
HELD_OUT = ("sx3", "sx5")
"""Speakers by whom the threshold and the recipe were chosen."""
OCCLUDERS = 1500
CLIP_EXAMPLES, PORTRAIT_EXAMPLES = 3500, 3500
STEPS = 2500
MEASURED_OCCLUDERS = 300


def load_faces(data: Path, name: str, work: Path, tracker: FaceTracker) -> list[LowerFace]:
    """Read the lower faces of all clips of a set; tracks are cached in ``work``."""
    return list(read_lower_faces(data / name, load_clips(data / name, tracker, work / name)))


def train(clips: Sequence[LowerFace], portraits: Sequence[LowerFace], start: CoverNetwork | None) -> CoverNetwork:
    """Train a network, or go on with one, on frames of clips and on photographs."""
    random = np.random.default_rng(0)
    occluders = draw_occluders(OCCLUDERS, random)
    examples = joined(
        make_examples(clips, clips, occluders, CLIP_EXAMPLES, random),
        make_examples(portraits, clips, occluders, PORTRAIT_EXAMPLES, random),
    )
    return train_cover(examples, STEPS, seed=1, start=start)


def measure(sets: Mapping[str, Sequence[LowerFace]], settings: Settings) -> None:
    """Score the network on each set of faces, print the tables and write its card."""
    network, tables = CoverFinderNetwork("cpu", settings), {}
    for name, faces in sets.items():
        random = np.random.default_rng(1)
        occluders = draw_occluders(MEASURED_OCCLUDERS, random)
        clips = sorted({face.clip for face in faces})
        scores = {
            clip: score_faces(network, [face for face in faces if face.clip == clip], occluders, random)
            for clip in clips
        }
        tables[name] = table({**scores, "**all**": merged(scores.values())})
    write_card(models_folder() / MODEL, tables)
    print(*tables.values(), sep="\n\n")


def main() -> None:
    """Run the command."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--measure", action="store_true", help="only score the existing network")
    parser.add_argument("--start", type=Path, help="go on with this face_cover.onnx instead of from nothing")
    options, settings = start_command(parser)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    tracker = FaceTracker("cpu", settings)
    if not options.measure:
        clips = load_faces(options.data, TRAIN, options.work, tracker)
        clips = [face for face in clips if face.speaker not in HELD_OUT]
        portraits = list(read_portraits(options.data / PORTRAITS, tracker))
        start = load_cover(options.start) if options.start else None
        export_cover(train(clips, portraits, start), models_folder() / MODEL)
    present = [name for name in SETS if (options.data / name).is_dir()]
    measure({name: load_faces(options.data, name, options.work, tracker) for name in present}, settings)


if __name__ == "__main__":
    main()
