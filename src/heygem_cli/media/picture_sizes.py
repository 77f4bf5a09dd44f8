"""Find the sizes that the picture of a stream has, without decoding it.

Browsers record a window or a call that is resized, and broadcasts switch between 4:3 and 16:9: the size then changes
at a key frame, whose header tells it. A key frame is only decoded where its header differs from the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

import av

from heygem_cli.media.container import DECODER_OPTIONS
from heygem_cli.media.image import is_too_large
from heygem_cli.media.types import PictureSize

_HEADER_BYTES = 4096
"""Bytes of a key frame in which its header is."""

_H264_PARAMETERS, _HEVC_PARAMETERS = {7}, {33}
"""Types of the units that hold a size, the sequence parameter sets."""


class SizeScanner:
    """Collects the sizes of a stream's pictures, in the order of the file, and as the stream itself tells them."""

    def __init__(self, stream: av.VideoStream) -> None:
        self.sizes: list[PictureSize] = []
        self._codec = stream.codec_context.name
        self._extradata = stream.codec_context.extradata
        self._header_of = _header_reader(stream.codec_context.codec.canonical_name, self._extradata)
        self._header: bytes | None = None

    def add(self, packet: av.Packet[av.VideoStream]) -> None:
        """Look at the next packet."""
        if self._header_of is None or not packet.is_keyframe:
            return
        if packet.has_sidedata("new_extradata"):
            self._extradata, self._header = bytes(packet.get_sidedata("new_extradata")), None
        header = self._header_of(bytes(memoryview(packet)[:_HEADER_BYTES]))
        if self._header is not None and header in (self._header, b""):
            return
        self._header = header
        size = self._decoded_size(packet)
        if size is not None and size not in self.sizes:
            self.sizes.append(size)

    def _decoded_size(self, packet: av.Packet[av.VideoStream]) -> PictureSize | None:
        context = av.CodecContext.create(self._codec, "r")
        assert isinstance(context, av.VideoCodecContext)  # noqa: S101
        context.options = DECODER_OPTIONS
        context.extradata = self._extradata
        copy = av.Packet(bytes(packet))
        try:
            frames = [*context.decode(copy), *context.decode(None)]
        except av.FFmpegError:  # damaged
            return None
        if not frames or is_too_large(frames[0].width, frames[0].height):
            return None
        return PictureSize(frames[0].width, frames[0].height, Fraction(context.sample_aspect_ratio or 1) or Fraction(1))


def _header_reader(codec: str, extradata: bytes | None) -> Callable[[bytes], bytes] | None:
    """Return a function that finds the bytes of a key frame that tell its size, and perhaps a few more.

    They are empty where the packet does not repeat them. None: the size of such a stream does not change.
    """
    if codec == "vp8":
        return lambda data: data[3:10]
    if codec == "vp9":
        return lambda data: data[:10]
    if codec == "av1":
        return _av1_sequence_header
    if codec in ("mpeg1video", "mpeg2video"):
        return lambda data: b"".join(re.findall(rb"\x00\x00\x01\xb3(.{4})", data, re.DOTALL))
    if codec in ("h264", "hevc"):
        is_h264 = codec == "h264"
        size_bytes = _length_size(extradata, at=4 if is_h264 else 21)
        return lambda data: b"".join(
            unit
            for unit in (_units(data, size_bytes) if size_bytes else re.split(rb"\x00\x00\x01", data))
            if unit and (unit[0] & 31 in _H264_PARAMETERS if is_h264 else unit[0] >> 1 & 63 in _HEVC_PARAMETERS)
        )
    return None


def _av1_sequence_header(data: bytes) -> bytes:
    start = 2 if data.startswith(b"\x12\x00") else 0  # after a temporal delimiter
    head = data[start : start + 2]
    is_sequence_header = len(head) == 2 and head[0] >> 3 & 15 == 1
    return data[start : start + 2 + head[1]] if is_sequence_header else b""


def _length_size(extradata: bytes | None, at: int) -> int:
    """Return in how many bytes the length of each unit of H.264 or HEVC is stored; 0: start codes separate them."""
    return (extradata[at] & 3) + 1 if extradata and len(extradata) > at and extradata[0] == 1 else 0


def _units(data: bytes, size_bytes: int) -> list[bytes]:
    units = []
    while len(data) > size_bytes:
        end = size_bytes + int.from_bytes(data[:size_bytes], "big")
        units.append(data[size_bytes:end])
        data = data[end:]
    return units
