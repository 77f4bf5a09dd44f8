"""Measure how well the mouth follows speech: each clip's own sound, rendered onto that clip played backwards.

Run ``python -m benchmarks.lipsync --data FOLDER``; README.md explains the metrics.
"""

from __future__ import annotations

import json as json_format
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

from benchmarks.report import Target, number, print_table, print_targets, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from benchmarks.evaluate import ClipResult

FOLDERS = {"grid": "grid/dev", "wild": "wild"}
"""Folder of each group of clips in the data folder."""
TRAINED = {"bbaf2n"}
"""Clips of ``grid/dev`` whose speaker is in the training data."""
SUFFIXES = {".mpg", ".mp4", ".mov", ".mkv", ".avi", ".webm"}

BASELINE = Path(__file__).parent / "lipsync-baseline.json"
"""Scores of the first complete engine; README.md explains how they were made."""

Group = Literal["grid", "wild"]
Scores = dict[str, float]


@dataclass(frozen=True)
class ClipScores:
    """Scores of a clip, by the field names of :class:`benchmarks.evaluate.Scores`.

    Attributes:
        clip: Name of the clip.
        group: Group of the clip.
        unmodified: Scores of the source video.
        baseline: Scores of an earlier engine, None if they are not known.
        current: Scores of heygem.
    """

    clip: str
    group: str
    unmodified: Scores
    baseline: Scores | None
    current: Scores


def find_clips(data: Path, only: Group | None) -> list[tuple[str, Path]]:
    """Find the clips of all groups or of one, each with the name of its group.

    Raises:
        InputError: There are no clips.
    """
    folders = {group: folder for group, folder in FOLDERS.items() if only in (None, group)}
    clips = [
        (group, path)
        for group, folder in folders.items()
        if (data / folder).is_dir()
        for path in sorted((data / folder).iterdir())
        if path.suffix in SUFFIXES
    ]
    if not clips:
        searched = " or ".join(folders.values())
        raise InputError("no-data", f"no clips in {searched}", hint="Set the data folder with --data", path=data)
    return clips


def evaluate_clips(data: Path, clips: Sequence[tuple[str, Path]], folder: Path) -> list[ClipResult]:
    """Render and evaluate clips with one pipeline."""
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    from benchmarks.bilabials import find_bilabials  # noqa: PLC0415 - after the settings
    from benchmarks.evaluate import evaluate_clip  # noqa: PLC0415
    from heygem_cli.options import EngineOptions  # noqa: PLC0415
    from heygem_cli.pipeline import Pipeline  # noqa: PLC0415

    pipeline = Pipeline(EngineOptions(), settings)
    bilabials = find_bilabials(data, [clip for group, clip in clips if group == "grid"])
    results = []
    for count, (group, clip) in enumerate(clips, 1):
        start = time.perf_counter()
        results.append(evaluate_clip(clip, group, pipeline, folder, bilabials.get(clip.name, ())))
        seconds = time.perf_counter() - start
        correlation = results[-1].heygem.correlation
        sys.stderr.write(f"{count}/{len(clips)} {clip.name}: r {correlation:.2f}, {seconds:.0f} s\n")
    return results


def read_scores(path: Path) -> dict[str, Scores]:
    """Read heygem's scores of each clip from a file that ``--json`` wrote.

    Raises:
        InputError: The file contains no scores.
    """
    try:
        clips = json_format.loads(path.read_text("utf-8"))["clips"]
        return {each["clip"]: {name: float(value) for name, value in each["heygem"].items()} for each in clips}
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Use --before with a file that --json wrote"
        raise InputError("bad-figures", f"contains no scores: {error}", hint=hint, path=path) from error


def combine_scores(results: Sequence[ClipResult], baseline: dict[str, Scores]) -> list[ClipScores]:
    """Combine the scores of each clip with those of an earlier engine."""
    return [
        ClipScores(each.name, each.group, asdict(each.unmodified), baseline.get(each.name), asdict(each.heygem))
        for each in results
    ]


def mean(scores: Sequence[Scores], name: str) -> float:
    """Return the mean of a score over the clips where it is known; shares are weighted by what they are shares of."""
    known = [score for score in scores if not math.isnan(score.get(name, float("nan")))]
    weights = [score[SHARES[name]] if name in SHARES else 1 for score in known]
    total = sum(score[name] * weight for score, weight in zip(known, weights, strict=True))
    return total / sum(weights) if sum(weights) else float("nan")


SHARES = {
    "closure": "silent",
    "real_closure": "silent",
    "bilabials_closed": "bilabials",
    "real_bilabials": "bilabials",
}
"""Scores that are shares, and the number of which they are one."""
COLUMNS = {
    "r": "correlation", "lag": "lag", "r, best lag": "best", "r, velocity": "velocity", "amplitude": "amplitude",
    "LMD": "distance", "open, silent": "closure", "real": "real_closure",
    "p b m": "bilabials_closed",
    "sharp": "sharpness", "jitter": "jitter", "flicker": "flicker", "seam": "seam", "found": "found", "leak": "leak",
}  # fmt: skip


def format_score(name: str, value: float) -> str:
    """Format one score."""
    if math.isnan(value):
        return "–"
    if name == "lag":
        return f"{value:+.0f}" if value == int(value) else f"{value:+.1f}"
    return f"{value:.0%}" if name in SHARES else number(value, 3 if name == "distance" else 2)


def group_clips(clips: Sequence[ClipScores]) -> dict[str, list[ClipScores]]:
    """Return the groups that means are taken over, by name."""
    groups = {
        "grid, unseen speakers": [each for each in clips if each.group == "grid" and each.clip not in TRAINED],
        "grid, all": [each for each in clips if each.group == "grid"],
        "wild": [each for each in clips if each.group == "wild"],
    }
    return {name: members for name, members in groups.items() if members}


def print_scores(clips: Sequence[ClipScores]) -> None:
    """Print a row for each clip, then the means of each group: unmodified source, earlier engine, and current."""
    columns = COLUMNS.values()
    rows = [
        [f"{each.group}/{each.clip}", *(format_score(name, each.current[name]) for name in columns)] for each in clips
    ]
    for group, members in group_clips(clips).items():
        rows.append([""] * (len(COLUMNS) + 1))
        for label, scores in (
            ("unmodified", [each.unmodified for each in members]),
            ("baseline", [each.baseline for each in members if each.baseline]),
            ("current", [each.current for each in members]),
        ):
            rows.append([f"{group}: {label}", *(format_score(name, mean(scores, name)) for name in columns)])
    print_table("Lip-sync: the mouth of the output against the real one", ("clip", *COLUMNS), rows)


def make_targets(clips: Sequence[ClipScores]) -> list[Target]:
    """Return the targets."""
    current = {name: [each.current for each in members] for name, members in group_clips(clips).items()}
    targets = []
    if unseen := current.get("grid, unseen speakers"):
        r = mean(unseen, "correlation")
        targets.append(Target("grid, unseen speakers: mean correlation", r, 0.84, at_least=True))
        closed = mean(current["grid, all"], "bilabials_closed")
        targets.append(Target("grid: share of p, b and m that close within one frame", closed, 0.95, at_least=True))
        largest_lag = max(abs(score["lag"]) for score in current["grid, all"])
        targets.append(Target("grid: largest lag", largest_lag, 1, " frames"))
    if wild := current.get("wild"):
        r = mean(wild, "best")
        targets.append(Target("wild: mean correlation, best lag within ± 3 frames", r, 0.58, at_least=True))
    # Each clip has few silent frames, so the target is for all clips together.
    silent = mean([each.current for each in clips], "closure")
    targets.append(Target("all clips: share of silent frames that are open", silent, 0.02))
    leaks = [each.current for each in clips]
    targets.append(Target("all clips: leak under silence", mean(leaks, "leak"), 0.05))
    for group in ("grid, all", "wild"):
        if scores := current.get(group):
            sharpness = mean(scores, "sharpness")
            targets.append(Target(f"{group}: sharpness, at least", sharpness, 0.85, at_least=True))
            targets.append(Target(f"{group}: sharpness, at most", sharpness, 1.15))
            targets.append(Target(f"{group}: jitter of still points", mean(scores, "jitter"), 1.1))
    return targets


def measure_restoration(results: Sequence[ClipResult]) -> list[Target]:
    """Restore the hidden inside of real mouths and print the scores; the targets are for unseen GRID speakers."""
    from benchmarks import restoration  # noqa: PLC0415

    targets = []
    for group, folder in FOLDERS.items():
        members = [each for each in results if each.group == group and each.name not in TRAINED]
        if scores := restoration.score_clips(members):
            restoration.print_scores(scores, f"{folder}, unseen speakers")
            targets += restoration.make_targets(scores) if group == "grid" else []
    return targets


def write_sheets(results: Sequence[ClipResult], out: Path) -> None:
    """Write a contact sheet of each clip and one of all people."""
    from benchmarks.contact_sheets import clip_sheet, people_sheet  # noqa: PLC0415

    for result in results:
        clip_sheet(result).save(out / f"{result.name}.png")
    people_sheet(results).save(out / "people.png")


def main(
    *,
    data: Annotated[Path, typer.Option(help="Folder with clips in grid/dev and in wild.")],
    only: Annotated[Group | None, typer.Option(help="Measure one group of clips only.")] = None,
    before: Annotated[Path, typer.Option(help="Scores of an earlier engine, written by --json.")] = BASELINE,
    out: Annotated[Path | None, typer.Option(help="Keep outputs and contact sheets in this folder.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all measurements to this file.")] = None,
) -> None:
    """Measure lip-sync."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        baseline = read_scores(before)
        found = find_clips(data, only)
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        results = evaluate_clips(data, found, folder)
        if out:
            write_sheets(results, out)
    clips = combine_scores(results, baseline)
    print_scores(clips)
    targets = [*make_targets(clips), *measure_restoration(results)]
    print_targets(targets)
    if json:
        scores = [{"clip": e.clip, "group": e.group, "heygem": e.current, "nothing": e.unmodified} for e in clips]
        write_json(json, {"clips": scores}, targets)


if __name__ == "__main__":
    typer.run(main)
