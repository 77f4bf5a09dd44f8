"""``heygem render --preview`` and ``--dry-run``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from heygem_cli.cli.parameters import Given
from heygem_cli.errors import plural, printable
from heygem_cli.options import EngineOptions

if TYPE_CHECKING:
    from heygem_cli.job import Inputs, RenderJob

PREVIEW_SECONDS = 5.0


def previewed(job: RenderJob) -> RenderJob:
    """Return a job that shows quickly what another one will look like."""
    options = job.options
    duration = PREVIEW_SECONDS if options.duration is None else min(options.duration, PREVIEW_SECONDS)
    encode = replace(options.encode, quality="draft")
    return replace(job, options=replace(options, duration=duration, encode=encode), half_size=True)


def planned(job: RenderJob, engines: EngineOptions, given: Given) -> dict[str, str]:
    """Check a job as a render does, and return what it would make as a person reads it.

    Raises:
        HeygemError: It cannot be rendered.
    """
    from heygem_cli.engines import check_engine, check_engine_options
    from heygem_cli.pipeline import check_job

    check_engine_options([job.options.engine], given)
    inputs = check_job(job)
    check_engine(job.options.engine, engines)
    return {"output": printable(job.output), **_describe(job, inputs)}


def _describe(job: RenderJob, inputs: Inputs) -> dict[str, str]:
    from heygem_cli.media.write import choose_encoder

    audio, video, options = inputs.audio, inputs.video, job.options
    frames, needed = video.frames, round(audio.duration * video.fps)
    if video.is_still:
        face = "a still image"
    else:
        looped = f", {options.loop}" if needed > frames else ""
        face = f"{plural(frames, 'frame')}, {float(frames / video.fps):.2f} s{looped}"
    size = f"{video.width}×{video.height}"
    return {
        "video": f"{audio.duration:.2f} s, {size}, {float(video.fps):g} fps, about {plural(needed, 'frame')}",
        "face": face,
        "engine": options.engine,
        "encoder": choose_encoder(options.encode, video.width, video.height),
    }
