from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.speech.silence import levels, openness

SPEECH, PAUSE = -15.0, -70.0


def gate(*stretches: tuple[float, int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return openness(np.concatenate([np.full(frames, level, np.float32) for level, frames in stretches]))


@pytest.mark.parametrize("length", [1, 7, 639, 640, 641, 16_000])
def test_every_begun_frame_has_a_level(length: int) -> None:
    assert len(levels(np.zeros(length, np.float32))) == -(-length // 640)


def test_levels_are_decibels_of_the_speech_band() -> None:
    time = np.arange(16_000) / 16_000
    speech = levels((0.1 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    hum = levels((0.1 * np.sin(2 * np.pi * 50 * time)).astype(np.float32))
    assert np.allclose(speech[1:-1], -23, atol=0.5)  # 0.1 of full scale is -20 dB, a sine 3 dB less
    assert hum.max() < -60


def test_silence_closes_the_mouth_and_speech_opens_it() -> None:
    allowed = gate((PAUSE, 50), (SPEECH, 50), (PAUSE, 50))
    assert np.all(allowed[:35] == 0)
    assert np.all(allowed[50:100] == 1)
    assert np.all(allowed[115:] == 0)


def test_nothing_but_silence_is_closed() -> None:
    assert np.all(gate((-90.0, 3)) == 0)


def test_short_pauses_are_left_to_the_network() -> None:
    assert np.all(gate((SPEECH, 50), (PAUSE, 7), (SPEECH, 50)) == 1)


def test_a_short_pause_closes_the_mouth_in_the_middle_but_not_at_the_beginning() -> None:
    assert np.all(gate((PAUSE, 11), (SPEECH, 50))[:11] == 1)
    assert np.all(gate((PAUSE, 12), (SPEECH, 50))[:6] == 0)
    assert gate((SPEECH, 50), (PAUSE, 11), (SPEECH, 50)).min() < 0.2


def test_in_a_noisy_room_a_pause_is_as_loud_as_the_room() -> None:
    noisy = SPEECH - 40
    assert np.all(gate((SPEECH, 50), (noisy, 30), (SPEECH, 50))[60:70] == 0)
    assert np.all(gate((SPEECH, 50), (noisy, 30), (PAUSE, 30), (SPEECH, 50))[50:80] == 1)  # a breath, heard in quiet


def test_weak_speech_is_no_pause() -> None:
    assert np.all(gate((SPEECH, 50), (SPEECH - 30, 30), (SPEECH, 50)) == 1)


def test_quiet_recordings_are_heard() -> None:
    assert np.all(gate((-50.0, 25), (-55.0, 25))[:50] == 1)


@given(st.lists(st.floats(-120, 0, width=32), min_size=1, max_size=200))
def test_the_mouth_never_jumps(level: list[float]) -> None:
    allowed = openness(np.array(level, np.float32))
    assert len(allowed) == len(level)
    assert np.all((allowed >= 0) & (allowed <= 1 + 1e-6))
    assert len(level) == 1 or np.abs(np.diff(allowed)).max() < 0.4


def test_a_sound_that_never_rises_or_falls_is_no_speech() -> None:
    fan = np.random.default_rng(0).standard_normal(4 * 16000).astype(np.float32) / 10
    assert not openness(levels(fan)).any()
    fan[16000:32000] *= 4
    assert openness(levels(fan)).any()
