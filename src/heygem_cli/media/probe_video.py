"""Probe a face video or a still image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.media.container import (
    DECODER_OPTIONS,
    check_end,
    decode,
    demuxer_name,
    no_frames,
    open_media,
    read_packets,
)
from heygem_cli.media.image import check_size, exif_orientation
from heygem_cli.media.still import probe_still
from heygem_cli.media.streams import choose_track, track_note, tracks_of
from heygem_cli.media.timing import DEFAULT_FPS, Timing, measure
from heygem_cli.media.types import ColorTags, VideoInfo
from heygem_cli.media.unsupported import check_supported

MIN_SIDE = 16

MAX_SCANNED_PACKETS = 20_000
"""Packets that are read to find the frame rate: ten minutes of video, in at most a second."""

# Code points of ITU-T H.273 in ffmpeg's names; 2 (unspecified) and unknown ones are not tagged.
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428",
    11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRICES = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc", 10: "bt2020c",
    11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip

_EXIF_ROTATIONS = {1: 8, 2: 3, 3: 6}
"""EXIF orientation by the number of counterclockwise quarter turns."""


def probe_video(path: Path, track: int | None = None) -> VideoInfo:
    """Return the properties of a face video or a still image, after decoding its first frame.

    Args:
        path: The file.
        track: Which video stream, counted from 1; None for the one that players choose.

    Raises:
        InputError: ``not-found``, ``is-a-directory``, ``not-a-file``, ``no-permission``, ``empty-file``,
            ``cut-off-file``, ``unreadable-media``, ``no-video-stream``, ``cover-art-only``, ``no-frames``,
            ``picture-too-small``, ``picture-too-large``, ``tiled-heif``, ``no-such-track``, ``unknown-codec`` or
            ``unsupported-picture``.
    """
    check_supported(path)
    if still := probe_still(path):
        return still
    with open_media(path) as container:
        stream = _video_stream(container, path, track)
        check_size(path, stream.codec_context.width, stream.codec_context.height)
        scan = _scan_video(container, stream, path)
        notes = (*track_note(container.streams.video, stream, track), *check_end(stream, path))
        return replace(_video_info(path, container, stream, scan), notes=notes)


def _video_stream(container: av.container.InputContainer, path: Path, track: int | None) -> av.VideoStream:
    streams = container.streams.video
    videos = tracks_of(streams)
    if videos and container.metadata.get("major_brand") in {"heic", "heix", "mif1"} and len(streams) > 1:
        message = "HEIC images made of tiles are not supported"
        raise InputError("tiled-heif", message, hint="Convert it to JPEG or PNG", path=path)
    if videos:
        return choose_track(streams, track, path)
    hint = "Give a video or an image of a face"
    if streams:
        raise InputError("cover-art-only", "this is an audio file with cover art", hint=hint, path=path)
    raise InputError("no-video-stream", "it has no video stream", hint=hint, path=path)


def _video_info(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, scan: _VideoScan
) -> VideoInfo:
    frame, demuxer = scan.frame, demuxer_name(container)
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
        stream=container.streams.video.index(stream),
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
    for packet in read_packets(container, stream):
        if packet.size and not packet.is_discard:
            packets += 1
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.time_base is not None:
                start = stamp * packet.time_base if not stamps else min(start, stamp * packet.time_base)
                stamps.append(float(stamp * packet.time_base))
        if frame is None:
            frame = next(iter(decode(packet)), None)
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


def _color_tags(frame: av.VideoFrame, *, from_rgb: bool) -> ColorTags:
    return ColorTags(
        primaries=_PRIMARIES.get(frame.color_primaries),
        transfer=_TRANSFERS.get(frame.color_trc),
        matrix="bt709" if from_rgb else _MATRICES.get(frame.colorspace),
    )
