"""``heygem render``: one video."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heygem_cli.cli.output import format_counts, format_speed, frames_by_reason, print_facts, print_json, print_warnings
from heygem_cli.cli.parameters import Given, command
from heygem_cli.cli.trial import planned, previewed
from heygem_cli.errors import InputError, plural, printable
from heygem_cli.options import DisplayOptions, EngineOptions, RenderOptions, TrialOptions, with_found_files
from heygem_cli.runtime import Settings, apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.job import RenderJob, RenderResult


@command
def render(
    audio: Annotated[
        Path | None,
        typer.Argument(
            metavar="AUDIO", readable=False, help="What is spoken: anything with sound that ffmpeg can decode."
        ),
    ] = None,
    face: Annotated[
        Path | None,
        typer.Argument(
            metavar="FACE", readable=False, help="Who speaks: a video, or a still image (jpg, png, heic, …)."
        ),
    ] = None,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            show_default="FACE_AUDIO.mp4 in the current folder",
            help="The video to write: `.mp4`, `.mov` or `.mkv`, or the folder for it.",
        ),
    ] = None,
    options: RenderOptions,
    engines: EngineOptions,
    trial: TrialOptions,
    display: DisplayOptions,
    given: Given,
) -> None:
    """Make the person in FACE speak AUDIO."""
    audio, face = _files(audio, face, options)
    settings = read_settings(os.environ, options.encode.threads)
    apply_settings(settings, os.environ)
    if not display.debug:
        hide_native_output()
    job = _job(audio, face, output or "", options, trial)
    if trial.dry_run:
        facts = planned(job, engines, given)
        print_json({"dry_run": True, **facts}) if display.as_json else print_facts(facts)
        return
    result = _render(job, engines, settings, given, quiet=display.quiet)
    if display.as_json:
        print_json(result.to_dict())
    elif not display.quiet:
        print_facts(summary(result))
    if not display.quiet:
        print_warnings(result.warnings)


def _job(audio: Path, face: Path, output: str, options: RenderOptions, trial: TrialOptions) -> RenderJob:
    """Return the job for files as the user named them."""
    from heygem_cli.job import RenderJob
    from heygem_cli.media.names import FileFinder

    finder = FileFinder()
    audio, face = (finder.find(str(path)) for path in (audio, face))
    name = f"{face.stem}_{audio.stem}{'_preview' if trial.preview else ''}.mp4"
    job = RenderJob(audio, face, output_path(output, name), with_found_files(options, finder.find))
    return previewed(job) if trial.preview else job


def output_path(given: str, name: str) -> Path:
    """Return the output that ``--output`` names: a file, or a folder, which ends with a slash or exists."""
    path = Path(given)
    return path / name if given.endswith("/") or path.is_dir() else path


def _files(audio: Path | None, face: Path | None, options: RenderOptions) -> tuple[Path, Path]:
    """Return the audio, with ``--speak`` that of its first person, and the face video.

    Raises:
        InputError: ``missing-argument``, ``bad-options``.
    """
    if options.speak:
        if audio is None:
            hint = "Run: heygem render --speak 1=anna.wav --speak 2=ben.wav FACE"
            raise InputError("missing-argument", "FACE is missing", hint=hint)
        if face is not None:
            hint = "Leave out AUDIO; --sound names another sound for the output"
            raise InputError("bad-options", f"--speak and AUDIO ({printable(audio)}) exclude each other", hint=hint)
        return options.speak[0].audio, audio
    if audio is None or face is None:
        missing = "AUDIO and FACE are" if audio is None else "FACE is"
        raise InputError("missing-argument", f"{missing} missing", hint="Run: heygem render AUDIO FACE")
    return audio, face


def _render(job: RenderJob, engines: EngineOptions, settings: Settings, given: Given, *, quiet: bool) -> RenderResult:
    from heygem_cli.cli.progress import show_progress
    from heygem_cli.engines import check_engine_options
    from heygem_cli.pipeline import Pipeline, check_job

    check_engine_options([job.options.engine], given)
    with show_progress(quiet=quiet) as on_progress:
        inputs = check_job(job)
        with closing(Pipeline(engines, settings)) as pipeline:
            return pipeline.render(job, inputs, on_progress)


def summary(result: RenderResult) -> dict[str, str]:
    """Return the result as a person reads it."""
    device = {None: "", "CUDAExecutionProvider": " on the GPU"}.get(result.provider, " on the CPU")
    stages = " · ".join(
        f"{stage}{' (cached)' if stage == 'track' and result.track_cached else ''} {seconds:.1f}"
        for stage, seconds in result.seconds.items()
    )
    return {
        "output": printable(result.output),
        "video": f"{result.duration:.2f} s, {result.width}×{result.height}, {float(result.fps):g} fps",
        **_source(result),
        "frames": f"{result.frames}{_states(result)}",
        **_idle(result),
        "seconds": stages,
        "speed": f"{format_speed(result.real_time_factor)} real time, {result.engine} engine{device}",
    }


def _source(result: RenderResult) -> dict[str, str]:
    if result.shots is None or result.people is None:
        return {}
    people = "1 person" if result.people == 1 else f"{result.people} people, {_who(result)}"
    return {"face": f"{plural(result.shots, 'shot')}, {people}"}


def _idle(result: RenderResult) -> dict[str, str]:
    if result.blinks is None:
        return {}
    return {"added": f"{plural(result.blinks, 'blink')}, slight motion of the head and breath (--idle)"}


def _states(result: RenderResult) -> str:
    """Say how many frames were rendered, and why others were not."""
    if result.frames_with_face is None:
        return ""
    others = frames_by_reason(result.to_dict())
    parts = {"rendered": result.frames - sum(others.values()), **others}
    return f": {format_counts(parts.items())}"


def _who(result: RenderResult) -> str:
    numbers = sorted({span.person for span in result.spans})
    listed = " and ".join(map(str, numbers))
    return f"number {listed} speaks" if len(numbers) == 1 else f"numbers {listed} speak"
