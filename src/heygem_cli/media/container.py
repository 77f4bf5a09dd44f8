"""Open media files with PyAV, since imageio-ffmpeg does not include ffprobe.

A file is read as a stream of bytes without a name, so ``%d`` or a colon in its name means nothing, and a playlist
cannot open other files.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, TypeVar

import av
import av.container

from heygem_cli.errors import InputError
from heygem_cli.media.image import MAX_PIXELS
from heygem_cli.media.interrupted import is_interrupted, is_media_segment, is_unfinished_mp4
from heygem_cli.media.joined import joined_notes
from heygem_cli.media.jpeg import is_photograph
from heygem_cli.media.mp4_track import segment_only
from heygem_cli.media.source import open_source, unreadable
from heygem_cli.media.wav import UNKNOWN_SIZE, find_data, has_more_samples

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)

BREAKS_OFF = "the file breaks off, as after a crash or an incomplete copy; it was used up to there"
"""The note about a recording that was interrupted."""

DECODER_OPTIONS = {"max_pixels": str(2 * MAX_PIXELS)}
"""Guard decoders against sizes that only the data itself has; decoders round sizes up."""


@contextmanager
def open_media(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a media file.

    Raises:
        InputError: As :func:`heygem_cli.media.source.open_source`, and ``cut-off-file``, ``joined-files``,
            ``segment-only``, ``unreadable-media``.
    """
    with open_source(path) as file, _read_errors(path):
        # Without a name libavformat detects the format from the content alone.
        unnamed = SimpleNamespace(read=file.read, seek=partial(_seek, file), tell=file.tell)
        whole = {"ignore_length": "1"} if has_more_samples(file) else {}
        demuxer = "jpeg_pipe" if is_photograph(file) else None
        file.seek(0)
        try:
            # Without any protocol the files that a playlist names are never opened.
            container = av.open(
                unnamed,
                "r",
                format=demuxer,
                options={"protocol_whitelist": "none", **DECODER_OPTIONS, **whole},
                buffer_size=1 << 18,
                metadata_errors="replace",  # programs write tags in the encoding of their country
            )
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(path, file) from error
        with container:
            try:
                yield container
            except av.FFmpegError as error:
                raise _unreadable(path, file) from error


def _seek(file: BinaryIO, offset: int, whence: int = os.SEEK_SET) -> int:
    """Seek as libav expects it, which tries places before the start of a damaged file."""
    try:
        return file.seek(offset, whence)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return -errno.EINVAL


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of a disk or a server; those of libav are converted before
        raise unreadable(error, path) from error


def no_frames(path: Path, hint: str = "") -> InputError:
    """Return the error for a video or an image of which nothing can be decoded."""
    return InputError("no-frames", "no frame of it can be decoded", hint=hint, path=path)


def no_samples(path: Path, hint: str = "") -> InputError:
    """Return the error for an audio stream of which nothing can be decoded."""
    return InputError("no-samples", "no sample of the audio stream can be decoded", hint=hint, path=path)


def _unreadable(path: Path, file: BinaryIO) -> InputError:
    if is_media_segment(file):
        return segment_only(path, "this is only a segment of a stream, of which the initialization segment is missing")
    if is_unfinished_mp4(file):
        message = "the recording was never finished, or this is not all of it: the index at its end is missing"
        hint = "Copy it again; else try the repair of the recorder, or untrunc with an intact file of the same recorder"
        return InputError("cut-off-file", message, hint=hint, path=path)
    joined_notes(path)
    file.seek(4)
    if file.read(4) == b"ftyp":
        message = "the file is truncated or damaged: its index or its frames cannot be read"
        return InputError("cut-off-file", message, hint="Copy, download or export it again", path=path)
    message = "this is not a media file, or it is damaged"
    return InputError("unreadable-media", message, hint="See whether it plays, or convert it to MP4 or WAV", path=path)


def check_end(stream: av.VideoStream | av.AudioStream, path: Path) -> tuple[str, ...]:
    """Return a note about a recording that was interrupted, of which all that there is can be used.

    Raises:
        InputError: ``cut-off-file``: it is shorter than its header or index says. ffmpeg would decode what is there.
    """
    with path.open("rb") as file:
        if is_interrupted(file):
            return (BREAKS_OFF,)
    size = path.stat().st_size
    expected = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    with path.open("rb") as file:
        head, data = file.read(8), find_data(file)
    if data is not None:
        expected = data.start + (data.size or 0) if data.is_cut_off else 0
    elif head[:4] == b"RIFF":
        chunk = int.from_bytes(head[4:8], "little")
        expected = max(expected, chunk + 8 if chunk < UNKNOWN_SIZE else 0)
    if expected > size:
        message = f"the file is truncated: only {size / expected:.0%} of it is there"
        raise InputError("cut-off-file", message, hint="Copy, download or export it again", path=path)
    return ()


def demuxer_name(container: av.container.InputContainer) -> str:
    """Return ffmpeg's name of the container format."""
    return container.format.name.split(",")[0]


def timestamp(item: av.Packet[av.AudioStream] | av.AudioFrame) -> Fraction:
    """Return the presentation time in seconds, 0 if there is none."""
    stamp = item.dts if item.pts is None else item.pts
    return Fraction(stamp or 0) * (item.time_base or 0)


def read_packets(
    container: av.container.InputContainer, stream: _Stream, on_error: Callable[[], object] = lambda: None
) -> Iterator[av.Packet[_Stream]]:
    """Yield the packets of a stream, and an empty one at the end, which makes the decoder return the last frames.

    An error after the first packet ends them, as in the ffmpeg program; then ``on_error`` is called.
    """
    is_readable = False
    try:
        for packet in container.demux(stream):
            is_readable = True
            yield packet
    except IndexError:  # at the end PyAV looks up streams that only appeared on the way
        return
    except av.FFmpegError:
        if not is_readable:
            raise
        on_error()


def decode(packet: av.Packet[_Stream]) -> Sequence[Any]:
    """Return the frames of a packet, none if it is damaged: the next one may be intact."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []
