"""The Python API: render one video, or many with engines that are loaded once."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from heygem_cli.errors import InputError, did_you_mean
from heygem_cli.option_fields import Declared, declared, with_values
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import apply_settings, hide_native_output, read_settings

if TYPE_CHECKING:
    from heygem_cli.job import ProgressCallback, RenderResult

Options = dict[str, Declared]
OF_JOB: Options = {each.name: each for each in declared(RenderOptions) if each.facts.scope == "row"}
OF_RENDERER: Options = {
    each.name: each for each in (*declared(RenderOptions), *declared(EngineOptions)) if each.name not in OF_JOB
}

_RENDERING = threading.Lock()
"""File descriptor 2, which is redirected meanwhile, belongs to the whole process."""


class Renderer:
    """Renders videos; engines are loaded when they are first needed and kept until :meth:`close`.

    ::

        with Renderer(device="cpu") as renderer:
            result = renderer.render("speech.wav", "anna.mp4", "out.mp4", crf=20)

    Like the command line it sets thread limits for the libraries of this process (before numpy is imported they limit
    numpy too) and hides what native code prints while it renders. Of all renderers of a process one renders at a time.

    Args:
        debug: Show what native libraries print.
        options: The options of :class:`heygem_cli.options.EngineOptions`, and ``threads``.

    Raises:
        InputError: There is no such option, or a value cannot be used.
    """

    def __init__(self, *, debug: bool = False, **options: Any) -> None:  # noqa: ANN401 - declared in options.py
        values = _checked(options, OF_RENDERER, "Renderer")
        self._settings = read_settings(os.environ, values.get("threads"))
        apply_settings(self._settings, os.environ)
        from heygem_cli.pipeline import Pipeline

        self._debug = debug
        self._defaults = with_values(RenderOptions(), values)
        self._given = frozenset(values)
        self._pipeline = Pipeline(with_values(EngineOptions(), values), self._settings)

    def render(
        self,
        audio: str | Path | None,
        face: str | Path,
        output: str | Path,
        *,
        on_progress: ProgressCallback = lambda _: None,
        **options: Any,  # noqa: ANN401 - declared in options.py
    ) -> RenderResult:
        """Render one video.

        Args:
            audio: The file that is spoken; None with ``speak``.
            face: The video or picture of the person who speaks.
            output: The video to write: ``.mp4``, ``.mov`` or ``.mkv``.
            on_progress: Called often with the progress of each stage; an exception that it raises ends the job.
            options: The options of :class:`heygem_cli.options.RenderOptions`, such as ``crf=20``.

        Raises:
            InputError: An input, the output or an option cannot be used; nothing was written.
            NotCapableError: The engine or the encoder does not work on this machine.
            HeygemError: The render failed; nothing half-written is left.
        """
        from heygem_cli.engines import check_engine_options
        from heygem_cli.job import RenderJob
        from heygem_cli.pipeline import check_job

        values = _checked(options, OF_JOB, "render")
        chosen = with_values(self._defaults, values)
        job = RenderJob(_spoken(audio, chosen), Path(face), Path(output), chosen)
        check_engine_options([job.options.engine], self._given | frozenset(values))
        with _RENDERING, contextlib.ExitStack() as stack:
            if not self._debug:
                stack.callback(hide_native_output())
            return self._pipeline.render(job, check_job(job), on_progress)

    def close(self) -> None:
        """Close the engines."""
        self._pipeline.close()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spoken(audio: str | Path | None, options: RenderOptions) -> Path:
    if audio is not None:
        return Path(audio)
    if not options.speak:
        hint = 'Give a file, or what several people say: speak=["1=anna.wav", "2=ben.wav"]'
        raise InputError("missing-argument", "audio is missing", hint=hint)
    return options.speak[0].audio


def render(
    audio: str | Path | None,
    face: str | Path,
    output: str | Path,
    *,
    on_progress: ProgressCallback = lambda _: None,
    **options: Any,  # noqa: ANN401 - declared in options.py
) -> RenderResult:
    """Render one video; takes the options of :class:`Renderer` and of :meth:`Renderer.render`."""
    of_renderer = {name: value for name, value in options.items() if name in OF_RENDERER or name == "debug"}
    of_job = {name: value for name, value in options.items() if name not in of_renderer}
    _checked(of_job, OF_JOB | OF_RENDERER, "render")
    with Renderer(**of_renderer) as renderer:
        return renderer.render(audio, face, output, on_progress=on_progress, **of_job)


def _checked(values: dict[str, Any], known: Options, function: str) -> dict[str, Any]:
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known, f"There are: {', '.join(known)}")
            raise InputError("unknown-option", f"{function}() takes no option {name}", hint=hint)
    return {name: known[name].checked(value) for name, value in values.items()}
