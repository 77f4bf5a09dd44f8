"""Write the output: it gets its name only when it is complete and has been checked."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, NotCapableError, write_error
from heygem_cli.files import OwnOutputs, PartFile, part_file, publish, remove_stale_parts
from heygem_cli.media import arguments, ffmpeg
from heygem_cli.media.names import url_in
from heygem_cli.media.output_format import OUTPUT_FORMATS, OutputFormat, output_format
from heygem_cli.media.probe_output import probe_output
from heygem_cli.media.types import AudioInfo, Frame, Frame10, RegionOfInterest, VideoInfo
from heygem_cli.options import EncodeOptions
from heygem_cli.runtime import ffmpeg_threads

NVIDIA_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""One of them exists where there is an NVIDIA GPU: that of Linux, and that of Windows' subsystem for Linux."""
USUAL_WIDTH, USUAL_HEIGHT = 1280, 720


@dataclass
class VideoWriter:
    """Writes the frames of one video, see :func:`encode_video`."""

    output: Path
    encoder: ffmpeg.FFmpegProcess
    thread: ThreadPoolExecutor
    _pending: Future[None] | None = None

    def write(self, frame: Frame | Frame10) -> None:
        """Append one frame of ``video.bits``, I420 of shape (height * 3 // 2, width), which must not change afterwards.

        It is written in a thread while the caller prepares the next one; the next call raises what failed.
        """
        self._wait()
        self._pending = self.thread.submit(self._write, memoryview(frame.data).cast("B"))

    def close(self) -> None:
        """Wait until all frames are encoded."""
        self._wait()
        if self.encoder.wait() != 0:
            raise self.encoder.error(self.output, "writing")

    def _wait(self) -> None:
        try:
            if self._pending is not None:
                self._pending.result()
        except BrokenPipeError as error:
            raise self.encoder.error(self.output, "writing") from error

    def _write(self, rest: memoryview) -> None:
        while rest:
            rest = rest[self.encoder.stdin.write(rest) :]


@contextlib.contextmanager
def encode_video(
    output: Path,
    video: VideoInfo,
    audio: AudioInfo,
    *,
    seconds: float,
    options: EncodeOptions,
    interest: Sequence[RegionOfInterest] = (),
    overwrite: bool = True,
    own: OwnOutputs = OwnOutputs(),  # noqa: B008 - it is frozen
) -> Iterator[VideoWriter]:
    """Encode frames and mux them with the original audio.

    ::

        with encode_video(Path("out.mp4"), video, audio, seconds=12.3, options=EncodeOptions()) as writer:
            writer.write(frame)

    The file is written beside ``output`` under a hidden name, checked when the block ends, and renamed. If the block
    raises, nothing is left behind; what a killed run left there before is removed.

    Args:
        output: The file to create or replace; its name says which container it has.
        video: The size, bits, frame rate, sample aspect ratio, colour tags and HDR metadata of the frames.
        audio: The audio: copied where players of the container support its codec, else encoded to AAC.
        seconds: How much of the audio to use.
        options: How to encode.
        interest: Where the quality is better than elsewhere, in every frame, as far as the encoder supports it.
        overwrite: Whether a file that has this name in the end is replaced.
        own: Files that are replaced anyway.

    Raises:
        InputError: The output cannot be created there; nothing was started.
        NotCapableError: The requested encoder does not work on this machine.
        HeygemError: ``disk-full``, ``writing-failed``, ``bad-output``, ``output-exists``.
    """
    with _new_output(output, own, overwrite=overwrite) as part:
        container = output_format(output)
        codec = _codec_args(video, options, container)
        args = arguments.encode_args(
            video, audio, part.open_path, seconds=seconds, codec=codec, container=container, interest=interest
        )
        # The thread is left after ffmpeg: a write that blocks returns once ffmpeg has ended.
        with ThreadPoolExecutor(1) as thread, ffmpeg.running(args, stdin=True, inherited=(part.descriptor,)) as process:
            writer = VideoWriter(output, process, thread)
            yield writer
            writer.close()
        probe_output(part.path).check(output, seconds=seconds, fps=video.fps)


def _codec_args(video: VideoInfo, options: EncodeOptions, container: OutputFormat) -> list[str]:
    encoder, threads = choose_encoder(options, video.width, video.height), options.threads or ffmpeg_threads()
    codec = arguments.encoder_args(encoder, *options.crf_and_preset, threads)
    return codec if video.bits == 8 else codec + arguments.ten_bit_args(encoder, video.hdr, threads, container)


def mux_audio(
    video: VideoInfo,
    audio: AudioInfo,
    output: Path,
    *,
    seconds: float,
    overwrite: bool,
    own: OwnOutputs = OwnOutputs(),  # noqa: B008 - it is frozen
) -> None:
    """Mux the video stream of a finished video, which is copied, with the original audio.

    The arguments, the errors, and how the output appears, are those of :func:`encode_video`.
    """
    with _new_output(output, own, overwrite=overwrite) as part:
        args = arguments.mux_args(video, audio, part.open_path, seconds=seconds, container=output_format(output))
        with ffmpeg.running(args, inherited=(part.descriptor,)) as muxer:
            if muxer.wait() != 0:
                raise muxer.error(output, "writing")
        length = float(video.frames / video.fps)
        probe_output(part.path).check(output, seconds=seconds, fps=video.fps, video_seconds=length)


@contextlib.contextmanager
def _new_output(output: Path, own: OwnOutputs, *, overwrite: bool) -> Iterator[PartFile]:
    """Check that the output can be created, yield a part file, and rename it when the block ends."""
    check_output(output)
    remove_stale_parts(output.parent)
    with contextlib.ExitStack() as stack:
        try:
            part = stack.enter_context(part_file(output))
        except OSError as error:
            raise write_error(error, output, output.parent) from error
        yield part
        try:
            with own.publishing(part.path):
                publish(part, output, overwrite=overwrite or own.include(output))
        except FileExistsError as error:
            message = "another file with this name was created while it was rendered"
            hint = "Move it, or use --overwrite to replace it"
            raise HeygemError("output-exists", message, hint=hint, path=output) from error
        except OSError as error:
            raise write_error(error, output, output.parent) from error
    remove_stale_parts(output.parent)  # the encoder of a killed run may have ended only now


def check_output(output: Path, inputs: Iterable[Path] = (), suffixes: Collection[str] | None = OUTPUT_FORMATS) -> None:
    """Check that the output can be created, before anything is started.

    Args:
        output: The file to create; its folder may be missing, too.
        inputs: Files that it must not replace.
        suffixes: The file name extensions that are possible; None for any.

    Raises:
        InputError: ``output-is-a-directory``, ``output-is-not-a-file``, ``not-an-mp4``, ``no-such-folder``,
            ``no-permission``, ``output-is-an-input``, ``bad-name``, ``output-is-a-url``.
    """
    if url := url_in(output):
        hint = "Give the name of a file; in a manifest of heygem batch, outputs may be in object storage, such as s3://"
        raise InputError("output-is-a-url", f"{url}: the output is a URL, not a file", hint=hint)
    try:
        folder = output.parent
        status, folder_status = _status(output), _status(folder)
        _check_kind(output, status, folder_status, suffixes)
        if folder_status is None or not stat.S_ISDIR(folder_status.st_mode):
            folder = _existing_folder(output)
        if status is not None and any(source.exists() and source.samefile(output) for source in inputs):
            message = "the output would replace an input"
            raise InputError("output-is-an-input", message, hint="Choose another name", path=output)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission")
    except OSError as error:
        raise write_error(error, output, output.parent) from error


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file; None if there is none, also where a link to it is broken."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return None


def _existing_folder(output: Path) -> Path:
    """Return the deepest folder of an output that exists, in which the others will be created."""
    folder = next(each for each in output.absolute().parents if os.path.lexists(each))
    if not folder.is_dir():
        message = "this is a file, not a folder" if folder.exists() else "this is a broken link, not a folder"
        raise InputError("no-such-folder", message, hint="Choose another folder for the output", path=folder)
    return folder


@functools.cache
def _dev() -> os.stat_result:
    return Path("/dev").stat()


def _check_kind(
    output: Path, status: os.stat_result | None, folder: os.stat_result | None, suffixes: Collection[str] | None
) -> None:
    hint = "Give the name of a file"
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise InputError("output-is-a-directory", "the output is a folder", hint=hint, path=output)
    # /dev/stdout is a link, which would be replaced.
    is_stream = folder is not None and os.path.samestat(folder, _dev())
    if is_stream or (status is not None and not stat.S_ISREG(status.st_mode)):
        message = "the output is a pipe or a device, not a file"
        raise InputError("output-is-not-a-file", message, hint=hint, path=output)
    if suffixes is not None and output.suffix.lower() not in suffixes:
        message = "the output cannot have the format that its name says"
        raise InputError("not-an-mp4", message, hint="Use a name that ends in .mp4, .mov or .mkv", path=output)


def check_encoder(options: EncodeOptions, width: int = USUAL_WIDTH, height: int = USUAL_HEIGHT) -> None:
    """Check that the encoder which was asked for works on this machine.

    Raises:
        NotCapableError: ``no-encoder``.
    """
    if (options.encoder, options.pixel_format) != ("auto", "8bit"):  # which always finds one
        choose_encoder(options, width, height)


def choose_encoder(options: EncodeOptions, width: int, height: int) -> str:
    """Return the encoder to use for frames of a size in pixels.

    ``auto`` is NVENC if it can encode frames of this size here, else libx264; for 10 bits it is libx265, since hardly
    any player supports H.264 of 10 bits.

    Raises:
        NotCapableError: ``no-encoder``: it does not work.
    """
    if options.pixel_format == "8bit" and options.encoder == "auto":
        has_gpu = any(device.exists() for device in NVIDIA_DEVICES)  # without one there is nothing to try
        return "h264_nvenc" if has_gpu and encoder_available("h264_nvenc", width, height) else "libx264"
    pixel_format = "yuv420p" if options.pixel_format == "8bit" else "yuv420p10le"
    return _checked_encoder("libx265" if options.encoder == "auto" else options.encoder, width, height, pixel_format)


def _checked_encoder(encoder: str, width: int, height: int, pixel_format: str) -> str:
    if not encoder_available(encoder, width, height, pixel_format):
        message = f"the encoder {encoder} does not work on this machine at {width}×{height}"
        raise NotCapableError("no-encoder", message, hint="Use --encoder libx264")
    return encoder


@functools.cache
def encoder_available(
    encoder: str, width: int = USUAL_WIDTH, height: int = USUAL_HEIGHT, pixel_format: str = "yuv420p"
) -> bool:
    """Return whether the encoder works on this machine: ffmpeg lists NVENC even without a GPU, so try it.

    Raises:
        HeygemError: ffmpeg was killed, which says nothing about the encoder.
    """
    if (encoder, pixel_format) == ("libx264", "yuv420p"):
        return True
    with ffmpeg.running(arguments.encoder_test_args(encoder, width, height, pixel_format)) as process:
        if (signum := process.signal()) in (signal.SIGKILL, signal.SIGTERM):
            message = f"ffmpeg was killed by signal {signum} while it tried the encoder {encoder}"
            raise HeygemError("ffmpeg-killed", message, hint="Run again, or use --encoder libx264")
        return process.wait() == 0
