"""What renders: every engine that is needed, loaded once, then one job after another."""

from __future__ import annotations

import os
from pathlib import Path

from heygem_cli.engines import Engine, check_options, find_engine
from heygem_cli.errors import InputError
from heygem_cli.job import Inputs, ProgressCallback, RenderJob, RenderResult
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.write import check_output, choose_encoder
from heygem_cli.options import EngineSettings


def check_job(job: RenderJob) -> Inputs:
    """Probe the inputs of a job and see whether its output can be made; nothing is written.

    Raises:
        InputError: something cannot be used, or the engine cannot heed an option.
        NotCapableError: the encoder that was asked for does not work on this machine.
    """
    check_current_folder()
    check_options(job.options)
    audio, video = probe_audio(job.audio), probe_video(job.face)
    check_output(job.output, (job.audio, job.face))
    if os.path.lexists(job.output) and not job.overwrite:
        raise InputError("output-exists", "the output exists", hint="Use --overwrite to replace it", path=job.output)
    choose_encoder(job.options.encode.encoder, video)
    return Inputs(audio, video)


def check_current_folder() -> None:
    """Make sure that the current folder exists: Intel's MKL ends a process that loads it without one.

    Raises:
        InputError: it has been deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        message = "the current folder has been deleted"
        raise InputError("no-current-folder", message, hint="Change into one that exists: cd ~") from error


class Pipeline:
    """The engines, each made when it is first needed and kept; close it, or what they started goes on.

    Args:
        settings: what engines are made with.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._engines: dict[str, Engine] = {}

    def engine(self, name: str) -> Engine:
        """Make an engine, unless it is there already.

        Raises:
            InputError: there is no engine of this name, or what it was told cannot be used.
            NotCapableError: it does not work here.
        """
        if name not in self._engines:
            self._engines[name] = find_engine(name).make(self._settings)
        return self._engines[name]

    def render(self, job: RenderJob, on_progress: ProgressCallback = lambda _: None) -> RenderResult:
        """Render one job.

        Args:
            job: what to make.
            on_progress: is told how far the job is, often.

        Raises:
            InputError: an input cannot be used; nothing was written.
            NotCapableError: the engine or the encoder does not work here.
            HeygemError: it failed on the way; nothing stays behind.
        """
        inputs = check_job(job)
        return self.engine(job.options.engine).render(job, inputs, on_progress)

    def close(self) -> None:
        """Close the engines."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
