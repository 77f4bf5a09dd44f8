"""Probe media files with PyAV, since imageio-ffmpeg does not include ffprobe.

A file is read as a stream of bytes without a name, so ``%d`` or a colon in its name means nothing, and a playlist
cannot open other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import av
import av.container
import numpy as np
from av.stream import Disposition

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.media.image import MAX_PIXELS, check_size, exif_orientation
from heygem_cli.media.source import open_source
from heygem_cli.media.timing import DEFAULT_FPS, MAX_AUDIO_GAP, Timing, are_reliable, measure
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)

MIN_SIDE = 16
DECODER_OPTIONS = {"max_pixels": str(2 * MAX_PIXELS)}
"""Guard decoders against sizes that only the data itself has; decoders round sizes up."""
AUDIO_PACKET_SECONDS = 0.13
"""Length of the longest audio packet (AAC at 8 kHz): a copied stream ends at a packet boundary."""

UNKNOWN_RIFF_SIZE = 0x7FFF_F000
"""A RIFF header (WAV, AVI) with a size of at least this was written as a stream of unknown length."""

MAX_SCANNED_PACKETS = 20_000
"""Packets that are read to find the frame rate: ten minutes of video, in at most a second."""

# Code points of ITU-T H.273 in ffmpeg's names; 2 (unspecified) and unknown ones are not tagged.
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

_EXIF_ROTATIONS = {1: 8, 2: 3, 3: 6}
"""EXIF orientation by the number of counterclockwise quarter turns."""


def probe_video(path: Path) -> VideoInfo:
    """Return the properties of a face video or a still image, after decoding its first frame.

    Raises:
        InputError: ``not-found``, ``is-a-directory``, ``not-a-file``, ``no-permission``, ``empty-file``,
            ``cut-off-file``, ``unreadable-media``, ``no-video-stream``, ``cover-art-only``, ``no-frames``,
            ``picture-too-small``, ``picture-too-large`` or ``tiled-heif``.
    """
    with _open_media(path) as container:
        stream = _video_stream(container, path)
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        scan = _scan_video(container, stream, path)
        _check_not_truncated(stream, path)
        return _video_info(path, container, stream, scan)


def probe_audio(path: Path) -> AudioInfo:
    """Return the properties of the first audio stream of a file, after decoding its first frame.

    Raises:
        InputError: As :func:`probe_video`, with ``no-audio-stream``, ``picture-not-audio`` and ``no-samples``.
    """
    with _open_media(path) as container:
        if not container.streams.audio:
            raise _no_audio(container, path)
        stream = container.streams.audio[0]
        scan = _scan_audio(container, stream, path)
        _check_not_truncated(stream, path)
        return AudioInfo(
            path=path,
            duration=float(scan.seconds or Fraction(container.duration or 0, av.time_base)),
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            demuxer=_demuxer(container),
            start=scan.start,
            reliable_times=scan.reliable,
        )


@dataclass(frozen=True)
class OutputInfo:
    """The properties of a finished video; durations are in seconds, 0 where there is no such stream."""

    video_seconds: float
    audio_seconds: float

    def check(self, path: Path, *, seconds: float, fps: Fraction, video_seconds: float | None = None) -> None:
        """Check that both streams last ``seconds`` (the video ``video_seconds``), to within a frame or an audio packet.

        Raises:
            HeygemError: ``bad-output``.
        """
        frame = float(1 / fps) + 0.001
        for kind, actual, expected, tolerance in (
            ("video", self.video_seconds, seconds if video_seconds is None else video_seconds, frame),
            ("audio", self.audio_seconds, seconds, max(frame, AUDIO_PACKET_SECONDS)),
        ):
            if not actual or abs(actual - expected) > tolerance:
                message = f"the output has {actual:.3f} s of {kind} instead of {expected:.3f} s"
                raise HeygemError("bad-output", message, hint="Render again; if that fails, report a bug", path=path)


def probe_output(path: Path) -> OutputInfo:
    """Return the properties of a finished MP4; raise as :func:`probe_video`."""
    with _open_media(path) as container:
        return OutputInfo(_seconds(container.streams.video), _seconds(container.streams.audio))


def _seconds(streams: Sequence[av.VideoStream | av.AudioStream]) -> float:
    first = streams[0] if streams else None
    return float(first.duration * first.time_base) if first and first.duration and first.time_base else 0.0


def _demuxer(container: av.container.InputContainer) -> str:
    return container.format.name.split(",")[0]


@contextmanager
def _open_media(path: Path) -> Iterator[av.container.InputContainer]:
    with open_source(path) as file, _read_errors(path):
        head = file.read(12)
        file.seek(0)
        # Without a name libavformat detects the format from the content alone.
        unnamed = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
        try:
            # Without any protocol the files that a playlist names are never opened.
            container = av.open(
                unnamed, "r", options={"protocol_whitelist": "none", **DECODER_OPTIONS}, buffer_size=1 << 18
            )
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(path, head) from error
        with container:
            try:
                yield container
            except av.FFmpegError as error:
                raise _unreadable(path, head) from error


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of a disk or a server; those of libav are converted before
        raise InputError("unreadable-file", f"it cannot be read ({error.strerror})", path=path) from error


def no_frames(path: Path, hint: str = "") -> InputError:
    """Return the error for a video or an image of which nothing can be decoded."""
    return InputError("no-frames", "no frame of it can be decoded", hint=hint, path=path)


def no_samples(path: Path) -> InputError:
    """Return the error for an audio stream of which nothing can be decoded."""
    return InputError("no-samples", "no sample of the audio stream can be decoded", path=path)


def _unreadable(path: Path, head: bytes) -> InputError:
    if head[4:8] == b"ftyp":
        message = "the file is truncated or damaged: its index or its frames cannot be read"
        return InputError("cut-off-file", message, hint="Copy, download or export it again", path=path)
    message = "this is not a media file, or it is damaged"
    return InputError("unreadable-media", message, hint="See whether it plays, or convert it to MP4 or WAV", path=path)


def _check_not_truncated(stream: av.VideoStream | av.AudioStream, path: Path) -> None:
    """Reject a file that is shorter than its header or index says; ffmpeg would silently decode what is there."""
    size = path.stat().st_size
    expected = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] == b"RIFF":
        chunk = int.from_bytes(head[4:8], "little")
        expected = max(expected, chunk + 8 if chunk < UNKNOWN_RIFF_SIZE else 0)
    if expected > size:
        message = f"the file is truncated: only {size / expected:.0%} of it is there"
        raise InputError("cut-off-file", message, hint="Copy, download or export it again", path=path)


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = container.streams.video
    videos = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if videos and container.metadata.get("major_brand") in {"heic", "heix", "mif1"} and len(streams) > 1:
        message = "HEIC images made of tiles are not supported"
        raise InputError("tiled-heif", message, hint="Convert it to JPEG or PNG", path=path)
    if videos:
        return videos[0]
    hint = "Give a video or an image of a face"
    if streams:
        raise InputError("cover-art-only", "this is an audio file with cover art", hint=hint, path=path)
    raise InputError("no-video-stream", "it has no video stream", hint=hint, path=path)


def _no_audio(container: av.container.InputContainer, path: Path) -> InputError:
    if container.format.name.endswith("_pipe"):
        return InputError("picture-not-audio", "this is an image, not audio", hint="Give the audio first", path=path)
    return InputError("no-audio-stream", "it has no audio stream", hint="Give a file that has one", path=path)


def _video_info(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, scan: _VideoScan
) -> VideoInfo:
    frame, demuxer = scan.frame, _demuxer(container)
    # A GIF of one image claims 100 frames a second.
    still = demuxer.endswith("_pipe") or demuxer == "image2" or (demuxer == "gif" and scan.packets == 1)
    orientation = exif_orientation(path) if still else _EXIF_ROTATIONS.get(round(frame.rotation / 90) % 4, 1)
    width, height, aspect = _upright_size(path, stream, frame, swap=orientation >= 5)
    timing = Timing(DEFAULT_FPS, 1) if still else scan.timing
    alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    rgb = frame.format.is_rgb or frame.format.has_palette
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=timing.fps,
        frames=timing.frames,
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
        reliable_times=timing.reliable,
    )


def _upright_size(path: Path, stream: av.VideoStream, frame: av.VideoFrame, *, swap: bool) -> tuple[int, int, Fraction]:
    """Return the even width and height, and the sample aspect ratio, after rotation."""
    width, height = frame.width // 2 * 2, frame.height // 2 * 2
    if min(width, height) < MIN_SIDE:
        message = f"it has only {frame.width}×{frame.height} pixels; the minimum is {MIN_SIDE}×{MIN_SIDE}"
        raise InputError("picture-too-small", message, hint="Use a larger one", path=path)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    return (height, width, 1 / aspect) if swap else (width, height, aspect)


@dataclass(frozen=True)
class _VideoScan:
    frame: av.VideoFrame
    start: Fraction
    packets: int
    timing: Timing


def _scan_video(container: av.container.InputContainer, stream: av.VideoStream, path: Path) -> _VideoScan:
    frame: av.VideoFrame | None = None
    stamps: list[float] = []
    start = Fraction(0)
    packets = 0
    stream.codec_context.options = DECODER_OPTIONS
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            packets += 1
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.time_base is not None:
                start = stamp * packet.time_base if not stamps else min(start, stamp * packet.time_base)
                stamps.append(float(stamp * packet.time_base))
        if frame is None:
            frame = next(iter(_decode(packet)), None)
        elif packets >= MAX_SCANNED_PACKETS:
            break
    if frame is None:
        hint = "Convert it to MP4 if it is an animated WebP" if container.format.name == "webp_pipe" else ""
        raise no_frames(path, hint)
    if frame.pts is not None and frame.time_base is not None:
        start = frame.pts * frame.time_base
    rates = [None if rate is None else Fraction(rate) for rate in _declared_rates(stream)]
    seconds = None if packets < MAX_SCANNED_PACKETS else _declared_seconds(container, stream)
    return _VideoScan(frame, start, packets, measure(np.array(stamps), packets, rates, seconds))


def _declared_rates(stream: av.VideoStream) -> tuple[Fraction | None, ...]:
    return stream.guessed_rate, stream.average_rate, stream.base_rate


def _declared_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)


@dataclass(frozen=True)
class _AudioScan:
    start: Fraction
    seconds: Fraction
    reliable: bool


def _scan_audio(container: av.container.InputContainer, stream: av.AudioStream, path: Path) -> _AudioScan:
    start: Fraction | None = None
    stamps: list[float] = []
    end = total = Fraction(0)
    for packet in container.demux(stream):
        if start is None:
            start = next((_timestamp(frame) for frame in _decode(packet)), None)
        # The last packet of an Ogg file may have a negative duration, which arrives as an unsigned number.
        ticks = packet.duration if packet.duration and packet.duration < 1 << 31 else 0
        length = Fraction(ticks) * (packet.time_base or 0)
        end = max(end, _timestamp(packet) + length)
        total += length
        if packet.size and packet.dts is not None:
            stamps.append(float(_timestamp(packet)))
    if start is None:
        raise no_samples(path)
    reliable = are_reliable(np.array(stamps), MAX_AUDIO_GAP)
    return _AudioScan(start, max(Fraction(0), end - start) if reliable else total, reliable)


def _timestamp(item: av.Packet[av.AudioStream] | av.AudioFrame) -> Fraction:
    stamp = item.dts if item.pts is None else item.pts
    return Fraction(stamp or 0) * (item.time_base or 0)


def _decode(packet: av.Packet[_Stream]) -> Sequence[Any]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []  # a damaged packet; the next one may be intact


def _color_tags(frame: av.VideoFrame, *, from_rgb: bool) -> ColorTags:
    return ColorTags(
        primaries=_PRIMARIES.get(frame.color_primaries),
        transfer=_TRANSFERS.get(frame.color_trc),
        matrix="bt709" if from_rgb else _MATRICES.get(frame.colorspace),
    )
