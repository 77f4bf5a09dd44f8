"""Measure who speaks in videos of several people, and what happens to what is in front of a face.

Run ``python -m benchmarks.people --data FOLDER``; README.md explains the figures.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmarks.report import Target, number, print_table, print_targets, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import InputError
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from benchmarks.people_clean import CleanScores
    from benchmarks.people_cover_scores import CoverScores
    from benchmarks.people_identity import IdentityScores
    from benchmarks.people_render import Rendered
    from benchmarks.people_scenes import Composite
    from benchmarks.people_speakers import SpeakerScores

Group = Literal["speakers", "covers", "clean", "identity"]
SetName = Literal["tuned", "held-out"]
FRAMES = 75
"""Frames that are read of each clip."""


@dataclass
class Measured:
    """The scores of composites with the names of their sets, and strips for the contact sheet."""

    speakers: list[tuple[SetName, SpeakerScores]] = field(default_factory=list)
    covers: list[tuple[SetName, CoverScores]] = field(default_factory=list)
    clean: list[tuple[SetName, CleanScores]] = field(default_factory=list)
    identity: list[tuple[SetName, IdentityScores]] = field(default_factory=list)
    strips: list[Image] = field(default_factory=list)


def make_cases(
    data: Path, sets: Sequence[SetName], only: Group | None, names: Sequence[str]
) -> Iterator[tuple[SetName, Group, Composite]]:
    """Yield the composites of all casts.

    Args:
        data: The data folder.
        sets: Which sets of people.
        only: One group of composites; None: all.
        names: Parts of the names of the composites; empty: all.

    Raises:
        InputError: A clip does not exist.
    """
    from benchmarks import people_actors, people_covers, people_scenes  # noqa: PLC0415 - after the settings

    def chosen(composite: Composite) -> bool:
        return not names or any(part in composite.name for part in names)

    for set_name in sets if only in {None, "speakers", "covers"} else ():
        for clips in people_actors.CASTS[set_name]:
            cast = [people_actors.load_actor(data / clip, FRAMES) for clip in clips]
            if only in {None, "speakers"}:
                made = people_scenes.make_composites(cast)
                yield from ((set_name, "speakers", each) for each in made if chosen(each))
            if only in {None, "covers"}:
                made = [people_covers.cover_composite(cover, cast[0]) for cover in people_covers.COVERS]
                yield from ((set_name, "covers", each) for each in made if chosen(each))


def measure(data: Path, sets: Sequence[SetName], only: Group | None, names: Sequence[str], folder: Path) -> Measured:
    """Make, render and score composites."""
    settings = read_settings(os.environ)
    apply_settings(settings, os.environ)
    hide_native_output()
    from benchmarks import people_identity  # noqa: PLC0415 - after the settings
    from benchmarks.people_actors import VOICE, load_actor  # noqa: PLC0415
    from benchmarks.people_clean import score_clean  # noqa: PLC0415
    from benchmarks.people_render import render_composite  # noqa: PLC0415
    from heygem_cli.mesh.engine import MeshEngine  # noqa: PLC0415
    from heygem_cli.options import EngineOptions  # noqa: PLC0415
    from heygem_cli.pipeline import Pipeline  # noqa: PLC0415

    pipeline, measured = Pipeline(EngineOptions(), settings), Measured()
    for set_name, group, composite in make_cases(data, sets, only, names):
        start = time.perf_counter()
        rendered = render_composite(composite, data / VOICE, pipeline, folder)
        summary = add_scores(measured, set_name, group, rendered)
        sys.stderr.write(f"{summary}, {time.perf_counter() - start:.0f} s\n")
    for set_name in sets if only in {None, "clean"} else ():
        for clip in (clips[0] for clips in people_identity.PEOPLE[set_name]):
            actor = load_actor(data / clip, FRAMES)
            measured.clean.append((set_name, score_clean(actor, data / clip, pipeline, folder)))
            sys.stderr.write(f"{measured.clean[-1]}\n")
    if only in {None, "identity"}:
        engine = pipeline.engine("mesh")
        assert isinstance(engine, MeshEngine)  # noqa: S101 - for the type checker
        for set_name in sets:
            scores = people_identity.score_identity(data, people_identity.PEOPLE[set_name], engine.tracker)
            measured.identity += [(set_name, each) for each in scores]
    return measured


def add_scores(measured: Measured, set_name: SetName, group: Group, rendered: Rendered) -> str:
    """Score a rendered composite, draw its strip, and return a line about it."""
    from benchmarks.people_cover_scores import score_cover  # noqa: PLC0415
    from benchmarks.people_sheet import draw_strip  # noqa: PLC0415
    from benchmarks.people_speakers import score_speakers  # noqa: PLC0415

    title = f"{set_name}, {rendered.composite.speaker}, {rendered.composite.name}"
    if group == "speakers":
        speakers = score_speakers(rendered)
        measured.speakers.append((set_name, speakers))
        line, wrong = f"{title}: {speakers.right} of {speakers.frames} frames right", speakers.wrong
    else:
        cover = score_cover(rendered)
        measured.covers.append((set_name, cover))
        line = f"{title}: {number(cover.error)} levels, {cover.speaking} of {cover.beside} frames speak"
        line, wrong = f"{line}, {cover.passed} of {cover.whole} pass", cover.wrong
    measured.strips.append(draw_strip(line, rendered, wrong))
    return line


def print_speakers(measured: Measured) -> list[Target]:
    """Print who speaks in each kind of composite, and return the targets."""
    from benchmarks.people_speakers import share_right  # noqa: PLC0415

    sets = list(dict.fromkeys(name for name, _ in measured.speakers))
    rows = []
    for kind in dict.fromkeys(scores.name for _, scores in measured.speakers):
        row = [kind]
        for chosen in sets:
            some = [scores for name, scores in measured.speakers if (name, scores.name) == (chosen, kind)]
            row += [percent(share_right(some)), str(sum(each.silent for each in some))]
            row += [str(sum(each.others for each in some)), str(sum(each.frames for each in some))]
        rows.append(row)
    heads = [f"{chosen}: {column}" for chosen in sets for column in ("right", "silent", "others", "frames")]
    print_table("Who speaks, in the frames in which the mouth should be open", ("composite", *heads), rows)
    return [
        Target(
            f"{chosen}: frames in which the right person and nobody else speaks",
            100 * share_right([scores for name, scores in measured.speakers if name == chosen]),
            99,
            " %",
            at_least=True,
        )
        for chosen in sets
    ]


def print_covers(measured: Measured) -> list[Target]:
    """Print what became of each kind of cover, and return the targets."""
    from benchmarks.people_cover_scores import mean_error, share  # noqa: PLC0415

    sets = list(dict.fromkeys(name for name, _ in measured.covers))
    rows = []
    for kind in dict.fromkeys(scores.name for _, scores in measured.covers):
        row = [kind]
        for chosen in sets:
            some = [scores for name, scores in measured.covers if (name, scores.name) == (chosen, kind)]
            row += [number(mean_error(some)), percent(share(some, "speaking", "beside"))]
            row += [percent(share(some, "passed", "whole"))]
            row += [f"{sum(each.counted for each in some)}/{sum(each.hidden for each in some)}"]
        rows.append(row)
    heads = [f"{chosen}: {column}" for chosen in sets for column in ("levels", "speaks", "passed", "counted")]
    print_table("What is in front of the face", ("composite", *heads), rows)
    targets = []
    for chosen in sets:
        some = [scores for name, scores in measured.covers if name == chosen]
        targets += [
            Target(f"{chosen}: covered pixels, mean difference to the source", mean_error(some), 0.2, " levels"),
            Target(
                f"{chosen}: wholly covered mouths passed",
                100 * share(some, "passed", "whole"),
                98,
                " %",
                at_least=True,
            ),
        ]
    return targets


def print_clean(measured: Measured) -> list[Target]:
    """Print what is lost where nothing is in front of the face, and return the targets."""
    rows = []
    for chosen, each in measured.clean:
        share = percent(each.covered / max(1, each.pixels))
        rows.append([f"{chosen}, {each.name}", share, number(each.r, 3), number(each.r_uncovered, 3)])
    heads = ("clip", "mouth taken for covered", "r", "r without covers")
    print_table("Clips without anything in front of the face", heads, rows)
    targets = []
    for chosen in dict.fromkeys(name for name, _ in measured.clean):
        some = [scores for name, scores in measured.clean if name == chosen]
        taken = sum(each.covered for each in some) / max(1, sum(each.pixels for each in some))
        loss = sum(each.r_uncovered - each.r for each in some) / len(some)
        targets += [
            Target(f"{chosen}: clean clips, share of the mouth taken for covered", 100 * taken, 0.5, " %"),
            Target(f"{chosen}: clean clips, mean loss of r", loss, 0.005),
        ]
    return targets


def print_identity(measured: Measured) -> list[Target]:
    """Print how well people are recognised, and return the targets."""
    rows = [
        [
            f"{chosen}, {each.kind}",
            *(percent(share) for share in (each.error, each.same_error, each.different_error)),
            str(each.same),
            str(each.different),
        ]
        for chosen, each in measured.identity
    ]
    heads = (
        "halves of clips",
        "equal error rate",
        "same, taken for others",
        "others, taken for same",
        "same",
        "others",
    )
    print_table("Who is who", heads, rows)
    return [
        Target(f"{chosen}: same or different person, equal error rate, {each.kind}", 100 * each.error, 2, " %")
        for chosen, each in measured.identity
    ]


def percent(value: float) -> str:
    """Format a share; NaN as a dash."""
    return "–" if value != value else f"{value:.1%}"  # noqa: PLR0124 - NaN


def to_json(measured: Measured) -> dict[str, object]:
    """Return all scores."""
    return {
        "speakers": [{"set": name, **asdict(scores)} for name, scores in measured.speakers],
        "covers": [{"set": name, **asdict(scores)} for name, scores in measured.covers],
        "clean": [{"set": name, **asdict(scores)} for name, scores in measured.clean],
        "identity": [{"set": name, **asdict(scores)} for name, scores in measured.identity],
    }


def main(
    *,
    data: Annotated[Path, typer.Option(help="Folder with clips in grid/train, grid/dev and wild.")],
    only: Annotated[Group | None, typer.Option(help="Measure one group of composites only.")] = None,
    people: Annotated[SetName | None, typer.Option(help="Measure one set of people only.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Only composites with this in their name; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep sources and outputs in this folder.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw every composite, source above output.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all measurements to this file.")] = None,
) -> None:
    """Measure who speaks, and what is in front of the face."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measured = measure(data, [people] if people else ["tuned", "held-out"], only, name or [], folder)
        if not any((measured.strips, measured.clean, measured.identity)):
            raise InputError("no-data", "no composite has such a name", hint="See benchmarks/people_scenes.py")
        if sheet and measured.strips:
            from benchmarks.people_sheet import write_sheet  # noqa: PLC0415

            write_sheet(measured.strips, sheet)
        targets = print_speakers(measured) if measured.speakers else []
        targets += print_covers(measured) if measured.covers else []
        targets += print_clean(measured) if measured.clean else []
        targets += print_identity(measured) if measured.identity else []
        print_targets(targets)
        if json:
            write_json(json, to_json(measured), targets)


if __name__ == "__main__":
    typer.run(main)
