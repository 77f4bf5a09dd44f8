from contextlib import closing

import numpy as np
import pytest

from heygem_cli.media.mix import RATE, mix, mixed
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import read_audio
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
    assert np.array_equal(found, expected)


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
        assert np.abs(samples_of(audio) - np.concatenate(list(mix(tones)))).max() < 1e-4
    assert ticks
    assert list(tmp_path.iterdir()) == []
