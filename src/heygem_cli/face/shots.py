"""Find where a new shot begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes

WIDTH, HEIGHT = 64, 36
"""Size of the small pictures that are compared."""
SAMPLES = 3
"""Samples of the frame, in each direction, that a pixel of the small picture is the mean of."""
HISTORY = 8
"""Frames whose changes say how much the picture moves."""
MIN_CHANGE = 5.0
"""Mean absolute difference from the last frame, in levels, below which there is no cut."""
CUT_RATIO = 2.5
"""Change at a cut, relative to the largest one in the frames before."""
DISSOLVE_FRAMES = 6
"""Frames that are looked at together to find a dissolve; it lasts at least as long."""
MIN_DISSOLVE = 2.5
"""Mean absolute difference across these frames, in levels, below which there is no dissolve."""
DISSOLVE_LINEARITY = 0.6
"""Cosine between the changes in the first and in the second half of these frames. In a dissolve each pixel changes
steadily; where something moves, hardly any does, and the cosine is below 0.4."""
DISSOLVE_SPREAD = 0.4
"""Median of the differences, relative to their mean: a dissolve changes most of the picture, slow motion only edges."""
BEGIN_CHANGE = 1.7, 6.5
"""Mean absolute difference across these frames that no change of the light explains, in levels: below the first no
dissolve begins, from the second on one does; in between it must be spread. A camera that adapts to the light changes
all of the picture, too."""
BEGIN_SPREAD = 0.535
"""Median of these differences, relative to their mean: where somebody moves, most are where the person is."""
PAN_REST = 0.6
"""Difference that remains where one picture is moved to the other, relative to that before, below which it is a pan."""
DISSOLVE_STEADINESS = 0.5
"""Change in the second half, relative to that in the first, below which the dissolve has ended."""
DISSOLVE_REST = 2
"""Frames without such a change after which a dissolve has ended."""
FADE_REST = 0.5
"""Difference that remains where the contrast and the colour of one picture are made those of the other, relative to
that before, below which it is a fade, or the light of a flash."""
BLANK_LEVELS = 3.0
"""Standard deviation of the luma, below which a picture that is black or white shows nothing ..."""
BLACK, WHITE = 40.0, 215.0
"""... and its mean, at the most and at the least. Of an even grey it is not known whether it is a fade."""
SAME_PICTURE = 0.6
"""Correlation with the last picture before a blank one, above which the same picture goes on."""


def find_shots(frames: Iterable[Frame]) -> Generator[tuple[Frame, bool], None, None]:
    """Yield each frame, and whether a shot begins with it."""
    detector = ShotDetector()
    for frame in frames:
        yield frame, detector.is_new(frame)


class ShotDetector:
    """Compares each frame with the ones before it.

    At a cut the picture changes much more than in the frames before, so that pans and moving people are no cuts. A
    dissolve is a shot of its own. Fades, flashes, and black and white frames belong to the shot before, which goes on
    unless another picture follows.
    """

    def __init__(self) -> None:
        self._is_first = True
        self._last: Array | None = None
        """The last picture that was not blank."""
        self._pictures: deque[Array] = deque(maxlen=DISSOLVE_FRAMES + 1)
        self._changes: deque[float] = deque(maxlen=HISTORY)
        self._dissolve = 0

    def is_new(self, frame: Frame) -> bool:
        """Return whether a shot begins with this frame; the first frame begins one."""
        picture = small_picture(frame)
        is_first, self._is_first = self._is_first, False
        if _is_blank(picture):
            self._begin()
            return is_first
        before, self._last = self._last, picture
        if not self._pictures:
            self._pictures.append(picture)
            return is_first or (before is not None and _correlation(before, picture) < SAME_PICTURE)
        change = _change(self._pictures[-1], picture)
        if change > max(MIN_CHANGE, CUT_RATIO * max(self._changes, default=0.0)):
            self._begin()
            self._pictures.append(picture)
            return True
        self._changes.append(change)
        self._pictures.append(picture)
        dissolving = self._dissolve > 0
        goes_on = _is_dissolve(self._pictures) and (dissolving or _changes_beyond_light(self._pictures))
        self._dissolve = DISSOLVE_REST if goes_on else max(0, self._dissolve - 1)
        return dissolving != (self._dissolve > 0)

    def _begin(self) -> None:
        self._pictures.clear()
        self._changes.clear()
        self._dissolve = 0


def _is_blank(picture: Array) -> bool:
    """Return whether a small picture is black or white."""
    luma = picture[0]
    return float(luma.std()) < BLANK_LEVELS and not BLACK < float(luma.mean()) < WHITE


def _change(before: Array, after: Array) -> float:
    """Return the mean absolute difference of two small pictures, in levels; that of a fade is what it does not explain.

    In a fade, and in the light of a flash, all contrasts change by the same factor, and all colours by the same amount.
    """
    change = float(np.abs(after - before).mean())
    one, other = _contrasts(before), _contrasts(after)
    gain = max(0.0, float(np.vdot(one, other)) / max(float(np.vdot(one, one)), 1.0))
    rest = float(np.abs(other - gain * one).mean())
    return rest if rest < FADE_REST * change else change


def _correlation(one: Array, other: Array) -> float:
    one, other = _contrasts(one), _contrasts(other)
    return float(np.vdot(one, other)) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1.0)


def _contrasts(picture: Array) -> Array:
    """Return how a small picture differs from its mean colour."""
    return np.asarray(picture - picture.mean((1, 2), keepdims=True), np.float32)


def _is_dissolve(pictures: deque[Array]) -> bool:
    """Return whether successive small pictures blend from the first to the last."""
    if len(pictures) <= DISSOLVE_FRAMES:
        return False
    changes = np.abs(pictures[-1] - pictures[0]).mean(0)
    mean = float(changes.mean())
    if mean < MIN_DISSOLVE or float(np.median(changes)) < DISSOLVE_SPREAD * mean:
        return False
    middle = pictures[DISSOLVE_FRAMES // 2]
    first, second = (middle - pictures[0]).ravel(), (pictures[-1] - middle).ravel()
    norms = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if norms[1] < DISSOLVE_STEADINESS * norms[0] or float(first @ second) < DISSOLVE_LINEARITY * norms[0] * norms[1]:
        return False
    is_fade = _change(pictures[0], pictures[-1]) < FADE_REST * mean
    return not is_fade and not _is_pan(pictures[0], pictures[-1], mean)


def _changes_beyond_light(pictures: deque[Array]) -> bool:
    """Return whether successive pictures change by more than the light, and not only where somebody moves."""
    one, other = _contrasts(pictures[0]), _contrasts(pictures[-1])
    gains = (one * other).sum((1, 2), keepdims=True) / np.maximum((one * one).sum((1, 2), keepdims=True), 1.0)
    rest = np.abs(other - gains * one).mean(0)
    mean = float(rest.mean())
    return mean >= BEGIN_CHANGE[1] or (mean >= BEGIN_CHANGE[0] and float(np.median(rest)) >= BEGIN_SPREAD * mean)


def _is_pan(before: Array, after: Array, change: float) -> bool:
    """Return whether one small picture is the other one, moved; ``change`` is their mean absolute difference."""
    window = cv2.createHanningWindow((WIDTH, HEIGHT), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(before[0].copy(), after[0].copy(), window)  # it changes its arguments
    one, other = (np.moveaxis(each, 0, -1) for each in (before, after))
    moved = cv2.warpAffine(one, np.array([[1, 0, x], [0, 1, y]]), (WIDTH, HEIGHT), borderValue=(np.nan,) * 3)
    return float(np.nanmean(np.abs(moved - other))) < PAN_REST * change


def small_picture(frame: Frame) -> Array:
    """Return the luma and the chroma of a frame: (3, HEIGHT, WIDTH), in levels."""
    samples = (WIDTH * SAMPLES, HEIGHT * SAMPLES)
    sampled = (cv2.resize(plane, samples, interpolation=cv2.INTER_NEAREST) for plane in planes(frame))
    return np.array([cv2.resize(each, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for each in sampled], np.float32)
