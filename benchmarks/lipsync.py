"""How well the mouth follows speech: each clip's own sound, rendered onto that clip played backwards.

Run ``python -m benchmarks.lipsync --data FOLDER``; see README.md for what the figures mean.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmarks.report import Goal, figure, print_goals, print_table, write_json
from heygem_cli.cli.show import errors_shown
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from benchmarks.judge import Scores, Verdict

FOLDERS = {"grid": "grid/dev", "wild": "wild"}
"""Where the clips of each group lie in the data folder."""
SUFFIXES = {".mpg", ".mp4", ".mov", ".mkv", ".avi", ".webm"}

Group = Literal["grid", "wild"]


def find_clips(data: Path, only: Group | None) -> list[tuple[str, Path]]:
    """Find the clips of the groups, each with its group's name.

    Raises:
        InputError: there are none.
    """
    clips = [
        (group, path)
        for group, folder in FOLDERS.items()
        if only in (None, group) and (data / folder).is_dir()
        for path in sorted((data / folder).iterdir())
        if path.suffix in SUFFIXES
    ]
    if not clips:
        wanted = " or ".join(folder for group, folder in FOLDERS.items() if only in (None, group))
        raise InputError("no-data", f"no clips in {wanted}", hint="Give the folder of the data with --data", path=data)
    return clips


def judge_all(clips: Sequence[tuple[str, Path]], folder: Path) -> list[Verdict]:
    """Render and judge clips with one loaded pipeline."""
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    from benchmarks.judge import judge  # noqa: PLC0415 - after the settings
    from heygem_cli.engines.settings import EngineSettings  # noqa: PLC0415
    from heygem_cli.pipeline import Pipeline  # noqa: PLC0415

    pipeline = Pipeline(EngineSettings(process=settings))
    verdicts = []
    for number, (group, clip) in enumerate(clips, 1):
        start = time.perf_counter()
        verdicts.append(judge(clip, group, pipeline, folder))
        took = time.perf_counter() - start
        sys.stderr.write(f"{number}/{len(clips)} {clip.name}: r {verdicts[-1].heygem.correlation:.2f}, {took:.0f} s\n")
    return verdicts


def mean(scores: Sequence[Scores], name: str) -> float:
    """Mean of one score over the clips where it is known."""
    known = [value for score in scores if not math.isnan(value := float(getattr(score, name)))]
    return fmean(known) if known else float("nan")


COLUMNS = {
    "r": "correlation", "lag": "lag", "r, best lag": "best", "r, velocity": "velocity", "amplitude": "amplitude",
    "LMD": "distance", "silence": "silence", "real silence": "real_silence",
    "sharpness": "sharpness", "jitter": "jitter", "found": "found",
}  # fmt: skip


def cell(name: str, value: float) -> str:
    """Write one score."""
    if name == "lag":
        return f"{value:+.0f}" if value == int(value) else f"{value:+.1f}"
    return figure(value, 3 if name in {"distance", "silence", "real_silence"} else 2)


def show(verdicts: Sequence[Verdict]) -> None:
    """Print a row a clip, and the means of each group beside those of doing nothing."""
    rows = []
    for group in dict.fromkeys(verdict.group for verdict in verdicts):
        ours = [verdict for verdict in verdicts if verdict.group == group]
        rows += [
            [f"{group}/{verdict.name}", *(cell(name, getattr(verdict.heygem, name)) for name in COLUMNS.values())]
            for verdict in ours
        ]
        for label, scores in (
            ("mean, heygem", [verdict.heygem for verdict in ours]),
            ("mean, doing nothing", [verdict.nothing for verdict in ours]),
        ):
            rows.append([f"{group}: {label}", *(cell(name, mean(scores, name)) for name in COLUMNS.values())])
        rows.append([""] * (len(COLUMNS) + 1))
    print_table("Lip-sync: the output's mouth against the real one", ("clip", *COLUMNS), rows[:-1])


def goals_of(verdicts: Sequence[Verdict]) -> list[Goal]:
    """The figures to reach."""
    grid = [verdict.heygem for verdict in verdicts if verdict.group == "grid"]
    wild = [verdict.heygem for verdict in verdicts if verdict.group == "wild"]
    goals = []
    if grid:
        goals.append(Goal("grid: mean correlation", mean(grid, "correlation"), 0.78, least=True))
        goals.append(Goal("grid: largest offset", max(abs(score.lag) for score in grid), 1, " frames"))
    if wild:
        goals.append(Goal("wild: mean correlation, best lag within ± 3 frames", mean(wild, "best"), 0.50, least=True))
    return goals


def draw_sheets(verdicts: Sequence[Verdict], out: Path) -> None:
    """Write a contact sheet of each clip and one of all people."""
    from benchmarks.sheets import clip_sheet, people_sheet  # noqa: PLC0415

    for verdict in verdicts:
        clip_sheet(verdict).save(out / f"{verdict.name}.png")
    people_sheet(verdicts).save(out / "people.png")


def main(
    *,
    data: Annotated[Path, typer.Option(help="A folder with clips in grid/dev and in wild.")],
    only: Annotated[Group | None, typer.Option(help="One group of clips.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep outputs and contact sheets in this folder.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure lip-sync."""
    with errors_shown(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        clips = find_clips(data, only)
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        verdicts = judge_all(clips, folder)
        if out:
            draw_sheets(verdicts, out)
    show(verdicts)
    goals = goals_of(verdicts)
    print_goals(goals)
    if json:
        figures = [
            {"clip": v.name, "group": v.group, "heygem": asdict(v.heygem), "nothing": asdict(v.nothing)}
            for v in verdicts
        ]
        write_json(json, {"clips": figures}, goals)


if __name__ == "__main__":
    typer.run(main)
