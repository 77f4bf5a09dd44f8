"""``heygem render``: one video."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from heygem_cli.cli.progress import progress_shown
from heygem_cli.cli.show import errors_shown, print_facts, print_json
from heygem_cli.cli.signals import signals_raised
from heygem_cli.runtime import Device, apply_settings, native_output_hidden, read_settings

if TYPE_CHECKING:
    from heygem_cli.pipeline import RenderResult

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]


def render(
    audio: Annotated[
        Path, typer.Argument(metavar="AUDIO", help="What is spoken: anything with sound that ffmpeg can decode.")
    ],
    face: Annotated[
        Path, typer.Argument(metavar="FACE", help="Who speaks: a video, or a still image (jpg, png, webp).")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The mp4 to make. Default: FACE_AUDIO.mp4 in the current folder."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", envvar="HEYGEM_OVERWRITE", help="Replace the output if it exists.")
    ] = False,
    engine: Annotated[str, typer.Option(envvar="HEYGEM_ENGINE", help="What draws the face.")] = "mesh",
    face_choice: Annotated[
        str,
        typer.Option(
            "--face",
            metavar="largest|left|center|right|N|X,Y",
            envvar="HEYGEM_FACE",
            help="Which person speaks: a rule, a number counted from the left, or a point in pixels.",
        ),
    ] = "largest",
    loop: Annotated[
        Literal["pingpong", "forward", "hold", "none"],
        typer.Option(envvar="HEYGEM_LOOP", help="What to do when the audio is longer than the face video."),
    ] = "pingpong",
    on_missing_face: Annotated[
        Literal["pass", "hold", "fail"],
        typer.Option(
            envvar="HEYGEM_ON_MISSING_FACE",
            help="Frames without the face: pass them unchanged, hold the last frame that has it, or fail.",
        ),
    ] = "pass",
    crf: Annotated[
        int, typer.Option(min=0, max=51, envvar="HEYGEM_CRF", help="Quality of the video: lower is better.")
    ] = 18,
    preset: Annotated[
        Preset, typer.Option(envvar="HEYGEM_PRESET", help="Speed of libx264: slower makes smaller files.")
    ] = "veryfast",
    encoder: Annotated[
        Literal["auto", "libx264", "h264_nvenc"], typer.Option(envvar="HEYGEM_ENCODER", help="The video encoder.")
    ] = "auto",
    device: Annotated[
        Device, typer.Option(envvar="HEYGEM_DEVICE", help="Where the networks run; cuda fails where it cannot.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, envvar="HEYGEM_THREADS", help="Threads of the networks and of the encoder.")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", envvar="HEYGEM_NO_CACHE", help="Neither read nor keep the face's track.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", envvar="HEYGEM_QUIET", help="Print errors only.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="HEYGEM_DEBUG", help="Show tracebacks and what native code prints.")
    ] = False,
) -> None:
    """Make the person in FACE speak AUDIO."""
    with errors_shown(as_json=as_json, debug=debug), signals_raised():
        settings = read_settings(os.environ, threads)
        apply_settings(settings, os.environ)
        with native_output_hidden(shown=debug), progress_shown(quiet=quiet) as report:
            from heygem_cli.face.select import parse_choice
            from heygem_cli.media.write import EncodeOptions
            from heygem_cli.pipeline import Pipeline, RenderJob, RenderOptions, check_job

            options = RenderOptions(
                engine=engine,
                face=parse_choice(face_choice),
                loop=loop,
                on_missing_face=on_missing_face,
                encode=EncodeOptions(encoder=encoder, crf=crf, preset=preset, threads=threads or 0),
                cache=not no_cache,
            )
            job = RenderJob(audio, face, output or Path(f"{face.stem}_{audio.stem}.mp4"), overwrite, options)
            # Bad input is told at once, not after the models have loaded.
            check_job(job)
            result = Pipeline(device, settings).render(job, report)
        if as_json:
            print_json(as_object(result))
        elif not quiet:
            print_facts(summary(result))


def as_object(result: RenderResult) -> dict[str, object]:
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
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
        "real_time_factor": round(result.real_time_factor, 3),
        "track_cached": result.track_cached,
        "engine": result.engine,
        "provider": result.provider,
    }


def summary(result: RenderResult) -> dict[str, str]:
    """The result as a person reads it."""
    from heygem_cli.errors import shown

    device = "GPU" if result.provider == "CUDAExecutionProvider" else "CPU"
    stages = " · ".join(
        f"{stage}{' (cached)' if stage == 'track' and result.track_cached else ''} {seconds:.1f}"
        for stage, seconds in result.seconds.items()
    )
    faces = f"{result.frames_with_face} with the face"
    if result.frames_without_face:
        faces += f", {result.frames_without_face} without"
    return {
        "output": shown(result.output),
        "video": f"{result.duration:.2f} s, {result.width}×{result.height}, {float(result.fps):g} fps",
        "frames": f"{result.frames}: {faces}",
        "seconds": stages,
        "speed": f"{result.real_time_factor:.2f} s a second of video, {result.engine} engine on the {device}",
    }
