from __future__ import annotations

import hashlib
import wave
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_speech import RATE, babble, vowel

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import CHIN, INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array
from heygem_cli.onnx import model_path, models_folder
from heygem_cli.speech.motion import (
    MODEL,
    POINTS,
    MotionModel,
    frame_count,
    press_lips,
    resample,
)

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(50), Fraction(60)]
OPEN = 0.03
CLOSED = 0.02
"""Inter-ocular distances, below which an opening is not visible."""
TOUCHING = 0.008
"""Below which lips that should touch do."""
EXAMPLE = Path(__file__).parents[2] / "examples" / "audio.wav"


def opening(offsets: Array) -> Array:
    return offsets[:, LIPS.index(INNER_LOWER_MID), 1] - offsets[:, LIPS.index(INNER_UPPER_MID), 1]


def silence(seconds: float) -> Array:
    return np.zeros(round(seconds * RATE), np.float32)


def test_points_are_lips_and_chin() -> None:
    assert len((*LIPS, CHIN)) == POINTS


@given(st.integers(1, 10**9), st.sampled_from(RATES))
def test_video_is_as_long_as_audio_within_half_a_frame(samples: int, fps: Fraction) -> None:
    frames = frame_count(samples, fps)
    assert frames >= 1
    assert frames == 1 or abs(frames / fps - Fraction(samples, RATE)) <= 1 / fps / 2


@given(st.integers(1, 200), st.sampled_from(RATES))
def test_resampling_preserves_a_straight_line(rows: int, fps: Fraction) -> None:
    line = np.arange(rows, dtype=np.float32)[:, None]
    frames = frame_count(rows * 640, fps)
    resampled = resample(line, frames, fps)[:, 0]
    expected = np.clip((np.arange(frames) + 0.5) / float(fps) * 25 - 0.5, 0, rows - 1)
    assert np.allclose(resampled, expected, atol=1e-3)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("seconds", [0.05, 1.23])
def test_every_video_frame_has_motion(model: MotionModel, fps: Fraction, seconds: float) -> None:
    samples = babble(seconds)
    motion = model.predict(iter([samples[:100], samples[100:]]), fps)
    assert motion.offsets.shape == (max(1, round(len(samples) * fps / RATE)), POINTS, 3)
    assert motion.duration == len(samples) / RATE
    assert np.isfinite(motion.offsets).all()


def test_empty_audio_is_an_error(model: MotionModel) -> None:
    with pytest.raises(InputError, match="empty"):
        model.predict([], Fraction(25))


def test_mouth_opens_during_a_vowel(model: MotionModel) -> None:
    samples = np.concatenate([silence(1), vowel(0.3), silence(1), vowel(0.3), silence(1)])
    gap = opening(model.predict([samples], Fraction(25)).offsets)
    for onset in (25, 57):
        assert gap[onset : onset + 9].max() > OPEN
        middle = float(np.average(np.arange(onset - 8, onset + 16), weights=np.maximum(gap[onset - 8 : onset + 16], 0)))
        assert abs(middle - (onset + 3.25)) < 3
    assert gap[:14].max() < CLOSED
    assert gap[42:48].max() < CLOSED
    assert gap[-10:].max() < CLOSED


def test_motion_does_not_depend_on_chunk_size(model: MotionModel) -> None:
    samples = babble(14)
    whole = model.predict([samples], Fraction(25)).offsets
    pieces = model.predict(iter(np.array_split(samples, 97)), Fraction(25)).offsets
    assert np.array_equal(whole, pieces)


def test_long_audio_has_no_seams(model: MotionModel) -> None:
    """Where windows overlap, motion is as smooth as elsewhere and like that of a window around the same audio."""
    samples = babble(30)
    long = opening(model.predict([samples], Fraction(25)).offsets)
    alone = opening(model.predict([samples[5 * RATE : 15 * RATE]], Fraction(25)).offsets)
    assert np.corrcoef(long[150:350], alone[25:225])[0, 1] > 0.8
    jumps = np.abs(np.diff(long))
    seams = np.concatenate([jumps[225:300], jumps[450:525]])
    assert seams.max() <= 1.5 * jumps.max()
    assert seams.mean() < 1.5 * jumps.mean()


NOISES = {
    "digital silence": lambda time, _: 0 * time,
    "dither": lambda _, hiss: np.round(hiss / 2) / 32768,
    "faint hiss": lambda _, hiss: 1e-3 * hiss,
    "hiss": lambda _, hiss: 1e-2 * hiss,
    "loud fan": lambda _, hiss: 0.1 * np.convolve(hiss, np.ones(8) / 8, "same"),
    "mains hum": lambda time, hiss: 0.05 * np.sin(2 * np.pi * 50 * time) + 3e-4 * hiss,
    "harmonics of hum": lambda time, hiss: (
        sum(0.02 / n * np.sin(2 * np.pi * 60 * n * time) for n in (1, 2, 3)) + 3e-4 * hiss
    ),
}


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("seconds", [0.5, 4])
def test_noise_keeps_the_mouth_closed(model: MotionModel, name: str, seconds: float) -> None:
    time = np.arange(int(seconds * RATE)) / RATE
    samples = NOISES[name](time, np.random.default_rng(0).standard_normal(len(time)))
    gap = opening(model.predict([samples.astype(np.float32)], Fraction(25)).offsets)
    assert gap.max() < CLOSED


@pytest.mark.parametrize("noise", [0.0, 3e-4])
def test_pause_closes_the_mouth_smoothly(model: MotionModel, noise: float) -> None:
    hiss = noise * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    samples = np.concatenate([babble(2), silence(1), babble(2, seed=1)]) + hiss
    motion = model.predict([samples], Fraction(25)).offsets
    gap = opening(motion)
    assert gap[:50].max() > OPEN
    assert gap[75:].max() > OPEN
    assert np.abs(gap[57:66]).max() < CLOSED
    assert np.abs(np.diff(gap[44:80])).max() < 0.12


def test_onnx_runtime_1_18_supports_the_network() -> None:
    graph = onnx.load(model_path(MODEL))
    assert graph.ir_version <= 10
    assert max(opset.version for opset in graph.opset_import) <= 20
    assert model_path(MODEL).stat().st_size < 13 << 20


@pytest.mark.parametrize("name", ["mouth_motion.onnx", "canonical_face.npy"])
def test_model_cards_and_checksums_match_the_models(name: str) -> None:
    folder = models_folder()
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert f"{digest}  {name}\n" in (folder / "SHA256SUMS").read_text()
    assert digest in (folder / name).with_suffix(".md").read_text()


def test_lips_are_pressed_together_by_the_probability_of_a_closure() -> None:
    lower = [*range(11, 20), *range(31, 40), 40]
    offsets = np.zeros((4, POINTS, 2), np.float32)
    offsets[:, lower, 1] = 0.08
    gaps = opening(press_lips(offsets, np.array([0.0, 0.3, 0.4, 0.6], np.float32)))
    assert gaps == pytest.approx([0.08, 0.08, 0.04, 0], abs=1e-6)
    pressed = press_lips(offsets, np.ones(4, np.float32))
    assert 0 < pressed[0, 40, 1] < 0.08, "the chin follows"
    assert opening(press_lips(-offsets, np.ones(4, np.float32))) == pytest.approx(-0.08), "lips that are apart only"


@pytest.mark.parametrize("fps", [24, 30, 50, 60])
def test_lips_touch_at_every_frame_rate(model: MotionModel, monkeypatch: pytest.MonkeyPatch, fps: int) -> None:
    offsets = np.zeros((1, 25, POINTS, 2), np.float32)
    offsets[..., LIPS.index(INNER_LOWER_MID), 1] = 0.08
    closures = np.zeros((1, 25), np.float32)
    closures[0, [5, 12, 20]] = 1
    monkeypatch.setattr(model, "session", SimpleNamespace(run=lambda *_: (offsets, closures)))
    gap = opening(model.predict([babble(1)], Fraction(fps)).offsets)
    assert np.median(gap) > OPEN
    for frame in (5, 12, 20):
        first = (frame - 1) * fps // 25
        assert gap[first : first + 1 + 3 * fps // 25].min() < CLOSED / 2, frame


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_lips_touch_for_every_bilabial_of_the_example(model: MotionModel, fps: int) -> None:
    """The times are those at which the synthesizer that made the example spoke p, b and m."""
    with wave.open(str(EXAMPLE)) as file:
        spoken = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 2**15
        seconds = len(spoken) / file.getframerate()
    samples = np.interp(np.arange(0, seconds, 1 / RATE), np.arange(len(spoken)) * seconds / len(spoken), spoken)
    gap = opening(model.predict([samples.astype(np.float32)], Fraction(fps)).offsets)
    for second in (0.67, 3.35, 3.44, 3.79, 4.07, 4.35, 5.68, 6.05, 6.10):
        first, last = (int(25 * second + frames) * fps // 25 for frames in (-2, 2))
        assert gap[first:last].min() < TOUCHING, f"p, b or m at {second} s"
    assert np.median(gap[5:-5]) > CLOSED
