from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from heygem_cli.media.mix import RATE, mix, mixed
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import read_audio, read_stereo
from media_factory import ffmpeg


def tone(path, *, seconds, volume=0.2, frequency=440, filters="anull"):
    source = f"sine=frequency={frequency}:duration={seconds}:sample_rate=44100"
    ffmpeg("-f", "lavfi", "-i", source, "-af", f"volume={8 * volume},{filters}", path)
    return probe_audio(path)


def samples_of(audio, rate=RATE):
    with closing(read_audio(audio, rate)) as chunks:
        return np.concatenate(list(chunks))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    late = tone(folder / "late.wav", seconds=1.7, frequency=700, filters="adelay=900")
    return [tone(folder / "short.flac", seconds=0.5), late]


def test_mix_is_the_sum_and_as_long_as_the_longest(tones):
    parts = [samples_of(audio) for audio in tones]
    expected = np.zeros(max(map(len, parts)), np.float32)
    for part in parts:
        expected[: len(part)] += part
    found = np.concatenate(list(mix(tones)))
    assert len(found) == pytest.approx(2.6 * RATE, abs=RATE // 100)
    assert np.array_equal(found, expected[:, None])


def test_mix_is_limited_to_full_scale(tmp_path):
    loud = [tone(tmp_path / f"{number}.wav", seconds=0.2, volume=0.9) for number in (1, 2)]
    found = np.concatenate(list(mix(loud)))
    assert np.abs(found).max() == 1


def test_mixed_audio_is_a_temporary_file(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ticks = []
    with mixed(tones, lambda: ticks.append(1)) as audio:
        assert audio.path.is_relative_to(tmp_path)
        assert (audio.channels, audio.sample_rate, audio.codec) == (1, RATE, "pcm_s16le")
        assert np.abs(samples_of(audio) - np.concatenate(list(mix(tones)))[:, 0]).max() < 1e-4
    assert ticks
    assert list(tmp_path.iterdir()) == []


def test_mix_with_stereo_keeps_the_sides_and_has_mono_on_both(tones, tmp_path):
    right = tone(tmp_path / "right.wav", seconds=1.0, frequency=300, filters="pan=stereo|c1=c0")
    silent = replace(tones[1], duration=0.0, limit=0)
    found = np.concatenate(list(mix([tones[0], silent, right])))
    mono = np.zeros(len(found), np.float32)
    mono[: len(samples_of(tones[0]))] = samples_of(tones[0])
    assert found.shape == (pytest.approx(RATE, abs=RATE // 100), 2)
    assert np.abs(found[:, 0] - mono).max() < 1e-6
    alone = found[:, 1] - mono
    assert np.sqrt((alone**2).mean()) == pytest.approx(0.2 / np.sqrt(2), rel=0.02)
    with mixed([tones[0], right]) as audio:
        assert audio.channels == 2


def test_stereo_begins_after_its_delay(tmp_path):
    audio = replace(tone(tmp_path / "a.wav", seconds=0.5, filters="pan=stereo|c0=c0|c1=c0"), delay=Fraction(1, 2))
    with closing(read_stereo(audio, RATE)) as chunks:
        found = np.concatenate(list(chunks))
    assert len(found) == pytest.approx(RATE, abs=RATE // 100)
    assert not found[: RATE // 2].any()
    assert found[RATE // 2 : RATE * 3 // 4].any()
