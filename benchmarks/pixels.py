"""Figures of pixels: how sharp a mouth is, whether it flickers, whether the edge of what was changed shows.

Each is a ratio to the source, so that 1 is a mouth like the one that a camera saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.metrics import Curve, flicker, ratio
from benchmarks.observe import Observed
from heygem_cli.face.geometry import INNER_LOWER, INNER_UPPER, LIPS, Array, interocular
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, planes

Luma = npt.NDArray[np.uint8]

SKIN = (164, 167, 393, 200, 199, 18, 106, 335, 43, 273, 204, 424, 202, 422, 210, 430, 214, 434, 212, 432, 216, 436)
"""Landmarks on the skin around the lips: chin, upper lip, the folds beside the mouth, jaw."""
PATCH = 0.02
"""Inter-ocular distances: standard deviation of the Gaussian that light is averaged with before it is compared."""
CHANGED = 6.0
"""Levels of luma, averaged over a patch, that tell what was drawn from what was only encoded once more."""


@dataclass(frozen=True)
class Looks:
    """How a mouth looks, each as a ratio to the source.

    Attributes:
        sharpness: variance of the Laplacian around the mouth.
        flicker: of the light on the lips, between them and on the skin around.
        seam: gradient of the luma along the edge of what was changed; NaN where nothing was.
    """

    sharpness: float
    flicker: float
    seam: float


def looks(generated: Observed, source: Observed) -> Looks:
    """Compare the pixels of a video with those of the source that it was rendered onto."""
    rows = [_compare(*each) for each in _pairs(generated, source)]
    sharp, light, seams = zip(*rows, strict=True)
    ours, theirs = (np.array(part) for part in zip(*light, strict=True))
    return Looks(
        sharpness=ratio(*zip(*sharp, strict=True)),
        flicker=flicker(ours) / flicker(theirs),
        seam=ratio(*zip(*seams, strict=True)),
    )


def _pairs(generated: Observed, source: Observed) -> Iterator[tuple[Luma, Luma, Array, Array]]:
    """Luma and landmarks of both, frame by frame."""
    count = len(source.landmarks)
    with ExitStack() as stack:
        both = [stack.enter_context(closing(read_frames(seen.video, count=count))) for seen in (generated, source)]
        for number, (ours, theirs) in enumerate(zip(*both, strict=True)):
            yield _luma(ours), _luma(theirs), generated.landmarks[number], source.landmarks[number]


def _luma(frame: Frame) -> Luma:
    return planes(frame)[0]


def _compare(
    ours: Luma, theirs: Luma, found: Array, place: Array
) -> tuple[tuple[float, float], tuple[Curve, Curve], tuple[float, float]]:
    """Sharpness, light and seam of one frame, of the video and of the source; NaN without a face."""
    unknown = float("nan")
    if np.isnan(place[0, 0]):
        nothing = np.full(len(light_points(place)), unknown)
        return (unknown, unknown), (nothing, nothing), (unknown, unknown)
    return (
        (mouth_sharpness(ours, place), mouth_sharpness(theirs, place)),
        (light(ours, found), light(theirs, place)),
        seam(ours, theirs, PATCH * float(interocular(place))),
    )


def mouth_sharpness(luma: Luma, landmarks: Array) -> float:
    """Variance of the Laplacian in a box around the mouth."""
    lips = landmarks[list(LIPS), :2]
    low, high = lips.min(0), lips.max(0)
    margin = 0.3 * (high[0] - low[0])
    left, top = (max(0, int(value)) for value in low - margin)
    right, bottom = (int(value) for value in high + margin)
    return float(cv2.Laplacian(luma[top:bottom, left:right], cv2.CV_64F).var())


def light_points(landmarks: Array) -> Array:
    """Points (points, 2) that move with the lips, with the middle between them and with the skin around."""
    between = (landmarks[list(INNER_UPPER[1:-1]), :2] + landmarks[list(INNER_LOWER[1:-1]), :2]) / 2
    return np.concatenate([landmarks[[*LIPS, *SKIN], :2], between])


def light(luma: Luma, landmarks: Array) -> Curve:
    """Mean luma of a patch at each of the face's points (points,), NaN without a face."""
    points = light_points(landmarks)
    if np.isnan(points).any():
        return np.full(len(points), np.nan)
    sigma = PATCH * float(interocular(landmarks))
    corner = np.floor(points.min(0) - 4 * sigma).astype(int).clip(0)
    right, bottom = np.ceil(points.max(0) + 4 * sigma).astype(int)
    box = luma[corner[1] : bottom, corner[0] : right]
    if not box.size:
        return np.full(len(points), np.nan)
    soft = cv2.GaussianBlur(box, (0, 0), sigma).astype(np.float32)
    x, y = (points - corner).astype(np.float32).T
    return np.asarray(cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0], np.float64)


def seam(ours: Luma, theirs: Luma, sigma: float) -> tuple[float, float]:
    """Mean gradient of both along the outline of the largest part that differs between them; NaN where nothing does."""
    changed = cv2.GaussianBlur(cv2.absdiff(ours, theirs), (0, 0), sigma) > CHANGED
    outlines, _ = cv2.findContours(changed.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return float("nan"), float("nan")
    x, y = max(outlines, key=cv2.contourArea)[:, 0].T
    one, other = (float(_gradient(luma, sigma)[y, x].mean()) for luma in (ours, theirs))
    return one, other


def _gradient(luma: Luma, sigma: float) -> Array:
    soft = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), sigma)
    return np.asarray(cv2.magnitude(*(cv2.Sobel(soft, cv2.CV_32F, x, 1 - x) for x in (1, 0))), np.float32)
