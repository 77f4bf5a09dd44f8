"""``heygem faces``: the people of a video or a photograph."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from heygem_cli.cli.output import console, print_json, print_table, print_warnings
from heygem_cli.cli.parameters import command, only
from heygem_cli.errors import plural, printable
from heygem_cli.options import DisplayOptions, EngineOptions, FacesOptions, RenderOptions
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.face.listing import Found
    from heygem_cli.media.types import VideoInfo


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
    """List the people in FILE. Their numbers are those that `heygem render --person` takes."""
    settings = read_settings(os.environ, None)
    apply_settings(settings, os.environ)
    if not display.debug:
        hide_native_output()
    from heygem_cli.face.sheet import check_sheet, write_sheet
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


def _find(video: VideoInfo, source: RenderOptions, engines: EngineOptions, settings: Settings, *, quiet: bool) -> Found:
    from heygem_cli.cli.progress import show_progress
    from heygem_cli.face.listing import list_people
    from heygem_cli.face.tracker import FaceTracker
    from heygem_cli.job import Progress

    with show_progress(quiet=quiet) as on_progress:
        return list_people(
            video,
            FaceTracker(engines.device, settings),
            no_cache=source.no_cache,
            on_frame=lambda done: on_progress(Progress("track", done, max(done, video.frames))),
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
