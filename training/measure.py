"""Score the mouth motion in ``models/`` and write the cards: ``python -m training.measure --data DIR``.

``training.train`` ends with it. Run it by itself when the processing around the network has changed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from heygem_cli.face.tracker import FaceTracker
from heygem_cli.onnx import models_folder
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings
from heygem_cli.speech.motion import MotionModel
from training.cards import write_cards
from training.clips import Clip, load_clips
from training.evaluate import score, table

TRAIN = "grid/train"
SETS = ("grid/dev", "wild")
"""Folders of the clips for training and for scoring."""


def make_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options ``--data`` and ``--work``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with grid/train, grid/dev and optionally wild")
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for cached tracks")
    return parser


def start_command(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Settings]:
    """Parse the arguments of a recipe and prepare the process; return the options and the settings."""
    options = parser.parse_args()
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    return options, settings


def measure(sets: Mapping[str, Sequence[Clip]], models: Path, settings: Settings) -> None:
    """Score the mouth motion on each set of clips, print the tables and write the cards."""
    model = MotionModel("cpu", settings)
    scores = {name: score(model, clips) for name, clips in sets.items()}
    write_cards(models, scores)
    print(*map(table, scores.values()), sep="\n\n")


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    tracker = FaceTracker("cpu", settings)
    present = [name for name in SETS if (options.data / name).is_dir()]
    sets = {name: load_clips(options.data / name, tracker, options.work / name) for name in present}
    measure(sets, models_folder(), settings)


if __name__ == "__main__":
    main()
