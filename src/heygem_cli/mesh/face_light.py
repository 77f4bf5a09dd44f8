"""The light on a face, as far as it matters for what is drawn into the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import LIPS, Array, interocular
from heygem_cli.media.types import Frame, planes

_SKIN = (116, 345, 50, 280, 172, 397, 152, 132, 361)
"""Landmarks around the lower face."""
_EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))
_LIDS = [159, 386], [145, 374]
"""Landmarks in the middle of the upper and of the lower lids."""
EYE_SHARE, SKIN_SHARE = 1.1, 0.8
"""Luma of the brightest tooth, over that of the white of the eyes and over that of the brightest skin."""
MAX_SLOPE = 0.9
"""Largest relative change of the light per inter-ocular distance."""


@dataclass(frozen=True)
class FaceLight:
    """The light on a face. Luma is above black, chroma relative to grey.

    Attributes:
        skin: Median luma of the skin of the lower face.
        white: Luma of a tooth in this light, no more than that of the brightest skin or of the eyes.
        slope: Relative change of the light per inter-ocular distance from the left of the picture to the right.
        skin_chroma: (2,) mean U and V of the skin.
        lip_chroma: (2,) mean U and V of the lips.
    """

    skin: float
    white: float
    slope: float
    skin_chroma: Array
    lip_chroma: Array


def measure_light(frame: Frame, landmarks: Array) -> FaceLight:
    """Measure the light on a face with landmarks (478, 3) that lies in an I420 frame, at least in part."""
    luma = planes(frame)[0]
    points = landmarks[:, :2]
    outlines = [np.asarray(cv2.convexHull(points[list(rows)]), np.float32) for rows in (_SKIN, LIPS)]
    around, lips = (_mask(luma.shape, [outline]) for outline in outlines)
    skin = around & ~lips
    brightest, median = (_level(luma, skin, share) for share in (97, 50))
    eyes = _level(luma, _mask(luma.shape, [points[list(eye)] for eye in _EYES]), 85)
    white = min(max(EYE_SHARE * eyes, SKIN_SHARE * brightest), max(eyes, brightest))
    slope = _slope(luma, skin, float(points[list(LIPS), 0].mean()))
    return FaceLight(median, white, slope, _chroma(frame, skin), _chroma(frame, lips))


def eye_opening(landmarks: Array) -> Array:
    """Return the mean height (…) of the open eyes of landmarks (…, 478, 3), in inter-ocular distances."""
    upper, lower = (landmarks[..., rows, :2] for rows in _LIDS)
    height = np.linalg.norm(upper - lower, axis=-1).mean(-1)
    return np.asarray(height / interocular(landmarks), np.float32)


def _slope(luma: Frame, skin: npt.NDArray[np.bool_], middle: float) -> float:
    columns = np.arange(luma.shape[1])
    left, right = (_level(luma, skin & side, 75) for side in (columns < middle, columns > middle))
    if not left or not right:
        return 0.0  # one half lies outside the picture, or in the dark
    # The middles of the halves of the lower face are half an inter-ocular distance apart.
    return float(np.clip((right - left) / (right + left) * 2 / 0.5, -MAX_SLOPE, MAX_SLOPE))


def _mask(shape: tuple[int, ...], outlines: list[Array]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32) for outline in outlines], [1])
    return mask > 0


def _level(luma: Frame, mask: npt.NDArray[np.bool_], percent: float) -> float:
    return max(float(np.percentile(luma[mask], percent)) - 16, 0.0) if mask.any() else 0.0


def _chroma(frame: Frame, mask: npt.NDArray[np.bool_]) -> Array:
    _, *chroma = planes(frame)
    chosen = mask[::2, ::2]
    if not chosen.any():
        return np.zeros(2, np.float32)
    return np.array([plane[chosen].mean() for plane in chroma], np.float32) - 128
