import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.media.types import planes
from heygem_cli.mesh.warp import Box, warp_box

BOX = Box(40, 20, 100, 80)


def grain(seed=5):
    """A frame (160×120) with the grain of a camera."""
    noise = np.random.default_rng(seed).normal(0, 12, (180, 160))
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 0.7) * 2, 0, 255).astype(np.uint8)


def shifted(frame, by, cover=None):
    target = frame.copy()
    warp_box(frame, target, BOX, np.full((80, 100, 2), by, np.float32), cover)
    return target


def detail(frame):
    luma = planes(frame)[0][30:90, 50:130]
    return cv2.Laplacian(luma, cv2.CV_64F).var()


def test_what_is_not_moved_stays_bit_identical():
    assert (shifted(grain(), 0) == grain()).all()


def test_what_is_moved_by_whole_pixels_is_copied():
    drawn = planes(shifted(grain(), 2))[0][20:100, 40:140]
    assert (drawn == planes(grain())[0][22:102, 42:142]).all()


@given(st.floats(0.1, 0.9))
def test_what_lies_between_pixels_stays_as_sharp_as_it_was(by):
    assert detail(shifted(grain(), by)) == pytest.approx(detail(grain()), rel=0.3)


def test_a_cover_lays_one_over_the_other():
    half = np.zeros((80, 100), np.float32)
    half[:, 50:] = 1
    drawn = shifted(grain(), 4, half)
    assert (drawn[:120, :90] == grain()[:120, :90]).all()
    assert (drawn[20:100, 90:140] == shifted(grain(), 4)[20:100, 90:140]).all()
