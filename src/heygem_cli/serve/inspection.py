"""Inspect uploaded files in a child process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from heygem_cli.files import file_digest
from heygem_cli.job import Inputs, RenderJob
from heygem_cli.media.part import cut_video
from heygem_cli.media.probe_video import probe_video
from heygem_cli.options import Device, RenderOptions
from heygem_cli.pipeline import check_job
from heygem_cli.runtime import Settings, apply_settings

if TYPE_CHECKING:
    from heygem_cli.face.listing import Found


def inspect_job(job: RenderJob) -> tuple[Inputs, tuple[str, ...]]:
    """Probe the inputs of a job, and return what was found, with their digests.

    Raises:
        InputError: An input or an option cannot be used.
        NotCapableError: The encoder does not work here.
    """
    inputs = check_job(job)
    return inputs, tuple(file_digest(path) for path in job.inputs)


def inspect_people(face: Path, options: RenderOptions, device: Device, settings: Settings, sheet: Path) -> Found:
    """Find the people of a video, and write the picture with their numbers, which the page describes in its language.

    Raises:
        HeygemError: See :func:`heygem_cli.face.listing.list_people`.
    """
    apply_settings(settings, os.environ)
    from heygem_cli.face.listing import list_people
    from heygem_cli.face.sheet import write_sheet
    from heygem_cli.face.tracker import FaceTracker

    color = options.background
    used = cut_video(probe_video(face, options.video_track), options.face_start)
    video = replace(used, background=(color.red, color.green, color.blue))
    found = list_people(video, FaceTracker(device, settings), no_cache=options.no_cache)
    write_sheet(sheet, video, found.people, captions=False)
    return found
