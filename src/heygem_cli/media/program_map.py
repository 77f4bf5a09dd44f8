"""Recognise MPEG-TS of which ffmpeg uses less than there is, without a word.

Its streams change on the way, and ffmpeg goes on as the first program map says; or they are scrambled.
"""

from __future__ import annotations

import io
import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt

from heygem_cli.errors import InputError
from heygem_cli.media.encryption import encrypted
from heygem_cli.media.joined_use import read_at

_PACKET = 188
_LONG_PACKET = 192
"""With a time before each, as in M2TS."""
_SYNC = ord("G")
_CHUNK = 1 << 22
_SCANNED_CHUNKS = 16
_MAX_DAMAGED = 0.1
"""Share of packets that may look scrambled because of errors in their headers."""
_PAT, _PMT = 0, 2
"""Types of tables: of the programs, whose packets have the identifier 0, and of the streams of one."""
_MIN_PACKETS = 50
"""Packets without which ffmpeg does not open a file."""

_Tables = dict[int, bytes]
"""The table of the programs and their maps, by the identifier of their packets."""
_Streams = dict[int, tuple[str, str]]
"""The type and the codec of streams, by the identifier of their packets."""


def check_program_map(path: Path, stream: av.VideoStream | av.AudioStream) -> None:
    """Check that no other stream takes the place of one of an MPEG-TS, as where different recordings were joined.

    Raises:
        InputError: ``joined-files``: its codec changes, or it goes on under another identifier; ``encrypted-media``.
    """
    with path.open("rb") as file:
        if _is_scrambled(file, stream.id):
            raise encrypted(path, stream.type)
        maps = [_streams_of(tables) for tables in _tables(file)]
    codecs = {streams[stream.id] for streams in maps if stream.id in streams}
    is_replaced = any(
        stream.id not in streams and stream.type in {kind for kind, _ in streams.values()} for streams in maps
    )
    if len(codecs) > 1 or (codecs and is_replaced):
        message = f"its {stream.type} goes on with another codec or in another stream, which would be lost"
        hint = "Convert the recordings that were joined to the same codecs, then join them with ffmpeg -f concat"
        raise InputError("joined-files", message, hint=hint, path=path)


def _is_scrambled(file: BinaryIO, pid: int) -> bool:
    """Return whether packets of a stream near the beginning are scrambled, more of them than damage explains."""
    scrambled = total = 0
    for packets in itertools.islice(_packets(file), _SCANNED_CHUNKS):
        of_stream = packets[_pids(packets) == pid]
        scrambled += int(np.count_nonzero(of_stream[:, 3] & 0xC0))
        total += len(of_stream)
    return scrambled > _MAX_DAMAGED * total


def _tables(file: BinaryIO) -> Iterator[_Tables]:
    """Yield the tables that hold at the same time, whenever one of them is replaced, and at the end."""
    tables: _Tables = {}
    parts: _Tables = {}
    seen = set()
    for pid, packet in _table_packets(file):
        section = _add(parts, pid, packet)
        if section[:1] != bytes([_PMT if pid else _PAT]) or section == tables.get(pid) or _is_damaged(section):
            continue
        if pid in tables and (state := tuple(tables.items())) not in seen:
            seen.add(state)
            yield dict(tables)
        tables[pid] = section
        for gone in tables.keys() - {0, *_map_pids(tables)}:
            del tables[gone]
    yield tables


def _table_packets(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the packets of tables, and their identifiers."""
    known = {0}
    for packets in _packets(file):
        pids = _pids(packets)
        begins_section = (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x30 == 0x10) & (packets[:, 4] == 0)
        known |= set(pids[begins_section & (packets[:, 5] == _PMT)].tolist())
        for place in np.flatnonzero(np.isin(pids, list(known))):
            yield int(pids[place]), packets[place].tobytes()


def _pids(packets: npt.NDArray[np.uint8]) -> npt.NDArray[np.int_]:
    """Return the identifiers of the streams of packets."""
    return (packets[:, 1].astype(int) & 0x1F) << 8 | packets[:, 2]


def _packets(file: BinaryIO) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield packets of an MPEG-TS, as rows, from wherever they begin; none of another file."""
    head = read_at(file, 0, 5 * _LONG_PACKET)
    length = next((length for length in (_PACKET, _LONG_PACKET) if _find_packets(head, length) >= 0), 0)
    position = 0
    while length and (data := read_at(file, position, _CHUNK)):
        start = _find_packets(data, length)
        if start < 0:
            position += max(1, len(data) - 3 * length)
            if len(data) < _CHUNK:
                return
            continue
        count = (len(data) - start - _PACKET) // length + 1
        whole = np.frombuffer(data[start:].ljust(count * length, b"\0"), np.uint8, count * length)
        rows = whole.reshape(count, length)[:, :_PACKET]
        lost = np.flatnonzero(rows[:, 0] != _SYNC)
        valid = int(lost[0]) if lost.size else count
        yield rows[:valid]
        position += start + valid * length


def _find_packets(data: bytes, length: int) -> int:
    """Return where the first of three packets begins, -1 if there are none."""
    match = re.search(rb"G(?=.{%d}G.{%d}G)" % (length - 1, length - 1), data, re.DOTALL)
    return match.start() if match else -1


def _add(parts: _Tables, pid: int, packet: bytes) -> bytes:
    """Add a packet to a section of a table; return it once it is complete, else nothing."""
    content = packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0) :]
    if packet[1] & 0x40:
        parts[pid] = content[1 + content[0] :] if content else b""
    elif pid in parts:
        parts[pid] += content
    section = parts.get(pid, b"")
    length = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)
    if len(section) < length:
        return b""
    del parts[pid]
    return section[:length]


def _is_damaged(section: bytes) -> bool:
    """Return whether the checksum at the end is wrong; it is that of zip files, with the bits in the other order."""
    bits = np.unpackbits(np.frombuffer(section, np.uint8))
    return zlib.crc32(np.packbits(bits, bitorder="little").tobytes()) != 0xFFFFFFFF


def _map_pids(tables: _Tables) -> set[int]:
    """Return the identifiers of the packets of the maps that the table of the programs names."""
    entries = tables.get(0, b"")[8:-4]
    numbers = [int.from_bytes(entries[start : start + 4], "big") for start in range(0, len(entries) - 3, 4)]
    return {number & 0x1FFF for number in numbers if number >> 16}


def _streams_of(tables: _Tables) -> _Streams:
    """Return the streams that tables describe, as ffmpeg understands them."""
    packets = b"".join(packet for pid in sorted(tables) for packet in _write(pid, tables[pid]))
    if not packets:
        return {}
    repeated = packets * (1 + _MIN_PACKETS * _PACKET // len(packets))
    try:
        with av.open(io.BytesIO(repeated), format="mpegts") as container:
            return {stream.id: (stream.type, _codec(stream)) for stream in container.streams}
    except av.FFmpegError:
        return {}


def _codec(stream: av.stream.Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else ""


def _write(pid: int, section: bytes) -> Iterator[bytes]:
    content = b"\0" + section
    for number, start in enumerate(range(0, len(content), _PACKET - 4)):
        flags = pid | (0 if number else 0x4000)
        header = bytes([_SYNC, flags >> 8, flags & 0xFF, 0x10 | number & 15])
        yield (header + content[start : start + _PACKET - 4]).ljust(_PACKET, b"\xff")
