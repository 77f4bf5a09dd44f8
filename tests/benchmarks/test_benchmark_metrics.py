import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks import metrics
from heygem_cli.face.geometry import INNER_LOWER_MID, LIPS, canonical_face, interocular

RANDOM = np.random.default_rng(7)
RATE, FPS = 16000, 25.0


def talking(frames: int = 50) -> np.ndarray:
    """Return landmarks (frames, 478, 3) of a face with 100 px between the eyes whose lower lip oscillates."""
    landmarks = np.repeat(canonical_face()[None] * 100 + 300, frames, 0)
    landmarks[:, INNER_LOWER_MID, 1] += 10 + 10 * np.sin(np.arange(frames) / 3)
    return landmarks.astype(np.float32)


@given(arrays(float, 30, elements=st.floats(-1, 1)), st.floats(0.1, 10), st.floats(-5, 5))
def test_correlation_is_invariant_to_scale_and_shift(curve: np.ndarray, scale: float, shift: float) -> None:
    curve[:2] = -1, 1
    assert metrics.correlation(curve, scale * curve + shift) == pytest.approx(1)
    assert metrics.correlation(curve, -scale * curve + shift) == pytest.approx(-1)


def test_correlation_uses_frames_known_in_both() -> None:
    one = np.array([0, 1, 2, 3, np.nan, 100])
    other = np.array([0, 1, 2, 3, 100, np.nan])
    assert metrics.correlation(one, other) == pytest.approx(1)


@pytest.mark.parametrize("one", [np.zeros(10), np.full(10, np.nan)])
def test_correlation_of_a_constant_or_unknown_curve_is_unknown(one: np.ndarray) -> None:
    assert np.isnan(metrics.correlation(one, np.arange(10.0)))


@given(st.integers(-3, 3))
def test_late_mouth_has_a_positive_lag(lag: int) -> None:
    real = RANDOM.normal(size=80)
    found, value = metrics.best_lag(np.roll(real, lag), real, 3)
    assert found == lag
    assert value == pytest.approx(1)


def test_lag_is_zero_if_all_are_equal() -> None:
    assert metrics.best_lag(np.zeros(20), np.zeros(20), 3)[0] == 0


def test_amplitude_ratio_compares_standard_deviations() -> None:
    real = np.append(RANDOM.normal(size=50), np.nan)
    assert metrics.amplitude_ratio(0.5 * real + 3, real) == pytest.approx(0.5)


def test_landmark_distance_is_invariant_to_head_pose() -> None:
    landmarks = talking()
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    assert metrics.landmark_distance(2 * landmarks @ turn.T + 17, landmarks) == pytest.approx(0, abs=1e-4)


def test_landmark_distance_is_in_interocular_distances() -> None:
    landmarks, wider = talking(), talking()
    # A quarter of the points moves 10 px down: after centring they are off by 7.5 px, the others by 2.5 px.
    wider[:, list(LIPS[:10]), 1] += 10
    assert metrics.landmark_distance(wider, landmarks) == pytest.approx(3.75 / interocular(landmarks)[0], rel=1e-3)


def test_frames_without_a_face_are_ignored() -> None:
    landmarks, real = talking(), talking()
    landmarks[10:20] = np.nan
    assert metrics.landmark_distance(landmarks, real) == pytest.approx(0, abs=1e-5)
    assert metrics.correlation(metrics.opening(landmarks), metrics.opening(real)) == pytest.approx(1)
    assert metrics.jitter(landmarks) == pytest.approx(0, abs=1e-5)


def test_jitter_measures_trembling_and_not_steady_motion() -> None:
    moving = talking() + np.arange(50, dtype=np.float32)[:, None, None]
    trembling = moving + RANDOM.normal(0, 1, moving.shape).astype(np.float32)
    assert metrics.jitter(moving) == pytest.approx(0, abs=1e-5)
    assert metrics.jitter(trembling) == pytest.approx(metrics.jitter(2 * trembling), rel=1e-3)
    assert 0.01 < metrics.jitter(trembling) < 0.1


def test_silence_keeps_a_margin_to_sound() -> None:
    sound = RANDOM.normal(0, 0.001, 4 * RATE).astype(np.float32)
    sound[RATE : 3 * RATE] = RANDOM.normal(0, 0.1, 2 * RATE)
    silent = metrics.silent_frames(sound, RATE, FPS, 110)
    assert silent[:21].all()
    assert not silent[21:79].any()
    assert silent[79:].all()


def test_breath_is_not_silent_and_room_rumble_is() -> None:
    sound = RANDOM.normal(0, 0.0005, 4 * RATE).astype(np.float32)
    sound[2 * RATE :] = RANDOM.normal(0, 0.1, 2 * RATE)
    rumble = 0.03 * np.sin(2 * np.pi * 60 * np.arange(4 * RATE) / RATE).astype(np.float32)
    assert metrics.silent_frames(sound + rumble, RATE, FPS, 100)[:46].all()
    sound[RATE : 2 * RATE] *= 5
    assert not metrics.silent_frames(sound, RATE, FPS, 100)[25:].any()


def test_quiet_speech_is_not_silent() -> None:
    sound = RANDOM.normal(0, 0.1, 4 * RATE).astype(np.float32)
    sound[RATE : 2 * RATE] /= 20
    assert not metrics.silent_frames(sound, RATE, FPS, 100).any()
    sound[RATE : 2 * RATE] /= 4
    assert metrics.silent_frames(sound, RATE, FPS, 100)[30:45].all()


def test_short_gap_in_speech_is_not_silent() -> None:
    sound = RANDOM.normal(0, 0.1, 2 * RATE).astype(np.float32)
    sound[RATE : RATE + RATE // 5] = 0
    assert not metrics.silent_frames(sound, RATE, FPS, 50).any()


def test_short_pause_at_the_start_is_not_silent() -> None:
    sound = RANDOM.normal(0, 0.1, 2 * RATE).astype(np.float32)
    sound[: RATE // 4] = 0
    assert not metrics.silent_frames(sound, RATE, FPS, 50).any()
    sound[: RATE // 2] = 0
    assert metrics.silent_frames(sound, RATE, FPS, 50)[:8].all()


def test_open_in_silence_counts_silent_frames_with_an_open_mouth() -> None:
    silent = np.arange(100) < 40
    real = np.where(np.arange(100) < 50, 0.03, 0.1)
    ours = np.where(np.arange(100) < 10, 0.055, 0.045)
    assert metrics.open_in_silence(ours, real, silent) == pytest.approx(0.25)
    assert metrics.open_in_silence(real, real, silent) == 0
    ours[:20] = np.nan
    assert metrics.open_in_silence(ours, real, silent) == 0
    assert np.isnan(metrics.open_in_silence(real, real, np.zeros(100, bool)))


def test_ratio_uses_frames_known_in_both() -> None:
    assert metrics.ratio([2, 4, np.nan, 100], [1, 2, 100, np.nan]) == pytest.approx(2)
    assert np.isnan(metrics.ratio([np.nan], [1]))


def test_flicker_measures_alternation_and_not_steady_change() -> None:
    brighter = np.arange(40.0)[:, None] + np.zeros(5)
    assert metrics.flicker(brighter) == pytest.approx(0)
    assert metrics.flicker(brighter + 2.0 * (np.arange(40) % 2)[:, None]) == pytest.approx(4 * 2 / 2)


def test_closure_is_the_touching_frame_nearest_to_its_time() -> None:
    real = np.full(50, 0.1)
    real[[3, 20, 21, 40]] = 0.0, 0.01, 0.0, 0.0
    assert metrics.closing_frames(real, [19 / FPS, 41.2 / FPS], FPS) == [20, 40]
    assert metrics.closing_frames(real, [30 / FPS], FPS) == []
    assert metrics.closing_frames(np.where(np.arange(50) == 20, np.nan, real), [19 / FPS], FPS) == [21]


@pytest.mark.parametrize(("frame", "opening", "share"), [(20, 0.01, 1), (21, 0.0, 1), (22, 0.0, 0), (20, 0.02, 0)])
def test_lips_must_touch_within_a_frame(frame: int, opening: float, share: float) -> None:
    real, generated = np.full(50, 0.1), np.full(50, 0.1)
    real[3:9] = 0
    generated[frame] = opening
    assert metrics.closed_share(generated, real, [20]) == share
    assert np.isnan(metrics.closed_share(generated, real, []))
