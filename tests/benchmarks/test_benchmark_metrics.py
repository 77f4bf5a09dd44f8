import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks import metrics
from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import INNER_LOWER_MID, LIPS, interocular

GENERATOR = np.random.default_rng(7)
RATE, FPS = 16000, 25.0


def talking(frames: int = 50) -> np.ndarray:
    """Landmarks (frames, 478, 3) of a face of 100 px between the eyes whose lower lip goes up and down."""
    landmarks = np.repeat(canonical_face()[None] * 100 + 300, frames, 0)
    landmarks[:, INNER_LOWER_MID, 1] += 10 + 10 * np.sin(np.arange(frames) / 3)
    return landmarks.astype(np.float32)


@given(arrays(float, 30, elements=st.floats(-1, 1)), st.floats(0.1, 10), st.floats(-5, 5))
def test_correlation_does_not_see_scale_and_shift(curve: np.ndarray, scale: float, shift: float) -> None:
    curve[:2] = -1, 1
    assert metrics.correlation(curve, scale * curve + shift) == pytest.approx(1)
    assert metrics.correlation(curve, -scale * curve + shift) == pytest.approx(-1)


def test_correlation_counts_only_what_both_know() -> None:
    one = np.array([0, 1, 2, 3, np.nan, 100])
    other = np.array([0, 1, 2, 3, 100, np.nan])
    assert metrics.correlation(one, other) == pytest.approx(1)


@pytest.mark.parametrize("one", [np.zeros(10), np.full(10, np.nan)])
def test_correlation_of_what_says_nothing_is_unknown(one: np.ndarray) -> None:
    assert np.isnan(metrics.correlation(one, np.arange(10.0)))


@given(st.integers(-3, 3))
def test_a_late_mouth_has_a_positive_lag(lag: int) -> None:
    real = GENERATOR.normal(size=80)
    found, value = metrics.best_lag(np.roll(real, lag), real, 3)
    assert found == lag
    assert value == pytest.approx(1)


def test_no_lag_is_taken_where_all_are_equal() -> None:
    assert metrics.best_lag(np.zeros(20), np.zeros(20), 3)[0] == 0


def test_amplitude_is_the_share_of_the_real_swing() -> None:
    real = np.append(GENERATOR.normal(size=50), np.nan)
    assert metrics.spread_ratio(0.5 * real + 3, real) == pytest.approx(0.5)


def test_lips_are_compared_whatever_the_head_does() -> None:
    landmarks = talking()
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    assert metrics.landmark_distance(2 * landmarks @ turn.T + 17, landmarks) == pytest.approx(0, abs=1e-4)


def test_landmark_distance_is_in_interocular_distances() -> None:
    landmarks, wider = talking(), talking()
    # A quarter of the points goes 10 px down: laid on the middle, it is 7.5 px off, the rest 2.5.
    wider[:, list(LIPS[:10]), 1] += 10
    assert metrics.landmark_distance(wider, landmarks) == pytest.approx(3.75 / interocular(landmarks)[0], rel=1e-3)


def test_frames_without_a_face_do_not_count() -> None:
    landmarks, real = talking(), talking()
    landmarks[10:20] = np.nan
    assert metrics.landmark_distance(landmarks, real) == pytest.approx(0, abs=1e-5)
    assert metrics.correlation(metrics.opening(landmarks), metrics.opening(real)) == pytest.approx(1)
    assert metrics.jitter(landmarks) == pytest.approx(0, abs=1e-5)


def test_steady_motion_is_no_jitter_and_trembling_is() -> None:
    moving = talking() + np.arange(50, dtype=np.float32)[:, None, None]
    trembling = moving + GENERATOR.normal(0, 1, moving.shape).astype(np.float32)
    assert metrics.jitter(moving) == pytest.approx(0, abs=1e-5)
    assert metrics.jitter(trembling) == pytest.approx(metrics.jitter(2 * trembling), rel=1e-3)
    assert 0.01 < metrics.jitter(trembling) < 0.1


def test_silence_begins_and_ends_away_from_sound() -> None:
    sound = GENERATOR.normal(0, 0.001, 4 * RATE).astype(np.float32)
    sound[RATE : 3 * RATE] = GENERATOR.normal(0, 0.1, 2 * RATE)
    silent = metrics.silent_frames(sound, RATE, FPS, 110)
    assert silent[:21].all()
    assert not silent[21:79].any()
    assert silent[79:].all()


def test_a_breath_is_no_silence_and_the_rumble_of_a_room_is() -> None:
    sound = GENERATOR.normal(0, 0.0005, 4 * RATE).astype(np.float32)
    sound[2 * RATE :] = GENERATOR.normal(0, 0.1, 2 * RATE)
    rumble = 0.03 * np.sin(2 * np.pi * 60 * np.arange(4 * RATE) / RATE).astype(np.float32)
    assert metrics.silent_frames(sound + rumble, RATE, FPS, 100)[:46].all()
    sound[RATE : 2 * RATE] *= 5
    assert not metrics.silent_frames(sound, RATE, FPS, 100)[25:].any()


def test_the_weakest_speech_is_no_silence() -> None:
    sound = GENERATOR.normal(0, 0.1, 4 * RATE).astype(np.float32)
    sound[RATE : 2 * RATE] /= 20
    assert not metrics.silent_frames(sound, RATE, FPS, 100).any()
    sound[RATE : 2 * RATE] /= 4
    assert metrics.silent_frames(sound, RATE, FPS, 100)[30:45].all()


def test_a_short_gap_in_speech_is_no_silence() -> None:
    sound = GENERATOR.normal(0, 0.1, 2 * RATE).astype(np.float32)
    sound[RATE : RATE + RATE // 5] = 0
    assert not metrics.silent_frames(sound, RATE, FPS, 50).any()


def test_a_short_pause_at_the_beginning_is_no_silence() -> None:
    sound = GENERATOR.normal(0, 0.1, 2 * RATE).astype(np.float32)
    sound[: RATE // 4] = 0
    assert not metrics.silent_frames(sound, RATE, FPS, 50).any()
    sound[: RATE // 2] = 0
    assert metrics.silent_frames(sound, RATE, FPS, 50)[:8].all()


def test_only_silent_frames_with_an_open_mouth_count_as_open() -> None:
    silent = np.arange(100) < 40
    real = np.where(np.arange(100) < 50, 0.03, 0.1)
    ours = np.where(np.arange(100) < 10, 0.055, 0.045)
    assert metrics.open_in_silence(ours, real, silent) == pytest.approx(0.25)
    assert metrics.open_in_silence(real, real, silent) == 0
    ours[:20] = np.nan
    assert metrics.open_in_silence(ours, real, silent) == 0
    assert np.isnan(metrics.open_in_silence(real, real, np.zeros(100, bool)))


def test_a_ratio_counts_what_both_know() -> None:
    assert metrics.ratio([2, 4, np.nan, 100], [1, 2, 100, np.nan]) == pytest.approx(2)
    assert np.isnan(metrics.ratio([np.nan], [1]))


def test_a_steady_change_of_light_is_no_flicker_and_what_comes_and_goes_is() -> None:
    brighter = np.arange(40.0)[:, None] + np.zeros(5)
    assert metrics.flicker(brighter) == pytest.approx(0)
    assert metrics.flicker(brighter + 2.0 * (np.arange(40) % 2)[:, None]) == pytest.approx(4 * 2 / 2)
