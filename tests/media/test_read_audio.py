"""Decode samples, with gaps, delays and damage."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import has_damaged_audio, read_audio
from media_factory import X264, ffmpeg, lag, make_audio


def decode(path: Path, rate: int = 16000) -> np.ndarray:
    return np.concatenate(list(read_audio(probe_audio(path), rate)))


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_audio_is_decoded_to_mono_at_16_khz(rate: int, channels: int, tmp_path: Path):
    samples = decode(make_audio(tmp_path / "a.wav", seconds=1.5, rate=rate, channels=channels))
    assert samples.dtype == np.float32
    assert samples.shape == pytest.approx((24000,), abs=2)
    assert 0.01 < np.abs(samples).max() <= 1


def test_long_audio_is_decoded_in_chunks(tmp_path: Path):
    path = make_audio(tmp_path / "a.flac", seconds=10)
    chunks = list(read_audio(probe_audio(path)))
    assert len(chunks) == 3
    assert sum(map(len, chunks)) == 160000


def test_invalid_samples_are_replaced(tmp_path: Path):
    raw = np.full(16000, 0.5, dtype="<f4")
    raw[100:200], raw[300:400], raw[500:600] = np.nan, np.inf, 7.0
    raw.tofile(tmp_path / "raw")
    ffmpeg("-f", "f32le", "-ar", 16000, "-i", tmp_path / "raw", "-c:a", "pcm_f32le", tmp_path / "a.wav")
    samples = decode(tmp_path / "a.wav")
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() == 1
    assert (samples[110:190] == 0).all()


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts"])
def test_audio_of_a_video_that_starts_late_begins_with_silence(name: str, voice: Path, tmp_path: Path):
    ffmpeg("-f", "lavfi", "-i", "color=size=64x64:duration=3", "-itsoffset", "1.5", "-i", voice, "-map", "0", "-map",
           "1", *X264, "-c:a", "mp2", tmp_path / name)  # fmt: skip
    samples, original = decode(tmp_path / name), decode(voice)
    assert len(samples) == pytest.approx(24000 + len(original), abs=1200)
    assert 24000 <= lag(samples, original) < 24400  # the delay of the MP2 encoder
    assert not samples[:23600].any()


def test_gap_in_the_audio_is_silence(tmp_path: Path):
    path = tmp_path / "gap.mkv"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=3,aselect='not(between(t,1,2))'", "-c:a", "pcm_s16le", path)
    samples = decode(path)
    assert len(samples) == pytest.approx(48000, abs=200)
    assert np.abs(samples[17000:31000]).max() == 0
    assert np.abs(samples[33000:47000]).max() > 0.1


def test_audio_that_is_overwritten_after_probing_is_an_error(voice: Path, tmp_path: Path):
    copy = tmp_path / "copy.wav"
    copy.write_bytes(voice.read_bytes())
    audio = probe_audio(copy)
    copy.write_bytes(b"garbage" * 1000)
    with pytest.raises(HeygemError, match=r"copy\.wav: ffmpeg failed while reading it: .*Invalid data"):
        list(read_audio(audio))


SOUNDS = {
    "a.aac": ("-c:a", "aac"),
    "a.m4a": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac"),
    "a.mp3": ("-c:a", "libmp3lame"),
    "no-header.mp3": ("-c:a", "libmp3lame", "-write_xing", "0"),
    "a.ac3": ("-c:a", "ac3"),
    "a.eac3": ("-c:a", "eac3"),
    "a.mkv": ("-c:a", "aac"),
    "a.ts": ("-c:a", "aac"),
    "a.flac": (),
    "a.ogg": (),
    "a.opus": (),
    "a.wav": (),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_damaged_audio_is_told_from_intact(name: str, tmp_path: Path):
    path = make_audio(tmp_path / name, seconds=2, extra=SOUNDS[name])
    assert not has_damaged_audio(probe_audio(path))
    data = bytearray(path.read_bytes())
    middle = data.index(b"moov") // 2 if b"moov" in data else len(data) // 2
    data[middle : middle + 800] = np.random.default_rng(5).bytes(800)
    path.write_bytes(data)
    assert has_damaged_audio(probe_audio(path)) == (name != "a.wav")


def test_check_of_audio_calls_back_and_is_an_error_when_it_is_killed(tmp_path: Path):
    audio = probe_audio(make_audio(tmp_path / "a.aac", seconds=600))
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text().split()

    def kill() -> None:
        for child in set(children.read_text().split()) - set(before):
            os.kill(int(child), signal.SIGKILL)

    with pytest.raises(HeygemError, match=r"a\.aac: ffmpeg was killed by signal 9 while reading it"):
        has_damaged_audio(audio, kill)
