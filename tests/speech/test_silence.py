from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.speech.silence import speech_gate, speech_levels

SPEECH, PAUSE = -15.0, -70.0


def gate(*sections: tuple[float, int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return speech_gate(np.concatenate([np.full(frames, level, np.float32) for level, frames in sections]))


@pytest.mark.parametrize("length", [1, 7, 639, 640, 641, 16_000])
def test_partial_frames_have_a_level(length: int) -> None:
    assert len(speech_levels(np.zeros(length, np.float32))) == -(-length // 640)


def test_levels_are_decibels_in_the_speech_band() -> None:
    time = np.arange(16_000) / 16_000
    speech = speech_levels((0.1 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32))
    hum = speech_levels((0.1 * np.sin(2 * np.pi * 50 * time)).astype(np.float32))
    assert np.allclose(speech[1:-1], -23, atol=0.5)  # 0.1 of full scale is -20 dB, a sine 3 dB less
    assert hum.max() < -60


def test_gate_is_closed_in_silence_and_open_in_speech() -> None:
    gain = gate((PAUSE, 50), (SPEECH, 50), (PAUSE, 50))
    assert np.all(gain[:35] == 0)
    assert np.all(gain[50:100] == 1)
    assert np.all(gain[115:] == 0)


def test_gate_is_closed_if_all_is_silent() -> None:
    assert np.all(gate((-90.0, 3)) == 0)


def test_gate_stays_open_in_short_pauses() -> None:
    assert np.all(gate((SPEECH, 50), (PAUSE, 7), (SPEECH, 50)) == 1)


def test_leading_pause_must_be_longer() -> None:
    assert np.all(gate((PAUSE, 11), (SPEECH, 50))[:11] == 1)
    assert np.all(gate((PAUSE, 12), (SPEECH, 50))[:6] == 0)
    assert gate((SPEECH, 50), (PAUSE, 11), (SPEECH, 50)).min() < 0.2


def test_threshold_adapts_to_room_noise() -> None:
    noisy = SPEECH - 40
    assert np.all(gate((SPEECH, 50), (noisy, 30), (SPEECH, 50))[60:70] == 0)
    assert np.all(gate((SPEECH, 50), (noisy, 30), (PAUSE, 30), (SPEECH, 50))[50:80] == 1)  # a breath in a quiet room


def test_gate_is_open_in_weak_speech() -> None:
    assert np.all(gate((SPEECH, 50), (SPEECH - 30, 30), (SPEECH, 50)) == 1)


def test_gate_is_open_in_quiet_recordings() -> None:
    assert np.all(gate((-50.0, 25), (-55.0, 25))[:50] == 1)


@given(st.lists(st.floats(-120, 0, width=32), min_size=1, max_size=200))
def test_gate_never_jumps(levels: list[float]) -> None:
    gain = speech_gate(np.array(levels, np.float32))
    assert len(gain) == len(levels)
    assert np.all((gain >= 0) & (gain <= 1 + 1e-6))
    assert len(levels) == 1 or np.abs(np.diff(gain)).max() < 0.4


def test_gate_is_closed_for_a_steady_sound() -> None:
    fan = np.random.default_rng(0).standard_normal(4 * 16000).astype(np.float32) / 10
    assert not speech_gate(speech_levels(fan)).any()
    fan[16000:32000] *= 4
    assert speech_gate(speech_levels(fan)).any()
