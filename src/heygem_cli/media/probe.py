"""Look into media files: what they hold, and in plain words what is wrong with them.

Probing goes through PyAV, since the ffmpeg that pip installs comes without ffprobe. A file is read as a stream of
bytes: its name plays no part, so neither ``%d`` nor a colon in it means anything, and a playlist cannot open others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import av
import av.container
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)

STILL_FPS = Fraction(25)
MIN_FPS, MAX_FPS = Fraction(5), Fraction(240)
MIN_SIDE = 16
AUDIO_PACKET_SECONDS = 0.13
"""The longest packet of sound (AAC at 8 kHz): a copied stream ends with a whole one."""

STREAMED_RIFF = 0x7FFF_F000
"""Sizes from here on in a RIFF header (wav, avi) mean that the writer did not know."""

MAX_SCANNED_PACKETS = 20_000
"""Timestamps looked at for the frame rate: ten minutes of video, a second's work at most."""

# Numbers of ITU-T H.273 in ffmpeg's names; 2 (unspecified) and unknown ones are no tag.
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428",
    11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRICES = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc", 10: "bt2020c",
    11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip

_ORIENTATIONS = {1: 8, 2: 3, 3: 6}
"""Quarter turns, counterclockwise, in EXIF's numbering."""


def probe_video(path: Path) -> VideoInfo:
    """Describe a face video or a still image; its first frame is decoded to be sure.

    Raises:
        InputError: ``not-found``, ``is-a-directory``, ``not-a-file``, ``no-permission``, ``empty-file``,
            ``cut-off-file``, ``unreadable-media``, ``no-video-stream``, ``cover-art-only``, ``no-frames``,
            ``picture-too-small`` or ``tiled-heif``.
    """
    with _opened(path) as container:
        stream = _video_stream(container, path)
        demuxer = container.format.name.split(",")[0]
        scan = _scan_video(container, stream, path)
        _refuse_cut_off(stream, path)
        # A GIF of one picture names 100 frames a second.
        still = demuxer.endswith("_pipe") or demuxer == "image2" or (demuxer == "gif" and scan.packets == 1)
        frame = scan.frame
        orientation = _exif_orientation(path) if still else _orientation(frame)
        width, height = frame.width, frame.height
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        if orientation >= 5:
            width, height, aspect = height, width, 1 / aspect
        width, height = width // 2 * 2, height // 2 * 2
        if min(width, height) < MIN_SIDE:
            raise InputError(
                "picture-too-small", f"the picture has only {frame.width}×{frame.height} pixels", path=path
            )
        fps = STILL_FPS if still else _frame_rate(stream, scan.times)
        alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
        rgb = frame.format.is_rgb or frame.format.has_palette
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=fps,
            frames=1 if still else _frame_count(stream, container, scan, fps),
            is_still=still,
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            color=_color_tags(frame, from_rgb=rgb or alpha),
            sample_aspect_ratio=aspect,
            demuxer=demuxer,
            orientation=orientation,
            start=scan.start,
            is_rgb=rgb,
            has_alpha=alpha,
        )


def probe_audio(path: Path) -> AudioInfo:
    """Describe the first audio stream of a file; its first frame is decoded to be sure.

    Raises:
        InputError: as :func:`probe_video`, with ``no-audio-stream``, ``picture-not-audio`` and ``no-samples``.
    """
    with _opened(path) as container:
        if not container.streams.audio:
            raise _no_audio(container, path)
        stream = container.streams.audio[0]
        start, end = _scan_audio(container, stream, path)
        _refuse_cut_off(stream, path)
        return AudioInfo(
            path=path,
            duration=float(end - start or Fraction(container.duration or 0, av.time_base)),
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            demuxer=container.format.name.split(",")[0],
            start=start,
        )


@dataclass(frozen=True)
class OutputInfo:
    """A finished video: the lengths of its streams in seconds, 0 where there is no such stream."""

    video_seconds: float
    audio_seconds: float
    width: int
    height: int

    def check(self, path: Path, *, seconds: float, fps: Fraction, picture: float | None = None) -> None:
        """Make sure that sound and picture last as long as they should, to within a frame (and a packet of sound).

        Args:
            path: for the error.
            seconds: of sound.
            fps: of the picture.
            picture: seconds of it, where that is not as long as the sound.

        Raises:
            HeygemError: ``bad-output``.
        """
        frame = float(1 / fps) + 0.001
        for what, found, wanted, leeway in (
            ("picture", self.video_seconds, seconds if picture is None else picture, frame),
            ("sound", self.audio_seconds, seconds, max(frame, AUDIO_PACKET_SECONDS)),
        ):
            if not found or abs(found - wanted) > leeway:
                message = f"the finished video has {found:.3f} s of {what} instead of {wanted:.3f} s"
                raise HeygemError("bad-output", message, path=path)


def probe_output(path: Path) -> OutputInfo:
    """Read the lengths of the streams of a finished mp4.

    Raises:
        InputError: as :func:`probe_video`.
    """
    with _opened(path) as container:
        video, audio = container.streams.video, container.streams.audio
        return OutputInfo(
            video_seconds=_seconds(video[0]) if video else 0.0,
            audio_seconds=_seconds(audio[0]) if audio else 0.0,
            width=video[0].width if video else 0,
            height=video[0].height if video else 0,
        )


def _seconds(stream: av.VideoStream | av.AudioStream) -> float:
    return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0


class _Nameless:
    """A file without its name, so that libavformat judges it by content alone."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    with _opened_file(path) as file:
        head = file.read(12)
        if not head:
            raise InputError("empty-file", "the file is empty", path=path)
        file.seek(0)
        try:
            # No protocol at all: what a playlist names is never opened.
            container = av.open(_Nameless(file), "r", options={"protocol_whitelist": "none"}, buffer_size=1 << 18)
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(path, head) from error
        with container:
            try:
                yield container
            except av.FFmpegError as error:
                raise _unreadable(path, head) from error


@contextmanager
def _opened_file(path: Path) -> Iterator[BinaryIO]:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError("not-a-file", "this is a pipe or a device, not a file", path=path)
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # a null byte is a ValueError
        raise InputError("not-found", "there is no such file", path=path) from error
    except IsADirectoryError as error:
        raise InputError("is-a-directory", "this is a folder, not a file", path=path) from error
    except PermissionError as error:
        raise InputError("no-permission", "no permission to read it", path=path) from error
    except OSError as error:
        raise InputError("unreadable-file", f"it cannot be opened ({error.strerror})", path=path) from error
    with file:
        yield file


def _unreadable(path: Path, head: bytes) -> InputError:
    if head[4:8] == b"ftyp":
        message = "the file is cut off or damaged: its index or its pictures cannot be read"
        return InputError("cut-off-file", message, hint="Copy or export it again", path=path)
    message = "not a media file that can be decoded, or it is damaged"
    return InputError("unreadable-media", message, hint="Play it, or convert it to mp4, wav or png", path=path)


def _refuse_cut_off(stream: av.VideoStream | av.AudioStream, path: Path) -> None:
    """Refuse a file that promises more than it holds; ffmpeg would play what is there and not say a word."""
    size = path.stat().st_size
    promised = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] == b"RIFF":
        # Recorders that cannot go back write the largest number there is.
        chunk = int.from_bytes(head[4:8], "little")
        promised = max(promised, chunk + 8 if chunk < STREAMED_RIFF else 0)
    if promised > size:
        message = f"the file is cut off: {size / promised:.0%} of it is there"
        raise InputError("cut-off-file", message, hint="Copy or download it again", path=path)


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = container.streams.video
    real = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if real and container.metadata.get("major_brand") in {"heic", "heix", "mif1"} and len(streams) > 1:
        message = "a HEIC picture made of tiles cannot be read"
        raise InputError("tiled-heif", message, hint="Convert it to JPEG or PNG", path=path)
    if real:
        return real[0]
    if streams:
        message = "an audio file; its only picture is the cover"
        raise InputError("cover-art-only", message, hint="Give a video or a picture of a face", path=path)
    raise InputError("no-video-stream", "no picture in it", hint="Give a video or a picture of a face", path=path)


def _no_audio(container: av.container.InputContainer, path: Path) -> InputError:
    if container.format.name.endswith("_pipe"):
        return InputError("picture-not-audio", "a picture has no sound", hint="Give the audio first", path=path)
    return InputError("no-audio-stream", "no sound in it", hint="Give a file that has an audio stream", path=path)


@dataclass(frozen=True)
class _Scan:
    frame: av.VideoFrame
    start: Fraction
    packets: int
    times: npt.NDArray[np.float64]  # seconds, in order of display; empty in streams without timestamps
    complete: bool


def _scan_video(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> _Scan:
    frame: av.VideoFrame | None = None
    times: list[Fraction] = []
    packets = 0
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            packets += 1
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.time_base is not None:
                times.append(stamp * packet.time_base)
        if frame is None:
            frame = next(iter(_decoded(packet)), None)
        elif packets >= MAX_SCANNED_PACKETS:
            break
    if frame is None:
        hint = "Convert it to mp4 if it is an animated WebP" if container.format.name == "webp_pipe" else ""
        raise InputError("no-frames", "not one picture in it can be decoded", hint=hint, path=path)
    start = min(times, default=Fraction(0))
    if frame.pts is not None and frame.time_base is not None:
        start = frame.pts * frame.time_base
    return _Scan(frame, start, packets, np.array(sorted(times), dtype=np.float64), packets < MAX_SCANNED_PACKETS)


def _scan_audio(
    container: av.container.InputContainer, stream: av.AudioStream, path: Path
) -> tuple[Fraction, Fraction]:
    """Give the timestamps of the first sample that is heard and of the end, in seconds."""
    start: Fraction | None = None
    end = Fraction(0)
    for packet in container.demux(stream):
        if start is None:
            start = next((_timestamp(frame) for frame in _decoded(packet)), None)
        # The last packet of an Ogg file may have a negative duration, which arrives as an unsigned number.
        ticks = packet.duration if packet.duration and packet.duration < 1 << 31 else 0
        end = max(end, _timestamp(packet) + Fraction(ticks) * (packet.time_base or 0))
    if start is None:
        raise InputError("no-samples", "the audio stream holds no sound that can be decoded", path=path)
    return start, max(start, end)


def _timestamp(item: av.Packet[av.AudioStream] | av.AudioFrame) -> Fraction:
    stamp = item.dts if item.pts is None else item.pts
    return Fraction(stamp or 0) * (item.time_base or 0)


def _decoded(packet: av.Packet[_Stream]) -> Sequence[Any]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []  # a broken packet: a later one may be whole, and if none is the caller says so


def _frame_rate(stream: av.VideoStream, times: npt.NDArray[np.float64]) -> Fraction:
    """Give the rate that the file names if the frames lie on its grid, else their average rate."""
    rates = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    named = [Fraction(rate) for rate in rates if rate and _sane(rate)]
    span = float(times[-1] - times[0]) if times.size else 0.0
    if span <= 0:
        return named[0] if named else STILL_FPS
    for rate in named:
        slots = (times - times[0]) * float(rate)
        if np.abs(slots - np.rint(slots)).max() < 0.25 and 0.9 < (times.size - 1) / slots[-1] < 1.1:
            return rate
    average = Fraction((times.size - 1) / span).limit_denominator(1001)
    return average if _sane(average) else min(max(average, STILL_FPS), MAX_FPS)


def _sane(rate: Fraction) -> bool:
    return MIN_FPS <= rate <= MAX_FPS


def _frame_count(stream: av.VideoStream, container: av.container.InputContainer, scan: _Scan, fps: Fraction) -> int:
    if not scan.complete:
        seconds = Fraction(container.duration or 0, av.time_base)
        if stream.duration is not None and stream.time_base is not None:
            seconds = stream.duration * stream.time_base
        return max(scan.packets, round(seconds * fps))
    if scan.times.size < 2:
        return scan.packets
    shown = float(scan.times[-1] - scan.times[0]) * scan.times.size / (scan.times.size - 1)
    return max(1, round(shown * float(fps)))


def _color_tags(frame: av.VideoFrame, *, from_rgb: bool) -> ColorTags:
    return ColorTags(
        primaries=_PRIMARIES.get(frame.color_primaries),
        transfer=_TRANSFERS.get(frame.color_trc),
        matrix="bt709" if from_rgb else _MATRICES.get(frame.colorspace),
    )


def _orientation(frame: av.VideoFrame) -> int:
    return _ORIENTATIONS.get(round(frame.rotation / 90) % 4, 1)


def _exif_orientation(path: Path) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            tag = image.getexif().get(0x0112, 1)
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if "truncated" in str(error):
            message = "the picture is cut off"
            raise InputError("cut-off-file", message, hint="Copy or download it again", path=path) from error
        return 1  # a format without EXIF that Pillow does not know
    return tag if tag in range(1, 9) else 1
