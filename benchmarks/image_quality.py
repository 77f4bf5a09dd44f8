"""Image quality of a rendered mouth: sharpness, flicker and visible seams, each as a ratio to the source video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.metrics import Curve, flicker, ratio
from benchmarks.tracked_video import TrackedVideo
from heygem_cli.face.geometry import INNER_LOWER, INNER_UPPER, LIPS, Array, interocular
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import planes

Luma = npt.NDArray[np.uint8]

SKIN = (164, 167, 393, 200, 199, 18, 106, 335, 43, 273, 204, 424, 202, 422, 210, 430, 214, 434, 212, 432, 216, 436)
"""Landmarks on the skin around the lips: chin, upper lip, the folds beside the mouth, jaw."""
PATCH_SIGMA = 0.02
"""Standard deviation of the Gaussian that luma is averaged with, in inter-ocular distances."""
MIN_CHANGE = 6.0
"""Levels of averaged luma that distinguish rendered regions from regions that were only re-encoded."""


@dataclass(frozen=True)
class ImageQuality:
    """Ratios to the source.

    Attributes:
        sharpness: Variance of the Laplacian around the mouth.
        flicker: Flicker of the lips, of what is between them and of the skin around.
        seam: Luma gradient along the outline of the rendered region; NaN if nothing was rendered.
    """

    sharpness: float
    flicker: float
    seam: float


def image_quality(output: TrackedVideo, source: TrackedVideo) -> ImageQuality:
    """Compare a video with the source that it was rendered from."""
    rows = [_compare(*pair) for pair in _frame_pairs(output, source)]
    sharpness, luma, seams = zip(*rows, strict=True)
    output_luma, source_luma = (np.array(part) for part in zip(*luma, strict=True))
    return ImageQuality(
        sharpness=ratio(*zip(*sharpness, strict=True)),
        flicker=flicker(output_luma) / flicker(source_luma),
        seam=ratio(*zip(*seams, strict=True)),
    )


def _frame_pairs(output: TrackedVideo, source: TrackedVideo) -> Iterator[tuple[Luma, Luma, Array, Array]]:
    """Yield luma and landmarks of both videos, frame by frame."""
    count = len(source.landmarks)
    with ExitStack() as stack:
        both = [stack.enter_context(closing(read_frames(each.video, count=count))) for each in (output, source)]
        for index, frames in enumerate(zip(*both, strict=True)):
            output_luma, source_luma = (planes(frame)[0] for frame in frames)
            yield output_luma, source_luma, output.landmarks[index], source.landmarks[index]


def _compare(
    output: Luma, source: Luma, output_landmarks: Array, source_landmarks: Array
) -> tuple[tuple[float, float], tuple[Curve, Curve], tuple[float, float]]:
    """Return sharpness, luma samples and seam gradient of one frame of both videos; NaN without a face."""
    unknown = float("nan")
    if np.isnan(source_landmarks[0, 0]):
        no_samples = np.full(len(sample_points(source_landmarks)), unknown)
        return (unknown, unknown), (no_samples, no_samples), (unknown, unknown)
    return (
        (mouth_sharpness(output, source_landmarks), mouth_sharpness(source, source_landmarks)),
        (sample_luma(output, output_landmarks), sample_luma(source, source_landmarks)),
        seam_gradients(output, source, PATCH_SIGMA * float(interocular(source_landmarks))),
    )


def mouth_sharpness(luma: Luma, landmarks: Array) -> float:
    """Return the variance of the Laplacian in a box around the mouth."""
    lips = landmarks[list(LIPS), :2]
    low, high = lips.min(0), lips.max(0)
    margin = 0.3 * (high[0] - low[0])
    left, top = (max(0, int(value)) for value in low - margin)
    right, bottom = (int(value) for value in high + margin)
    return float(cv2.Laplacian(luma[top:bottom, left:right], cv2.CV_64F).var())


def sample_points(landmarks: Array) -> Array:
    """Return points (points, 2) on the lips, between them and on the skin around."""
    between = (landmarks[list(INNER_UPPER[1:-1]), :2] + landmarks[list(INNER_LOWER[1:-1]), :2]) / 2
    return np.concatenate([landmarks[[*LIPS, *SKIN], :2], between])


def sample_luma(luma: Luma, landmarks: Array) -> Curve:
    """Return the averaged luma (points,) at the sample points, NaN without a face."""
    points = sample_points(landmarks)
    if np.isnan(points).any():
        return np.full(len(points), np.nan)
    sigma = PATCH_SIGMA * float(interocular(landmarks))
    corner = np.floor(points.min(0) - 4 * sigma).astype(int).clip(0)
    right, bottom = np.ceil(points.max(0) + 4 * sigma).astype(int)
    box = luma[corner[1] : bottom, corner[0] : right]
    if not box.size:
        return np.full(len(points), np.nan)
    averaged = cv2.GaussianBlur(box, (0, 0), sigma).astype(np.float32)
    x, y = (points - corner).astype(np.float32).T
    samples = cv2.remap(averaged, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    return np.asarray(samples, np.float64)


def seam_gradients(output: Luma, source: Luma, sigma: float) -> tuple[float, float]:
    """Return the mean gradient of both along the outline of the largest rendered region; NaN if nothing differs."""
    changed = cv2.GaussianBlur(cv2.absdiff(output, source), (0, 0), sigma) > MIN_CHANGE
    outlines, _ = cv2.findContours(changed.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return float("nan"), float("nan")
    x, y = max(outlines, key=cv2.contourArea)[:, 0].T
    in_output, in_source = (float(_gradient(luma, sigma)[y, x].mean()) for luma in (output, source))
    return in_output, in_source


def _gradient(luma: Luma, sigma: float) -> Array:
    blurred = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), sigma)
    return np.asarray(cv2.magnitude(*(cv2.Sobel(blurred, cv2.CV_32F, x, 1 - x) for x in (1, 0))), np.float32)
