"""How well the mouth follows speech: each clip's own sound, rendered onto that clip played backwards.

Run ``python -m benchmarks.lipsync --data FOLDER``; see README.md for what the figures mean.
"""

from __future__ import annotations

import json as encoding
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmarks.report import Goal, figure, print_goals, print_table, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from benchmarks.judge import Verdict

FOLDERS = {"grid": "grid/dev", "wild": "wild"}
"""Where the clips of each group lie in the data folder."""
TRAINED = {"bbaf2n"}
"""Clips of ``grid/dev`` whose speaker is in the training data."""
SUFFIXES = {".mpg", ".mp4", ".mov", ".mkv", ".avi", ".webm"}

EARLIER = Path(__file__).parent / "lipsync-main-job.json"
"""Figures of the engine as the main job left it; README.md says how they were made."""

Group = Literal["grid", "wild"]
Scores = dict[str, float]


@dataclass(frozen=True)
class Judged:
    """A clip's scores, by the names in :class:`benchmarks.judge.Scores`.

    Attributes:
        clip: its name.
        group: what it belongs to.
        nothing: of doing nothing.
        before: of an earlier engine; None where it was not judged.
        now: of heygem.
    """

    clip: str
    group: str
    nothing: Scores
    before: Scores | None
    now: Scores


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
    from heygem_cli.options import EngineOptions  # noqa: PLC0415
    from heygem_cli.pipeline import Pipeline  # noqa: PLC0415

    pipeline = Pipeline(EngineOptions(), settings)
    verdicts = []
    for number, (group, clip) in enumerate(clips, 1):
        start = time.perf_counter()
        verdicts.append(judge(clip, group, pipeline, folder))
        took = time.perf_counter() - start
        sys.stderr.write(f"{number}/{len(clips)} {clip.name}: r {verdicts[-1].heygem.correlation:.2f}, {took:.0f} s\n")
    return verdicts


def read_figures(path: Path) -> dict[str, Scores]:
    """Read heygem's scores of each clip from the file of an earlier ``--json``.

    Raises:
        InputError: it is no such file.
    """
    try:
        clips = encoding.loads(path.read_text("utf-8"))["clips"]
        return {each["clip"]: {name: float(value) for name, value in each["heygem"].items()} for each in clips}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Give a file that --json wrote with --before"
        raise InputError("bad-figures", f"has no figures: {error}", hint=hint, path=path) from error


def compare(verdicts: Sequence[Verdict], before: dict[str, Scores]) -> list[Judged]:
    """Put the scores of each clip beside those of an earlier engine."""
    return [
        Judged(each.name, each.group, asdict(each.nothing), before.get(each.name), asdict(each.heygem))
        for each in verdicts
    ]


def mean(scores: Sequence[Scores], name: str) -> float:
    """Mean of one score over the clips where it is known; a share of silent frames is taken over all such frames."""
    known = [score for score in scores if not math.isnan(score.get(name, float("nan")))]
    weights = [score["silent"] if name in {"closure", "real_closure"} else 1 for score in known]
    total = sum(score[name] * weight for score, weight in zip(known, weights, strict=True))
    return total / sum(weights) if known else float("nan")


COLUMNS = {
    "r": "correlation", "lag": "lag", "r, best lag": "best", "r, velocity": "velocity", "amplitude": "amplitude",
    "LMD": "distance", "open, silent": "closure", "real": "real_closure",
    "sharp": "sharpness", "jitter": "jitter", "flicker": "flicker", "seam": "seam", "found": "found",
}  # fmt: skip


def cell(name: str, value: float) -> str:
    """Write one score."""
    if math.isnan(value):
        return "–"
    if name == "lag":
        return f"{value:+.0f}" if value == int(value) else f"{value:+.1f}"
    return f"{value:.0%}" if name in {"closure", "real_closure"} else figure(value, 3 if name == "distance" else 2)


def groups_of(clips: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The clips that a mean is taken of, by what it is called."""
    groups = {
        "grid, people never seen": [each for each in clips if each.group == "grid" and each.clip not in TRAINED],
        "grid, all": [each for each in clips if each.group == "grid"],
        "wild": [each for each in clips if each.group == "wild"],
    }
    return {name: members for name, members in groups.items() if members}


def show(clips: Sequence[Judged]) -> None:
    """Print a row a clip, then the means of each group: of doing nothing, of an earlier engine, and now."""
    columns = COLUMNS.values()
    rows = [[f"{each.group}/{each.clip}", *(cell(name, each.now[name]) for name in columns)] for each in clips]
    for group, members in groups_of(clips).items():
        rows.append([""] * (len(COLUMNS) + 1))
        for label, scores in (
            ("doing nothing", [each.nothing for each in members]),
            ("before", [each.before for each in members if each.before]),
            ("now", [each.now for each in members]),
        ):
            rows.append([f"{group}: {label}", *(cell(name, mean(scores, name)) for name in columns)])
    print_table("Lip-sync: the output's mouth against the real one", ("clip", *COLUMNS), rows)


def goals_of(clips: Sequence[Judged]) -> list[Goal]:
    """The figures to reach."""
    now = {name: [each.now for each in members] for name, members in groups_of(clips).items()}
    goals = []
    if unseen := now.get("grid, people never seen"):
        goals.append(Goal("grid, people never seen: mean correlation", mean(unseen, "correlation"), 0.84, least=True))
        goals.append(Goal("grid: largest lag", max(abs(score["lag"]) for score in now["grid, all"]), 1, " frames"))
    if wild := now.get("wild"):
        goals.append(Goal("wild: mean correlation, best lag within ± 3 frames", mean(wild, "best"), 0.58, least=True))
    # Few frames of a clip are silent: over all of them, or a single one would decide.
    silent = mean([each.now for each in clips], "closure")
    goals.append(Goal("all clips: share of silent frames that are open", silent, 0.02))
    for group in ("grid, all", "wild"):
        if scores := now.get(group):
            goals.append(Goal(f"{group}: sharpness, at least", mean(scores, "sharpness"), 0.85, least=True))
            goals.append(Goal(f"{group}: sharpness, at most", mean(scores, "sharpness"), 1.15))
            goals.append(Goal(f"{group}: jitter of still points", mean(scores, "jitter"), 1.1))
    return goals


def restored_goals(verdicts: Sequence[Verdict]) -> list[Goal]:
    """Hide and restore the inside of real mouths, print the tables; the figures to reach are those of unseen people."""
    from benchmarks import painting  # noqa: PLC0415

    goals = []
    for group, folder in FOLDERS.items():
        members = [each for each in verdicts if each.group == group and each.name not in TRAINED]
        if restored := painting.restore_clips(members):
            painting.show(restored, f"{folder}, people never seen")
            goals += painting.goals_of(restored) if group == "grid" else []
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
    before: Annotated[Path, typer.Option(help="What --json wrote of an earlier engine.")] = EARLIER,
    out: Annotated[Path | None, typer.Option(help="Keep outputs and contact sheets in this folder.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure lip-sync."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        earlier = read_figures(before)
        found = find_clips(data, only)
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        verdicts = judge_all(found, folder)
        if out:
            draw_sheets(verdicts, out)
    clips = compare(verdicts, earlier)
    show(clips)
    goals = [*goals_of(clips), *restored_goals(verdicts)]
    print_goals(goals)
    if json:
        figures = [{"clip": e.clip, "group": e.group, "heygem": e.now, "nothing": e.nothing} for e in clips]
        write_json(json, {"clips": figures}, goals)


if __name__ == "__main__":
    typer.run(main)
