"""The engines: what an engine is, and which ones there are. An engine is imported when it is first used."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from heygem_cli.errors import HeygemError, InputError, NotCapableError, did_you_mean
from heygem_cli.job import Inputs, ProgressCallback, RenderJob, RenderResult
from heygem_cli.option_fields import Declared, declared, value_of
from heygem_cli.options import HEYGEM_PACE, EngineOptions, RenderOptions
from heygem_cli.person import Person
from heygem_cli.runtime import Settings


class Engine(Protocol):
    """Renders jobs, one after another; what is slow to load is loaded once."""

    name: str

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job.

        Args:
            job: A job that was checked. A file that appears meanwhile under the output's name is kept unless
                ``overwrite`` is set.
            inputs: The probed inputs of the job.
            on_progress: Called at least once a second; it ends a job whose time is up by raising.

        Raises:
            InputError: An input cannot be used; nothing was written.
            NotCapableError: No job can be rendered here.
            HeygemError: The job failed. Nothing half-written is left, and the next job can be rendered.
        """
        ...

    def close(self) -> None:
        """Release everything, in whatever state it is, and end what the engine started."""
        ...


@dataclass(frozen=True)
class EngineEntry:
    """An engine that can be chosen.

    Attributes:
        name: The value of ``--engine``.
        summary: One line for a person.
        needs: What has to be there, a few words each.
        uses: Names of the options that the engine can use, besides ``engine`` and ``overwrite``.
        problems: Returns what keeps the engine from working here, as far as that shows without loading anything.
        identity: Returns what outputs depend on besides inputs and options, such as a digest of the models.
        load: Loads the engine.
        pace: Seconds that a batch allows for each second of audio.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    uses: frozenset[str]
    problems: Callable[[EngineOptions], list[HeygemError]]
    identity: Callable[[EngineOptions], str]
    load: Callable[[EngineOptions, Settings], Engine]
    pace: float = 10


def _ffmpeg_problems() -> list[HeygemError]:
    """Return why there is no ffmpeg, with which every engine reads and writes."""
    from heygem_cli.media.ffmpeg import find_ffmpeg

    try:
        find_ffmpeg()
    except NotCapableError as error:
        return [error]
    return []


def _mesh_problems(_options: EngineOptions) -> list[HeygemError]:
    from heygem_cli.mesh.models import model_problems

    return [*_ffmpeg_problems(), *model_problems()]


def _mesh_identity(_options: EngineOptions) -> str:
    from heygem_cli.mesh.models import models_digest

    return models_digest()


def _load_mesh(options: EngineOptions, settings: Settings) -> Engine:
    from heygem_cli.mesh.engine import MeshEngine

    return MeshEngine(options.device, settings)


def _heygem_problems(options: EngineOptions) -> list[HeygemError]:
    from heygem_cli.heygem.local.locate import problems

    return [*_ffmpeg_problems(), *problems(options, os.environ)]


def _heygem_identity(options: EngineOptions) -> str:
    from heygem_cli.heygem.local.locate import identity

    return identity(options, os.environ)


def _load_heygem(options: EngineOptions, _settings: Settings) -> Engine:
    from heygem_cli.heygem.local.engine import HeygemEngine

    return HeygemEngine(options, os.environ)


def _service_problems(options: EngineOptions) -> list[HeygemError]:
    from heygem_cli.heygem.service.engine import service_problems

    return [*_ffmpeg_problems(), *service_problems(options)]


def _service_identity(_options: EngineOptions) -> str:
    return ""  # the service does not tell which models it has


def _load_service(options: EngineOptions, _settings: Settings) -> Engine:
    from heygem_cli.heygem.service.engine import ServiceEngine

    return ServiceEngine(options)


_OF_INPUTS = frozenset({"audio_track", "video_track", "background"})
"""Options that say what of the inputs is used, and how."""

_ENTRIES = (
    EngineEntry(
        name="mesh",
        summary="built in: moves the person's own pixels, on a CPU, at the video's own resolution",
        needs=("nothing beyond heygem itself",),
        uses=frozenset({"device", *(each.name for each in declared(RenderOptions))}),
        problems=_mesh_problems,
        identity=_mesh_identity,
        load=_load_mesh,
    ),
    EngineEntry(
        name="heygem",
        summary="drives an existing HeyGem installation with its own weights, and without its hangs",
        needs=(
            "HeyGem's root folder (--home)",
            "its weights",
            "its Python (--python, --conda-env)",
            "ffmpeg on the PATH",
            "an NVIDIA GPU, or --allow-cpu",
        ),
        uses=_OF_INPUTS
        | frozenset({"loop", "home", "python", "conda_env", "stall_timeout", "recycle_after", "allow_cpu"}),
        problems=_heygem_problems,
        identity=_heygem_identity,
        load=_load_heygem,
        pace=HEYGEM_PACE,
    ),
    EngineEntry(
        name="heygem-http",
        summary="HeyGem's official service (the container of Duix.Heygem), over HTTP",
        needs=("the running service (--url)", "a folder that its container shares with this machine (--map)"),
        uses=_OF_INPUTS | frozenset({"loop", "stall_timeout", "url", "maps"}),
        problems=_service_problems,
        identity=_service_identity,
        load=_load_service,
        pace=HEYGEM_PACE,
    ),
)

ENGINES: Mapping[str, EngineEntry] = {entry.name: entry for entry in _ENTRIES}
OF_ANY_ENGINE = frozenset({"engine", "overwrite"})
"""Options that concern the choice of an engine or the file, not what an engine does."""


def find_engine(name: str) -> EngineEntry:
    """Return an engine's entry.

    Raises:
        InputError: ``unknown-engine``.
    """
    if name not in ENGINES:
        hint = did_you_mean(name, ENGINES, f"There are: {', '.join(ENGINES)}")
        raise InputError("unknown-engine", f"--engine {name!r} is not known", hint=hint)
    return ENGINES[name]


@functools.lru_cache(maxsize=256)  # of a batch, most rows have the same options
def check_options(options: RenderOptions) -> None:
    """Check that a job's engine can use every option that differs from its default.

    Raises:
        InputError: ``unknown-engine``, ``unheeded-option`` or ``no-10-bits``.
    """
    usable = find_engine(options.engine).uses | OF_ANY_ENGINE
    for each in declared(RenderOptions):
        value = value_of(options, each)
        if value != each.default and each.name not in usable:
            raise _unusable(each, f"{each.flags[-1]} {_text(value)}", [options.engine])
    if options.sound is not None and not options.speak:
        raise InputError("bad-options", "--sound is only for several speakers", hint="Use it with --speak")
    if options.speak and (options.person != Person() or options.drive_audio is not None):
        message = "--speak excludes --person and --drive-audio"
        raise InputError("bad-options", message, hint="It says who speaks, and what each mouth follows")
    if options.encode.pixel_format == "10bit" and options.encode.encoder == "h264_nvenc":
        message = "--pixel-format 10bit: the encoder h264_nvenc has only 8 bits"
        raise InputError("no-10-bits", message, hint="Use --encoder auto or libx264, or --pixel-format 8bit")


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def check_engine_options(engines: Iterable[str], given: frozenset[str]) -> None:
    """Check that at least one engine of a run can use each option that the command line gives.

    Args:
        engines: Names of the engines.
        given: Names of the options; those that come from the environment describe the machine and are not among them.

    Raises:
        InputError: ``unheeded-option``.
    """
    used = [name for name in engines if name in ENGINES]
    usable = OF_ANY_ENGINE.union(*(ENGINES[name].uses for name in used))
    for each in (*declared(RenderOptions), *declared(EngineOptions)):
        if used and each.name in given and each.name not in usable:
            raise _unusable(each, each.flags[-1], used)


def _unusable(option: Declared, setting: str, engines: Sequence[str]) -> InputError:
    others = [entry.name for entry in ENGINES.values() if option.name in entry.uses]
    hint = f"Leave it out, or use --engine {' or '.join(others)}"
    message = f"{setting}: the engine {' and '.join(sorted(engines))} cannot use it"
    return InputError("unheeded-option", message, hint=hint)


def check_engine(name: str, options: EngineOptions) -> None:
    """Check that an engine would work here, without loading anything.

    Raises:
        InputError: There is no engine of this name, or an option of it cannot be used.
        NotCapableError: It does not work here.
    """
    for problem in find_engine(name).problems(options):
        raise problem
