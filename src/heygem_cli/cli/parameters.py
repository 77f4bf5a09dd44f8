"""The options that ``heygem render`` and ``heygem batch`` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heygem_cli.options import Encoder, LoopMode, MissingFace, Preset
from heygem_cli.runtime import Device, Settings

if TYPE_CHECKING:
    from heygem_cli.job import RenderOptions
    from heygem_cli.options import EngineSettings

OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", envvar="HEYGEM_OVERWRITE", help="Replace the output if it exists.")
]
EngineOption = Annotated[str, typer.Option(envvar="HEYGEM_ENGINE", help="What renders: mesh is built in.")]
FaceOption = Annotated[
    str,
    typer.Option(
        "--face",
        metavar="largest|left|center|right|N|X,Y",
        envvar="HEYGEM_FACE",
        help="Which person speaks: a rule, a number counted from the left, or a point in pixels.",
    ),
]
LoopOption = Annotated[
    LoopMode,
    typer.Option(envvar="HEYGEM_LOOP", help="What to do when the audio is longer than the face video."),
]
MissingFaceOption = Annotated[
    MissingFace,
    typer.Option(
        envvar="HEYGEM_ON_MISSING_FACE",
        help="Frames without the face: pass them unchanged, hold the last frame that has it, or fail.",
    ),
]
CrfOption = Annotated[
    int, typer.Option(min=0, max=51, envvar="HEYGEM_CRF", help="Quality of the video: lower is better.")
]
PresetOption = Annotated[
    Preset, typer.Option(envvar="HEYGEM_PRESET", help="Speed of libx264: slower makes smaller files.")
]
EncoderOption = Annotated[Encoder, typer.Option(envvar="HEYGEM_ENCODER", help="The video encoder.")]
DeviceOption = Annotated[
    Device, typer.Option(envvar="HEYGEM_DEVICE", help="Where the networks run; cuda fails where it cannot.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=128, envvar="HEYGEM_THREADS", help="Threads of the networks and of the encoder."),
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", envvar="HEYGEM_NO_CACHE", help="Neither read nor keep the face's track.")
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", envvar="HEYGEM_HOME", help="Engine heygem: the root of the installation."),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python", metavar="PROGRAM", envvar="HEYGEM_PYTHON", help="Engine heygem: the installation's interpreter."
    ),
]
CondaEnvOption = Annotated[
    str | None,
    typer.Option(
        "--conda-env", metavar="NAME", envvar="HEYGEM_CONDA_ENV", help="Engine heygem: the conda environment with it."
    ),
]
StallTimeoutOption = Annotated[
    float,
    typer.Option(
        "--stall-timeout",
        min=1,
        metavar="SECONDS",
        envvar="HEYGEM_STALL_TIMEOUT",
        help="Engines heygem, heygem-http: end a job that makes no progress for so long.",
    ),
]
RecycleAfterOption = Annotated[
    int,
    typer.Option(
        "--recycle-after",
        min=1,
        metavar="JOBS",
        envvar="HEYGEM_RECYCLE_AFTER",
        help="Engine heygem: replace its worker after so many jobs.",
    ),
]
AllowCpuOption = Annotated[
    bool,
    typer.Option("--allow-cpu", envvar="HEYGEM_ALLOW_CPU", help="Engine heygem: go on where it only gets the CPU."),
]
SERVICE_URL = "http://127.0.0.1:8383"
UrlOption = Annotated[
    str,
    typer.Option("--url", envvar="HEYGEM_URL", help="Engine heygem-http: the address of the service."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="HOST:CONTAINER",
        envvar="HEYGEM_MAP",
        help="Engine heygem-http: a folder here, and its name in the container; may be repeated.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", envvar="HEYGEM_QUIET", help="Print errors only.")]
DebugOption = Annotated[
    bool, typer.Option("--debug", envvar="HEYGEM_DEBUG", help="Show tracebacks and what native code prints.")
]


def render_options(
    *,
    engine: str,
    face: str,
    loop: LoopMode,
    on_missing_face: MissingFace,
    crf: int,
    preset: Preset,
    encoder: Encoder,
    threads: int | None,
    no_cache: bool,
) -> RenderOptions:
    """Put the options of the command line together.

    Raises:
        InputError: ``face`` names nobody.
    """
    from heygem_cli.face.select import parse_person
    from heygem_cli.job import RenderOptions
    from heygem_cli.media.write import EncodeOptions

    return RenderOptions(
        engine=engine,
        face=parse_person(face),
        loop=loop,
        on_missing_face=on_missing_face,
        encode=EncodeOptions(encoder=encoder, crf=crf, preset=preset, threads=threads or 0),
        cache=not no_cache,
    )


def engine_settings(
    *,
    device: Device = "auto",
    process: Settings | None = None,
    home: Path | None,
    python: str | None,
    conda_env: str | None,
    stall_timeout: float = 120.0,
    recycle_after: int = 25,
    allow_cpu: bool = False,
    url: str,
    maps: list[str] | None,
) -> EngineSettings:
    """Put together what engines are made with.

    Raises:
        InputError: a map is none.
    """
    from heygem_cli.heygem.service.maps import parse_map
    from heygem_cli.options import EngineSettings, HeygemSettings, ServiceSettings

    return EngineSettings(
        device=device,
        process=process or Settings(),
        heygem=HeygemSettings(
            home=home,
            python=python,
            conda_env=conda_env,
            stall_timeout=stall_timeout,
            recycle_after=recycle_after,
            allow_cpu=allow_cpu,
        ),
        service=ServiceSettings(
            url=url,
            maps=tuple(parse_map(each) for each in maps or ()),
            stall_timeout=stall_timeout,
        ),
    )
