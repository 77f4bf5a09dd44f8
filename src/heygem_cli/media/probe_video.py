"""Probe a face video or a still image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np
from av.stream import Disposition

from heygem_cli.errors import InputError
from heygem_cli.media.container import BREAKS_OFF, check_end, demuxer_name, no_frames, open_media, read_packets
from heygem_cli.media.first_frame import FirstFrame, reading_first_frame
from heygem_cli.media.image import (
    MAX_PHOTOGRAPH_PIXELS,
    MAX_PIXELS,
    check_image_complete,
    check_not_too_small,
    check_size,
    still_notes,
    still_size,
)
from heygem_cli.media.joined import joined_notes
from heygem_cli.media.picture_sizes import SizeScanner
from heygem_cli.media.program_map import check_program_map
from heygem_cli.media.still import probe_still
from heygem_cli.media.streams import choose_track, track_note, tracks_of
from heygem_cli.media.timing import DEFAULT_FPS, MIN_JUMP, Timing, measure
from heygem_cli.media.types import PictureSize, VideoInfo, VideoStream
from heygem_cli.media.unsupported import check_supported
from heygem_cli.media.webp import ANIMATION_DEMUXER, animation_times

MAX_SCANNED_PACKETS = 20_000
"""Packets that are read to find the frame rate and the sizes: ten minutes of video, in at most a second."""

_IMAGE_BRANDS = frozenset({"avif", "heic", "heim", "heis", "heix", "miaf", "mif1", "mif2"})
"""Kinds of MP4 that contain images."""

_TILES = "g:0"
_WIDE_PIXELS = frozenset({"jpeg2000", "exr"})
"""Codecs of images whose decoders take 20 bytes and more for a pixel."""


def probe_video(path: Path, track: int | None = None) -> VideoInfo:
    """Return the properties of a face video or a still image, after decoding its first frame.

    Args:
        path: The file.
        track: Which video stream, counted from 1; None for the one that players choose.

    Raises:
        InputError: ``not-found``, ``is-a-directory``, ``not-a-file``, ``no-permission``, ``empty-file``,
            ``cut-off-file``, ``joined-files``, ``unreadable-media``, ``no-video-stream``, ``cover-art-only``,
            ``no-frames``, ``picture-too-small``, ``picture-too-large``, ``unsupported-picture``, ``no-such-track``,
            ``unknown-codec``, ``encrypted-media`` or ``segment-only``.
    """
    check_supported(path)
    if still := probe_still(path):
        return still
    with open_media(path) as container:
        joined = joined_notes(path, "video")
        stream = _video_stream(container, path, track)
        check_program_map(path, stream)
        source = _source(container, stream)
        check_size(path, stream.codec_context.width, stream.codec_context.height, source.max_pixels)
        if len(animation_times(path)) > 1:
            source = replace(source, demuxer=ANIMATION_DEMUXER)
        with reading_first_frame(path, source) as first_frame:  # while the packets are scanned
            scan = _scan_animation(path) if source.demuxer == ANIMATION_DEMUXER else _scan_video(container, stream)
            end = check_end(stream, path) or scan.notes
            frame = first_frame()
        if frame is None:
            raise no_frames(path, "Convert it to MP4" if source.demuxer == ANIMATION_DEMUXER else "")
        check_size(path, frame.width, frame.height, source.max_pixels)
        if frame.stream not in (None, stream.index):
            raise _unsupported(path, "its tracks can be counted in two ways, so it is not clear which one is meant")
        is_still = _is_still(container, source, scan)
        if is_still:
            check_image_complete(path)
        info = _video_info(path, stream, source, scan, frame, is_still=is_still)
        tracks = () if is_still else track_note(container.streams.video, stream, track)
        notes = (*tracks, *end, *joined, *_picture_notes(info, frame, scan.sizes))
        return replace(info, notes=tuple(dict.fromkeys(notes)))


def _video_stream(container: av.container.InputContainer, path: Path, track: int | None) -> av.VideoStream:
    streams = container.streams.video
    videos = tracks_of(streams)
    if videos:
        return choose_track(streams, track, path)
    hint = "Give a video or an image of a face"
    if streams:
        raise InputError("cover-art-only", "this is an audio file with cover art", hint=hint, path=path)
    raise InputError("no-video-stream", "it has no video stream", hint=hint, path=path)


def _source(container: av.container.InputContainer, stream: av.VideoStream) -> VideoStream:
    """Return how the ffmpeg program is to find and decode the stream."""
    # A photograph of a phone consists of tiles, which the program joins.
    is_tiled = bool(stream.disposition & Disposition.dependent) and _is_image_file(container)
    codec = stream.codec_context.codec.canonical_name
    # Only these decoders return the transparency, which lies beside the picture in WebM.
    has_alpha = stream.metadata.get("alpha_mode") == "1"
    decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec, "") if has_alpha else ""
    specifier = _TILES if is_tiled else f"v:{container.streams.video.index(stream)}"
    demuxer = demuxer_name(container)
    is_compact = _is_photograph(container, demuxer) and codec not in _WIDE_PIXELS
    max_pixels = MAX_PHOTOGRAPH_PIXELS if is_compact else MAX_PIXELS
    return VideoStream(demuxer, specifier, decoder, max_pixels)


def _is_photograph(container: av.container.InputContainer, demuxer: str) -> bool:
    return _is_image_file(container) or demuxer.endswith("_pipe") or demuxer == "image2"


def _is_image_file(container: av.container.InputContainer) -> bool:
    return container.metadata.get("major_brand", "") in _IMAGE_BRANDS


def _is_still(container: av.container.InputContainer, source: VideoStream, scan: _VideoScan) -> bool:
    # A GIF of one image claims 100 frames a second.
    return _is_photograph(container, source.demuxer) or (source.demuxer == "gif" and scan.packets == 1)


def _video_info(
    path: Path, stream: av.VideoStream, source: VideoStream, scan: _VideoScan, frame: FirstFrame, *, is_still: bool
) -> VideoInfo:
    sizes = _sizes(path, scan.sizes, frame)
    size = _even_size(path, frame, sizes)
    if is_still:
        width, height = still_size(size.width, size.height)
        size = replace(size, width=width, height=height)
    timing = Timing(DEFAULT_FPS, 1) if is_still else _timing(scan, stream, frame)
    pixels = _pixels(path, frame)
    # Grey with transparency has no matrix either.
    is_rgb = pixels.is_rgb or pixels.has_palette or frame.pixel_format.startswith("ya")
    return VideoInfo(
        path=path,
        width=size.width,
        height=size.height,
        fps=timing.fps,
        frames=timing.frames,
        is_still=is_still,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.pixel_format,
        color=replace(frame.color, matrix="bt709") if is_rgb else frame.color,
        sample_aspect_ratio=size.sample_aspect_ratio,
        stream=source,
        start=scan.start if frame.start is None else frame.start,
        sizes=sizes,
        is_interlaced=frame.is_interlaced and not is_still,
        is_rgb=is_rgb,
        full_range=frame.full_range,
        has_alpha=pixels.has_palette or any(component.is_alpha for component in pixels.components),
        reliable_times=timing.reliable,
        source_bits=max(component.bits for component in pixels.components),
        hdr=frame.hdr,
    )


def _picture_notes(info: VideoInfo, frame: FirstFrame, found: list[PictureSize]) -> Iterator[str]:
    if info.is_still:
        yield from still_notes(frame.width, frame.height)
    if info.is_interlaced:
        yield "it is interlaced; it was deinterlaced with bwdif"
    if info.sizes:
        message = "the size of its picture changes on the way; smaller pictures were scaled and padded to"
        yield f"{message} {info.width}×{info.height}"
    if len(found) > max(1, len(info.sizes)):
        message = "the shape of its pixels changes on the way; all of it was rendered as if it were"
        yield f"{message} {info.sample_aspect_ratio}"


def _pixels(path: Path, frame: FirstFrame) -> av.VideoFormat:
    try:
        return av.VideoFormat(frame.pixel_format)
    except ValueError as error:  # in PyAV, which may be older than the program
        raise _unsupported(path, f"its pixel format {frame.pixel_format} is not known") from error


def _sizes(path: Path, found: list[PictureSize], frame: FirstFrame) -> tuple[PictureSize, ...]:
    """Return the sizes of the pictures if there are several."""
    if frame.is_interlaced and frame.is_rotated:
        raise _unsupported(path, "it is interlaced, and its container says that it is rotated or mirrored")
    sizes = {(size.width, size.height): size for size in reversed(found)}
    if len(sizes) < 2:
        return ()
    first, aspect = found[0], frame.sample_aspect_ratio
    if frame.is_rotated or (frame.width, frame.height) != (first.width, first.height):
        message = "the size of its picture changes on the way, and its container rotates or crops it"
        raise _unsupported(path, message)
    if first.sample_aspect_ratio == aspect:
        return tuple(sizes.values())
    # That of the container holds for all pictures.
    return tuple(replace(size, sample_aspect_ratio=aspect) for size in sizes.values())


def _even_size(path: Path, frame: FirstFrame, sizes: tuple[PictureSize, ...]) -> PictureSize:
    """Return the even size of the output, which is that of the largest picture."""
    first = PictureSize(frame.width, frame.height, frame.sample_aspect_ratio)
    largest = max(reversed(sizes), key=lambda size: size.width * size.height, default=first)
    width, height = largest.width // 2 * 2, largest.height // 2 * 2
    check_not_too_small(path, largest.width, largest.height)
    return replace(largest, width=width, height=height)


def _unsupported(path: Path, message: str) -> InputError:
    hint = "Convert it first: ffmpeg -i IN -c:v libx264 -crf 16 OUT.mp4"
    return InputError("unsupported-picture", message, hint=hint, path=path)


@dataclass(frozen=True)
class _VideoScan:
    start: Fraction
    packets: int
    stamps: list[float]
    joins: list[int]
    seconds: Fraction | None
    sizes: list[PictureSize]
    notes: tuple[str, ...]


def _scan_video(container: av.container.InputContainer, stream: av.VideoStream) -> _VideoScan:
    stamps: list[float] = []
    joins: list[int] = []
    latest = -np.inf
    start = Fraction(0)
    packets = 0
    is_photograph = _is_photograph(container, demuxer_name(container))
    sizes = SizeScanner(stream)
    notes: list[str] = []
    for packet in read_packets(container, stream, lambda: notes.append(BREAKS_OFF)):
        if packet.size and not packet.is_discard:
            packets += 1
            if not is_photograph:  # its one picture may be large
                sizes.add(packet)
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.time_base is not None:
                start = stamp * packet.time_base if not stamps else min(start, stamp * packet.time_base)
                seconds = float(stamp * packet.time_base)
                if packet.is_keyframe and seconds < latest - MIN_JUMP:
                    joins.append(len(stamps))
                    latest = seconds
                latest = max(latest, seconds)
                stamps.append(seconds)
        if packets >= MAX_SCANNED_PACKETS:
            break
    length = None if packets < MAX_SCANNED_PACKETS else _declared_seconds(container, stream)
    return _VideoScan(start, packets, stamps, joins, length, sizes.sizes, tuple(notes))


def _scan_animation(path: Path) -> _VideoScan:
    times = animation_times(path)
    return _VideoScan(Fraction(0), len(times), times, [], None, [], ())


def _timing(scan: _VideoScan, stream: av.VideoStream, frame: FirstFrame) -> Timing:
    declared = [Fraction(rate) if rate else None for rate in (frame.rate, stream.average_rate, stream.base_rate)]
    return measure(np.array(scan.stamps), scan.packets, declared, scan.seconds, scan.joins)


def _declared_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)
