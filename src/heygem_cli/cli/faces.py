"""``heygem faces``: the people of a video or a photograph."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from heygem_cli.cli.face_sheet import ListedPerson, check_sheet, write_sheet
from heygem_cli.cli.output import console, print_json, print_table, print_warnings
from heygem_cli.cli.parameters import command, only
from heygem_cli.errors import InputError, plural, printable
from heygem_cli.options import DisplayOptions, EngineOptions, FacesOptions, RenderOptions
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.face.people import SeenPerson
    from heygem_cli.media.types import VideoInfo

ALL_FRAMES = 2**31 - 1
"""More frames than a video has."""


@command
def faces(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", readable=False, help="A video or a still image (jpg, png, heic, …).")
    ],
    *,
    options: FacesOptions,
    source: Annotated[RenderOptions, only("overwrite", "video_track", "face_start", "background", "no_cache")],
    engines: Annotated[EngineOptions, only("device")],
    display: DisplayOptions,
) -> None:
    """List the people in FILE: the numbers that `heygem render --person` takes."""
    settings = read_settings(os.environ, None)
    apply_settings(settings, os.environ)
    if not display.debug:
        hide_native_output()
    from heygem_cli.media.names import FileFinder
    from heygem_cli.media.part import cut_video
    from heygem_cli.media.probe_video import probe_video
    from heygem_cli.pipeline import check_current_folder

    check_current_folder()
    color = source.background
    video = cut_video(probe_video(FileFinder().find(str(file)), source.video_track), source.face_start)
    video = replace(video, background=(color.red, color.green, color.blue))
    if options.sheet is not None:
        check_sheet(options.sheet, video.path, overwrite=source.overwrite)
    found = _find(video, source, engines, settings, quiet=display.quiet)
    if options.sheet is not None:
        write_sheet(options.sheet, video, found.people)
    if display.as_json:
        print_json({**found.to_dict(), "sheet": None if options.sheet is None else str(options.sheet)})
    elif not display.quiet:
        _print(found, options.sheet)
    if not display.quiet:
        print_warnings(found.warnings)


@dataclass(frozen=True)
class Found:
    """What is in a video.

    Attributes:
        video: The video.
        frames: How many frames it has.
        shots: How many shots.
        people: The people.
        cached: Whether the track came from the cache.
        warnings: What the user should know about the video.
    """

    video: VideoInfo
    frames: int
    shots: int
    people: tuple[ListedPerson, ...]
    cached: bool
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        return {
            "file": str(self.video.path),
            "width": self.video.width,
            "height": self.video.height,
            "fps": float(self.video.fps),
            "frames": self.frames,
            "shots": self.shots,
            "people": [asdict(person) for person in self.people],
            "track_cached": self.cached,
            "warnings": list(self.warnings),
        }


def _find(video: VideoInfo, source: RenderOptions, engines: EngineOptions, settings: Settings, *, quiet: bool) -> Found:
    """Find the people.

    Raises:
        InputError: ``no-face``: there is nobody.
        HeygemError: The video cannot be read, or its track not be written.
    """
    from heygem_cli.cli.progress import show_progress
    from heygem_cli.face.follow import track_faces
    from heygem_cli.face.people import find_people
    from heygem_cli.face.tracker import FaceTracker
    from heygem_cli.job import Progress

    warnings = [f"{printable(video.path)}: {note}" for note in video.notes]
    with show_progress(quiet=quiet) as on_progress:
        track, cached = track_faces(
            video,
            FaceTracker(engines.device, settings),
            ALL_FRAMES,
            no_cache=source.no_cache,
            on_frame=lambda done: on_progress(Progress("track", done, max(done, video.frames))),
            on_damage=warnings.append,
        )
    with closing(track):
        people = tuple(_listed(person, video, len(track)) for person in find_people(track))
        if not people:
            searched = f" in {len(track)} frames" if len(track) > 1 else ""
            hint = "Use a file with a real face, seen from the front and larger than 5 % of the picture"
            raise InputError("no-face", f"no face found{searched}", hint=hint, path=video.path)
        return Found(video, len(track), len(track.cuts), people, cached, tuple(warnings))


def _listed(person: SeenPerson, video: VideoInfo, frames: int) -> ListedPerson:
    box = person.box
    left, top = (max(0, round(middle - box.size / 2)) for middle in (box.x, box.y))
    right, bottom = (
        min(end, round(middle + box.size / 2)) for middle, end in ((box.x, video.width), (box.y, video.height))
    )
    return ListedPerson(
        number=person.number,
        where=box.third(video.width),
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        best_frame=person.best,
        frames=person.frames,
        share=round(person.frames / frames, 4),
        first=round(float((video.skipped + person.first) / video.fps), 6),
        last=round(float((video.skipped + person.last + 1) / video.fps), 6),
    )


def _print(found: Found, sheet: Path | None) -> None:
    names = ["person", "where", "face", "frames", "first", "last"]
    if found.video.is_still:
        del names[3:]
    table = Table.grid(padding=(0, 3))
    table.add_row(*(Text(name, style="dim") for name in names))
    for person in found.people:
        face = f"{person.width}×{person.height} at {person.left},{person.top}"
        cells = (person.number, person.where, face, person.percent, f"{person.first:.2f} s", f"{person.last:.2f} s")
        table.add_row(*(Text(str(cell)) for cell in cells[: len(names)]))
    print_table(table)
    people = "1 person" if len(found.people) == 1 else f"{len(found.people)} people"
    length = "" if found.video.is_still else f" in {plural(found.shots, 'shot')} and {plural(found.frames, 'frame')}"
    written = "" if sheet is None else f"; their pictures are in {printable(sheet)}"
    console().print(Text(f"{people}{length}{written}"))
