"""Encrypted Matroska, and scrambled MPEG-TS.

Of a recording that begins without scrambling ffmpeg would show the beginning, and then grey frames.
"""

from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from media_factory import X264, make_video

PACKET = 188
VIDEO, AUDIO = 0x100, 0x101
"""Identifiers that ffmpeg gives the streams of an MPEG-TS."""
TRACKS, TRACK, TRACK_TYPE = b"\x16\x54\xae\x6b", b"\xae", b"\x83\x81"


def codes(path: Path) -> list[str]:
    """Return the error of the video and of the audio, empty for none."""
    found = []
    for probe in (probe_video, probe_audio):
        try:
            probe(path)
            found.append("")
        except InputError as error:
            assert error.path == path
            found.append(error.code)
    return found


def element(kind: bytes, content: bytes) -> bytes:
    return kind + (1 << 56 | len(content)).to_bytes(8, "big") + content


def children(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kind and the content of the elements of Matroska."""
    found, start = [], 0
    while start < len(data):
        id_length = 9 - data[start].bit_length()
        length = 9 - data[start + id_length].bit_length()
        content = start + id_length + length
        size = int.from_bytes(data[start + id_length : content], "big") - (1 << 7 * length)
        found.append((data[start : start + id_length], data[content : content + size]))
        start = content + size
    return found


def encrypt_tracks(data: bytes, track_type: int) -> bytes:
    """Return a live Matroska whose tracks of a type are said to be encrypted with AES."""
    start = data.rindex(TRACKS)  # the table of contents has it, too
    end = data.index(b"\x1f\x43\xb6\x75")
    ((_, tracks), *others) = children(data[start:end])
    encryption = element(b"\x50\x35", b"\x47\xe1\x81\5" + element(b"\x47\xe2", b"0123456789abcdef"))
    encodings = element(b"\x6d\x80", element(b"\x62\x40", b"\x50\x33\x81\1" + encryption))
    changed = b"".join(
        element(kind, content + (encodings if kind == TRACK and TRACK_TYPE + bytes([track_type]) in content else b""))
        for kind, content in children(tracks)
    )
    rest = b"".join(element(kind, content) for kind, content in others)
    return data[:start] + element(TRACKS, changed) + rest + data[end:]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", (*X264, "-c:a", "aac")), ("a.webm", ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"))],
)
def test_encrypted_track_of_matroska(name, codec, tmp_path):
    path = make_video(tmp_path / name, codec=codec, audio=True, extra=("-live", "1"))
    data = path.read_bytes()
    assert codes(path) == ["", ""]
    for track_type, expected in ((1, ["encrypted-media", ""]), (2, ["", "encrypted-media"])):
        path.write_bytes(encrypt_tracks(data, track_type))
        assert codes(path) == expected


def scramble(data: bytes, pid: int, first: int, length: int, every: int = 1) -> bytes:
    """Return an MPEG-TS in which packets of a stream, from one of them on, are said to be scrambled."""
    changed, number = bytearray(data), 0
    for start in range(length - PACKET, len(data), length):
        if int.from_bytes(data[start + 1 : start + 3], "big") & 0x1FFF == pid:
            if number >= first and number % every == 0:
                changed[start + 3] |= 0x80
            number += 1
    return bytes(changed)


@pytest.mark.parametrize("first", [0, 5])
def test_scrambled_stream_of_a_transport_stream(first, tmp_path):
    path = make_video(tmp_path / "a.ts", codec=(*X264, "-c:a", "aac"), audio=True)
    data = path.read_bytes()
    assert codes(path) == ["", ""]
    for pid, expected in ((VIDEO, ["encrypted-media", ""]), (AUDIO, ["", "encrypted-media"])):
        path.write_bytes(scramble(data, pid, first, PACKET))
        assert codes(path) == expected


def test_scrambled_recording_of_a_camera(tmp_path):
    path = make_video(tmp_path / "a.m2ts", codec=X264)
    path.write_bytes(scramble(path.read_bytes(), 0x1011, 0, PACKET + 4))
    with pytest.raises(InputError, match="its video is encrypted"):
        probe_video(path)


def test_single_damaged_headers_are_no_scrambling(tmp_path):
    path = make_video(tmp_path / "a.ts", codec=(*X264, "-c:a", "aac"), audio=True)
    path.write_bytes(scramble(path.read_bytes(), VIDEO, 3, PACKET, every=30))
    assert codes(path) == ["", ""]
