"""``heygem render``: one video."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heygem_cli.cli.output import print_facts, print_json, report_errors
from heygem_cli.cli.parameters import (
    SERVICE_URL,
    AllowCpuOption,
    CondaEnvOption,
    CrfOption,
    DebugOption,
    DeviceOption,
    EncoderOption,
    EngineOption,
    FaceOption,
    HomeOption,
    JsonOption,
    LoopOption,
    MapOption,
    MissingFaceOption,
    NoCacheOption,
    OverwriteOption,
    PresetOption,
    PythonOption,
    QuietOption,
    RecycleAfterOption,
    StallTimeoutOption,
    ThreadsOption,
    UrlOption,
    engine_settings,
    render_options,
)
from heygem_cli.cli.progress import show_progress
from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.job import RenderResult


def render(
    audio: Annotated[
        Path,
        typer.Argument(
            metavar="AUDIO", readable=False, help="What is spoken: anything with sound that ffmpeg can decode."
        ),
    ],
    face: Annotated[
        Path,
        typer.Argument(metavar="FACE", readable=False, help="Who speaks: a video, or a still image (jpg, png, webp)."),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The mp4 to make. Default: FACE_AUDIO.mp4 in the current folder."),
    ] = None,
    overwrite: OverwriteOption = False,
    engine: EngineOption = "mesh",
    face_choice: FaceOption = "largest",
    loop: LoopOption = "pingpong",
    on_missing_face: MissingFaceOption = "pass",
    crf: CrfOption = 18,
    preset: PresetOption = "veryfast",
    encoder: EncoderOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    no_cache: NoCacheOption = False,
    home: HomeOption = None,
    python: PythonOption = None,
    conda_env: CondaEnvOption = None,
    stall_timeout: StallTimeoutOption = 120.0,
    recycle_after: RecycleAfterOption = 25,
    allow_cpu: AllowCpuOption = False,
    url: UrlOption = SERVICE_URL,
    maps: MapOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Make the person in FACE speak AUDIO."""
    with report_errors(as_json=as_json, debug=debug), raise_on_signal():
        settings = read_settings(os.environ, threads)
        apply_settings(settings, os.environ)
        if not debug:
            hide_native_output()
        with show_progress(quiet=quiet) as report:
            from heygem_cli.job import RenderJob
            from heygem_cli.pipeline import Pipeline, check_job

            options = render_options(
                engine=engine,
                face=face_choice,
                loop=loop,
                on_missing_face=on_missing_face,
                crf=crf,
                preset=preset,
                encoder=encoder,
                threads=threads,
                no_cache=no_cache,
            )
            engines = engine_settings(
                device=device,
                process=settings,
                home=home,
                python=python,
                conda_env=conda_env,
                stall_timeout=stall_timeout,
                recycle_after=recycle_after,
                allow_cpu=allow_cpu,
                url=url,
                maps=maps,
            )
            job = RenderJob(audio, face, output or Path(f"{face.stem}_{audio.stem}.mp4"), overwrite, options)
            # Bad input is told at once, not after the models have loaded.
            check_job(job)
            with closing(Pipeline(engines)) as pipeline:
                result = pipeline.render(job, report)
        if as_json:
            print_json(to_dict(result))
        elif not quiet:
            print_facts(summary(result))


def to_dict(result: RenderResult) -> dict[str, object]:
    """The result as ``--json`` prints it."""
    return {
        "output": str(result.output),
        "width": result.width,
        "height": result.height,
        "fps": float(result.fps),
        "frames": result.frames,
        "duration": round(result.duration, 3),
        "frames_with_face": result.frames_with_face,
        "frames_without_face": result.frames_without_face,
        "frames_turned_away": result.frames_turned_away,
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
        "real_time_factor": round(result.real_time_factor, 3),
        "track_cached": result.track_cached,
        "engine": result.engine,
        "provider": result.provider,
    }


def summary(result: RenderResult) -> dict[str, str]:
    """The result as a person reads it."""
    from heygem_cli.errors import printable

    device = {None: "", "CUDAExecutionProvider": " on the GPU"}.get(result.provider, " on the CPU")
    stages = " · ".join(
        f"{stage}{' (cached)' if stage == 'track' and result.track_cached else ''} {seconds:.1f}"
        for stage, seconds in result.seconds.items()
    )
    faces = "" if result.frames_with_face is None else f": {result.frames_with_face} with the face"
    if result.frames_turned_away:
        faces += f" ({result.frames_turned_away} turned away, unchanged)"
    if result.frames_without_face:
        faces += f", {result.frames_without_face} without"
    return {
        "output": printable(result.output),
        "video": f"{result.duration:.2f} s, {result.width}×{result.height}, {float(result.fps):g} fps",
        "frames": f"{result.frames}{faces}",
        "seconds": stages,
        "speed": f"{result.real_time_factor:.2f} s a second of video, {result.engine} engine{device}",
    }
