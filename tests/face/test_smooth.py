import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.face.geometry import canonical_face
from heygem_cli.face.smooth import bridge_gaps, smooth


def face_at(x: float = 0.0) -> np.ndarray:
    return (canonical_face() * 100 + np.float32([x, 0, 0])).astype(np.float32)


MISSING = np.full((478, 3), np.nan, np.float32)


def stacked(rows) -> np.ndarray:
    return np.stack([MISSING if row is None else row for row in rows]) if rows else np.zeros((0, 478, 3), np.float32)


def presence(landmarks) -> str:
    return "".join("." if np.isnan(row).any() else "x" for row in landmarks)


@pytest.mark.parametrize(
    ("detected", "bridged"),
    [
        ("xx.xx", "xxxxx"),
        ("x.....x", "xxxxxxx"),
        ("x......x", "x......x"),
        ("...xx..", "...xx.."),
        ("", ""),
        ("....", "...."),
        (".x.x.", ".xxx."),
    ],
)
def test_only_short_gaps_are_bridged(detected, bridged):
    rows = [face_at(2 * k) if c == "x" else None for k, c in enumerate(detected)]
    assert presence(bridge_gaps(stacked(rows))) == bridged


def test_gaps_are_interpolated_linearly():
    rows = bridge_gaps(stacked([face_at(0), None, None, None, face_at(8)]))
    assert [round(float(row[4, 0] - face_at()[4, 0]), 3) for row in rows] == [0, 2, 4, 6, 8]


def test_gap_across_a_cut_is_not_bridged():
    assert presence(bridge_gaps(stacked([face_at(0), None, face_at(900)]))) == "x.x"


@given(st.lists(st.booleans(), max_size=40))
def test_number_and_position_of_frames_are_preserved(detected):
    rows = [face_at(k) if found else None for k, found in enumerate(detected)]
    smoothed = smooth(bridge_gaps(stacked(rows)))
    assert len(smoothed) == len(detected)
    for k, (found, row) in enumerate(zip(detected, smoothed, strict=True)):
        if found:
            assert abs(float(row[4, 0] - face_at(k)[4, 0])) < 3


def test_smoothing_removes_jitter_without_lag():
    noise = np.random.default_rng(0).normal(0, 0.25, (60, 478, 3)).astype(np.float32)
    jump = [0.0] * 30 + [40.0] * 30
    rows = [face_at(x) + n for x, n in zip(jump, noise, strict=True)]
    smoothed = smooth(np.stack(rows))
    truth = np.stack([face_at(x) for x in jump])
    assert np.abs(smoothed - truth)[3:-3].mean() < 0.6 * np.abs(noise)[3:-3].mean()
    assert np.abs(smoothed - truth)[28:32].max() < 2
