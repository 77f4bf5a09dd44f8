"""Write the output: it gets its name only when it is complete and has been checked."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from heygem_cli.errors import HeygemError, InputError, NotCapableError, write_error
from heygem_cli.files import PartFile, part_file, publish, remove_stale_parts
from heygem_cli.media import ffmpeg
from heygem_cli.media.probe import probe_output
from heygem_cli.media.types import AudioInfo, Frame, VideoInfo
from heygem_cli.options import EncodeOptions, Encoder


class VideoWriter(contextlib.AbstractContextManager["VideoWriter"]):
    """Encodes frames and muxes them with the original audio into an MP4.

    ::

        with VideoWriter(Path("out.mp4"), video, audio, seconds=12.3) as writer:
            writer.write(frame)

    The file is written beside ``output`` under a hidden name, checked when the block ends, and renamed. If the block
    raises, nothing is left behind; what a killed run left there before is removed.

    Args:
        output: The file to create or replace.
        video: The size, frame rate, sample aspect ratio and colour tags of the frames.
        audio: The audio: copied where MP4 players support its codec, else encoded to AAC.
        seconds: How much of the audio to use.
        options: How to encode.
        overwrite: Whether a file that has this name in the end is replaced.

    Raises:
        InputError: The output cannot be created there; nothing was started.
        NotCapableError: The requested encoder does not work on this machine.
        HeygemError: ``disk-full``, ``writing-failed``, ``bad-output``, ``output-exists``.
    """

    def __init__(
        self,
        output: Path,
        video: VideoInfo,
        audio: AudioInfo,
        *,
        seconds: float,
        options: EncodeOptions | None = None,
        overwrite: bool = True,
    ) -> None:
        self.output = output
        self.overwrite = overwrite
        self.video = video
        self.audio = audio
        self.seconds = seconds
        self.options = options or EncodeOptions()
        self._pending: Future[None] | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> VideoWriter:
        check_output(self.output)
        remove_stale_parts(self.output.parent)
        encoder = choose_encoder(self.options.encoder, self.video)
        with contextlib.ExitStack() as stack:
            self._part = stack.enter_context(_part_of(self.output))
            codec = ffmpeg.encoder_args(encoder, self.options.crf, self.options.preset, self.options.threads or 0)
            args = ffmpeg.encode_args(self.video, self.audio, self._part.path, seconds=self.seconds, codec=codec)
            # Entered before ffmpeg, so left after it: a write that blocks returns once ffmpeg has ended.
            self._thread = stack.enter_context(ThreadPoolExecutor(1))
            self._encoder = stack.enter_context(ffmpeg.running(args, stdin=True))
            self._stack = stack.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Append one frame, I420 of shape (height * 3 // 2, width), which must not be changed afterwards.

        It is written in a thread while the caller prepares the next one; the next call raises what failed.
        """
        self._wait()
        self._pending = self._thread.submit(self._write, memoryview(frame.data).cast("B"))

    def _wait(self) -> None:
        try:
            if self._pending is not None:
                self._pending.result()
        except BrokenPipeError as error:
            raise self._encoder.error(self.output, "writing") from error

    def _write(self, rest: memoryview) -> None:
        while rest:
            rest = rest[self._encoder.stdin.write(rest) :]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        self._wait()
        if self._encoder.wait() != 0:
            raise self._encoder.error(self.output, "writing")
        probe_output(self._part.path).check(self.output, seconds=self.seconds, fps=self.video.fps)
        _publish(self._part, self.output, overwrite=self.overwrite)


def mux_audio(video: VideoInfo, audio: AudioInfo, output: Path, *, seconds: float, overwrite: bool) -> None:
    """Mux the video stream of a finished video, which is copied, with the original audio into an MP4.

    The arguments, and how the output appears, are those of :class:`VideoWriter`.

    Raises:
        InputError: The output cannot be created there.
        HeygemError: ``disk-full``, ``writing-failed``, ``bad-output``, ``output-exists``.
    """
    check_output(output)
    remove_stale_parts(output.parent)
    with _part_of(output) as part:
        with ffmpeg.running(ffmpeg.mux_args(video, audio, part.path, seconds=seconds)) as muxer:
            if muxer.wait() != 0:
                raise muxer.error(output, "writing")
        length = float(video.frames / video.fps)
        probe_output(part.path).check(output, seconds=seconds, fps=video.fps, video_seconds=length)
        _publish(part, output, overwrite=overwrite)


def _publish(part: PartFile, output: Path, *, overwrite: bool) -> None:
    try:
        publish(part, output, overwrite=overwrite)
    except FileExistsError as error:
        message = "another file with this name was created while it was rendered"
        hint = "Move it, or use --overwrite to replace it"
        raise HeygemError("output-exists", message, hint=hint, path=output) from error
    except OSError as error:
        raise write_error(error, output, output.parent) from error


@contextlib.contextmanager
def _part_of(output: Path) -> Iterator[PartFile]:
    with contextlib.ExitStack() as stack:
        try:
            part = stack.enter_context(part_file(output))
        except OSError as error:
            raise write_error(error, output, output.parent) from error
        yield part


def check_output(output: Path, inputs: Iterable[Path] = (), suffix: str | None = ".mp4") -> None:
    """Check that the output can be created, before anything is started.

    Args:
        output: The file to create.
        inputs: Files that it must not replace.
        suffix: The required file name extension; None for any.

    Raises:
        InputError: ``output-is-a-directory``, ``output-is-not-a-file``, ``not-an-mp4``, ``no-such-folder``,
            ``no-permission``, ``output-is-an-input``, ``bad-name``.
    """
    try:
        _check_file_name(output, suffix)
        if not output.parent.is_dir():
            message = "the folder for the output does not exist"
            raise InputError("no-such-folder", message, hint="Create it first", path=output.parent)
        if output.exists() and any(source.exists() and source.samefile(output) for source in inputs):
            message = "the output would replace an input"
            raise InputError("output-is-an-input", message, hint="Choose another name", path=output)
        if not os.access(output.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission")
    except OSError as error:
        raise write_error(error, output, output.parent) from error


def _check_file_name(output: Path, suffix: str | None) -> None:
    hint = "Give the name of a file"
    if output.is_dir():
        raise InputError("output-is-a-directory", "the output is a folder", hint=hint, path=output)
    if output.exists() and not output.is_file():
        message = "the output is a pipe or a device, not a file"
        raise InputError("output-is-not-a-file", message, hint=hint, path=output)
    if suffix is not None and output.suffix.lower() != suffix:
        message = "the output is an MP4, but its name says something else"
        raise InputError("not-an-mp4", message, hint=f"Use a name that ends in {suffix}", path=output)


def choose_encoder(encoder: Encoder, video: VideoInfo) -> str:
    """Return the encoder to use; ``auto`` is NVENC if it can encode frames of this size here, else libx264.

    Raises:
        NotCapableError: ``no-encoder``: the requested one does not work.
    """
    if encoder == "auto":
        return "h264_nvenc" if encoder_available("h264_nvenc", video.width, video.height) else "libx264"
    if not encoder_available(encoder, video.width, video.height):
        message = f"the encoder {encoder} does not work on this machine at {video.width}×{video.height}"
        raise NotCapableError("no-encoder", message, hint="Use --encoder libx264")
    return encoder


@functools.cache
def encoder_available(encoder: str, width: int = 1280, height: int = 720) -> bool:
    """Return whether the encoder works on this machine: ffmpeg lists NVENC even without a GPU, so try it."""
    if encoder == "libx264":
        return True
    with ffmpeg.running(ffmpeg.encoder_test_args(encoder, width, height)) as process:
        return process.wait() == 0
