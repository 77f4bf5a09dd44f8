"""WAV files whose header has wrong sizes: all samples are used, and files that are really cut off are told."""

import struct
from pathlib import Path

import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import read_audio
from media_factory import ffmpeg, make_audio

RATE = 16000
SAMPLES = (20000 * np.sin(np.arange(20001) ** 1.5 / 900)).astype("<i2")


def chunk(name: bytes, content: bytes, size: int | None = None, *, padded: bool = True) -> bytes:
    """Return a chunk of a RIFF file that declares a size of its own."""
    declared = len(content) if size is None else size
    return name + struct.pack("<I", declared % (1 << 32)) + content + bytes(len(content) % 2 if padded else 0)


def make_wav(
    path: Path, *, data: int = 0, riff: int = 0, before: bytes = b"", after: bytes = b"", **sizes: int
) -> Path:
    """Write a WAV file whose sizes are wrong by so many bytes, or are ``data_size`` and ``riff_size``."""
    content = SAMPLES.tobytes()
    head = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    body = b"WAVE" + head + before + chunk(b"data", content, sizes.get("data_size", len(content) + data)) + after
    path.write_bytes(b"RIFF" + struct.pack("<I", sizes.get("riff_size", len(body) + riff) % (1 << 32)) + body)
    return path


LIST = chunk(b"LIST", b"INFOISFT\x05\0\0\0test\0\0")

WRONG = {
    "riff larger": {"riff": 8},
    "riff much larger": {"riff": 5000},
    "riff smaller": {"riff": -8},
    "riff 0": {"riff_size": 0},
    "riff unknown": {"riff_size": 0xFFFFFFFF},
    "data larger": {"data": 44},
    "data odd": {"data": 7},
    "data smaller": {"data": -8},
    "data much smaller": {"data": -9000},
    "data smaller, chunk after": {"data": 8, "after": LIST},
    "data 0": {"data_size": 0},
    "data and riff 0": {"data_size": 0, "riff_size": 0},
    "data unknown": {"data_size": 0xFFFFFFFF, "riff_size": 0xFFFFFFFF},
    "data of a stream": {"data_size": 0x7FFFFFFF},
    "chunks around": {"before": LIST, "after": LIST},
    "chunk that is cut off": {"after": LIST[:9]},
    "tag": {"after": b"TAG" + bytes(125)},
}


@pytest.mark.parametrize("name", WRONG)
def test_all_samples_of_a_wav_with_wrong_sizes_are_read(name: str, tmp_path: Path):
    audio = probe_audio(make_wav(tmp_path / "a.wav", **WRONG[name]))
    samples = np.rint(np.concatenate(list(read_audio(audio))) * 32768).astype(int)
    assert np.array_equal(samples[: len(SAMPLES)], SAMPLES)
    assert len(samples) - len(SAMPLES) <= 24  # where a chunk is taken for samples
    assert audio.duration == pytest.approx(len(SAMPLES) / RATE, abs=0.002)


def test_chunk_and_tag_are_not_heard(tmp_path: Path):
    for after in (LIST, b"TAG" + bytes(125), b"\0" + LIST):
        audio = probe_audio(make_wav(tmp_path / "a.wav", after=after))
        assert sum(map(len, read_audio(audio))) == len(SAMPLES)


def test_junk_after_the_samples_does_no_harm(tmp_path: Path):
    audio = probe_audio(make_wav(tmp_path / "a.wav", after=b"\xff\x00\x13" * 5))
    assert sum(map(len, read_audio(audio))) == pytest.approx(len(SAMPLES), abs=8)


@pytest.mark.parametrize("padded", [True, False])
def test_odd_size_with_and_without_padding(padded: bool, tmp_path: Path):
    content = bytes(number % 256 for number in range(999))
    head = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, RATE, 1, 8))
    body = b"WAVE" + head + chunk(b"data", content, padded=padded) + LIST
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert sum(map(len, read_audio(probe_audio(tmp_path / "a.wav")))) == 999


@pytest.mark.parametrize(("name", "extra"), [("a.wav", ("-rf64", "always")), ("a.w64", ())])
def test_formats_for_long_recordings(name: str, extra: tuple[str, ...], tmp_path: Path):
    ffmpeg("-i", make_wav(tmp_path / "plain.wav"), *extra, tmp_path / name)
    for added in (0, 8):
        data = bytearray((tmp_path / name).read_bytes())
        start = data.index(b"ds64") + 8 if name == "a.wav" else 16
        data[start : start + 8] = (int.from_bytes(data[start : start + 8], "little") + added).to_bytes(8, "little")
        (tmp_path / name).write_bytes(data)
        length = sum(map(len, read_audio(probe_audio(tmp_path / name))))
        assert 0 <= length - len(SAMPLES) <= 3  # W64 pads to 8 bytes


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("extra", [(), ("-rf64", "always")])
def test_wav_that_is_cut_off_is_told(kept: float, extra: tuple[str, ...], tmp_path: Path):
    ffmpeg("-i", make_wav(tmp_path / "plain.wav"), *extra, tmp_path / "whole.wav")
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError) as caught:
        probe_audio(tmp_path / "cut.wav")
    assert caught.value.code == "cut-off-file"
    assert f"only {kept:.0%} of it is there" in caught.value.message


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "cp1252"])
def test_tags_in_an_encoding_that_is_not_unicode(encoding: str, tmp_path: Path):
    path = make_audio(tmp_path / "a.wav")
    text = {"gbk": "录音", "shift_jis": "録音", "cp1252": "Größe"}[encoding].encode(encoding).ljust(8, b"\0")
    data = bytearray(path.read_bytes())
    info = b"INFOINAM" + len(text).to_bytes(4, "little") + text
    data[12:12] = b"LIST" + len(info).to_bytes(4, "little") + info
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    path.write_bytes(data)
    assert probe_audio(path).duration == pytest.approx(1, abs=0.001)
