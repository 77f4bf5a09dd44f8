import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.media.types import planes
from heygem_cli.mesh.warp import Box, warp_box

BOX = Box(40, 20, 100, 80)


def grain(seed=5):
    """Return a frame (160×120) with camera noise."""
    noise = np.random.default_rng(seed).normal(0, 12, (180, 160))
    return np.clip(128 + cv2.GaussianBlur(noise, (0, 0), 0.7) * 2, 0, 255).astype(np.uint8)


def shifted(frame, by, mask=None):
    target = frame.copy()
    warp_box(frame, target, BOX, np.full((2, 80, 100), by, np.float32), mask)
    return target


def sharpness(frame):
    luma = planes(frame)[0][30:90, 50:130]
    return cv2.Laplacian(luma, cv2.CV_64F).var()


def test_zero_displacement_is_bit_identical():
    assert (shifted(grain(), 0) == grain()).all()


def test_whole_pixel_displacement_copies():
    warped = planes(shifted(grain(), 2))[0][20:100, 40:140]
    assert (warped == planes(grain())[0][22:102, 42:142]).all()


@given(st.floats(0.1, 0.9))
def test_subpixel_displacement_keeps_sharpness(by):
    assert sharpness(shifted(grain(), by)) == pytest.approx(sharpness(grain()), rel=0.3)


def test_mask_limits_the_warp():
    half = np.zeros((80, 100), np.float32)
    half[:, 50:] = 1
    warped = shifted(grain(), 4, half)
    assert (warped[:120, :90] == grain()[:120, :90]).all()
    assert (warped[20:100, 90:140] == shifted(grain(), 4)[20:100, 90:140]).all()
