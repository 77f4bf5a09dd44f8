"""Make a blind test: real and rendered faces in random order, with the key in another file, and count the answers.

Run ``python -m benchmarks.blind make --data FOLDER --out FOLDER``, look, write into ``answers.csv`` which are real, and
run ``python -m benchmarks.blind count FOLDER``; README.md explains it.
"""

from __future__ import annotations

import csv
import json as json_format
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.lipsync import Group, find_clips
from benchmarks.report import number, print_table
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

CROPS = 3
"""Crops in the sheet of each clip, and as many of its rendering."""
REAL, RENDERED, LEFT, RIGHT = "real", "rendered", "left", "right"
KEY, ANSWERS = "key.json", "answers.csv"

app = typer.Typer(add_completion=False, help=__doc__)


@dataclass(frozen=True)
class Item:
    """Something to judge.

    Attributes:
        name: What the person who judges sees.
        clip: The name of the clip.
        right: The right answer: ``left`` or ``right`` of a pair is real; a crop is ``real`` or ``rendered``.
    """

    name: str
    clip: str
    right: str


def pair_items(clips: Sequence[str], order: np.random.Generator) -> list[Item]:
    """Return a pair for each clip, in random order and with the real one on a random side."""
    shuffled = [clips[index] for index in order.permutation(len(clips))]
    return [Item(f"pair {n}", clip, (LEFT, RIGHT)[order.integers(2)]) for n, clip in enumerate(shuffled, 1)]


def crop_items(clips: Sequence[str], order: np.random.Generator) -> list[Item]:
    """Return :data:`CROPS` real and as many rendered crops of each clip, in random order."""
    kinds = [(clip, kind) for clip in clips for kind in (REAL, RENDERED) for _ in range(CROPS)]
    return [Item(f"crop {n}", *kinds[index]) for n, index in enumerate(order.permutation(len(kinds)), 1)]


def write_questions(folder: Path, items: Sequence[Item]) -> None:
    """Write the key, and a list of questions for the answers."""
    key = {item.name: {"clip": item.clip, "right": item.right} for item in items}
    (folder / KEY).write_text(json_format.dumps(key, indent=2) + "\n", encoding="utf-8")
    with (folder / ANSWERS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("question", "answer"))
        writer.writerows((item.name, "") for item in items)


def count_answers(folder: Path) -> list[tuple[str, int, int]]:
    """Return, for pairs and crops, how many answers are right, and of how many; those left empty do not count.

    Raises:
        InputError: ``bad-answers``.
    """
    hint = f"Write left or right for a pair, real or rendered for a crop, into {ANSWERS}"
    try:
        key = json_format.loads((folder / KEY).read_text(encoding="utf-8"))
        with (folder / ANSWERS).open(encoding="utf-8-sig", newline="") as file:
            answers = {row["question"]: row["answer"].strip().lower() for row in csv.DictReader(file)}
        counted: dict[str, list[bool]] = {}
        for name, answer in answers.items():
            right = key[name]["right"]
            if answer and answer not in ((LEFT, RIGHT) if right in (LEFT, RIGHT) else (REAL, RENDERED)):
                raise InputError("bad-answers", f"{name}: {answer!r} is no answer", hint=hint, path=folder / ANSWERS)
            if answer:
                counted.setdefault(name.split()[0], []).append(answer == right)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError("bad-answers", f"the answers cannot be read: {error}", hint=hint, path=folder) from error
    return [(f"{kind}s", sum(right), len(right)) for kind, right in counted.items()]


def chance(right: int, total: int) -> float:
    """Return how likely somebody who guesses has at least as many right answers."""
    return float(sum(comb(total, many) for many in range(right, total + 1)) / 2**total)


@app.command()
def make(
    *,
    data: Annotated[Path, typer.Option(help="Folder with clips in grid/dev and in wild.")],
    out: Annotated[Path, typer.Option(help="Folder for the pairs, the sheet, the questions and the key.")],
    only: Annotated[Group | None, typer.Option(help="Use one group of clips only.")] = None,
    seed: Annotated[int | None, typer.Option(help="Make the same order again.")] = None,
) -> None:
    """Render clips and write what is to be judged."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        clips = {path.stem: path for _, path in find_clips(data, only)}
        out.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(seed)
        pairs, crops = pair_items([*clips], order), crop_items([*clips], order)
        _draw(clips, pairs, crops, out, Path(temporary))
        write_questions(out, [*pairs, *crops])
        sys.stderr.write(f"Look at {out}, without {KEY}, and write the answers into {ANSWERS}\n")


@app.command()
def count(folder: Annotated[Path, typer.Argument(help="What make wrote, with the answers.")]) -> None:
    """Count the right answers."""
    with report_errors():
        rows = [
            (kind, str(right), str(total), f"{right / total:.0%}", number(chance(right, total), 3))
            for kind, right, total in count_answers(folder)
        ]
    print_table("Blind test: guessing gives 50 %", ("", "right", "of", "share", "chance of as many by guessing"), rows)


def _draw(clips: Mapping[str, Path], pairs: Sequence[Item], crops: Sequence[Item], out: Path, folder: Path) -> None:
    """Render the clips and write the pairs and the sheet."""
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    from benchmarks.blind_pictures import Crops, crop_sheet, render_pair, write_pair  # noqa: PLC0415 - after these
    from heygem_cli.options import EngineOptions  # noqa: PLC0415
    from heygem_cli.pipeline import Pipeline  # noqa: PLC0415

    pipeline, mouths = Pipeline(EngineOptions(), settings), {}
    for done, item in enumerate(pairs, 1):
        pair = render_pair(clips[item.clip], pipeline, folder)
        left, right = pair if item.right == LEFT else pair[::-1]
        write_pair(left, right, clips[item.clip], out / f"{item.name.replace(' ', '-')}.mp4")
        mouths.update({(item.clip, kind): Crops(video) for kind, video in zip((REAL, RENDERED), pair, strict=True)})
        sys.stderr.write(f"{done}/{len(pairs)}\n")
    pictures = [(item.name, mouths[item.clip, item.right].next()) for item in crops]
    crop_sheet(pictures).save(out / "crops.png")


if __name__ == "__main__":
    app()
