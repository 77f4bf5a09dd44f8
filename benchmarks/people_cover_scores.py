"""Measure what becomes of pixels in front of a face, and of the mouth beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.people_covers import MASK_OUTLINE
from benchmarks.people_render import OPEN, Rendered, RenderedFrame
from benchmarks.people_scenes import Appearance, Matte
from benchmarks.people_speakers import SPEAKS, mouth_change

COVERED = 0.5
"""How opaque a pixel in front of the face is at least."""
BESIDE = 0.3
"""Share of the mouth that must be visible for it to count whether it speaks."""
WHOLE = 0.98
"""Share of the mouth from which it is wholly covered."""
FADE = 3
"""Frames after which a mouth that has just been covered must pass."""
UNCHANGED = 0.05
"""Mean difference of the luma of the lower face, in levels, up to which it passed."""
SURROUNDINGS = 1.25
"""What is moved with the lower face, relative to it."""


@dataclass(frozen=True)
class CoverScores:
    """What became of something in front of a face.

    Attributes:
        name: Of the composite.
        speaker: The clip of the person who shall speak.
        pixels: Covered pixels near the lower face, in all frames together.
        error: Their mean absolute difference to the source, in levels of luma; NaN without any.
        beside: Frames in which enough of the mouth is visible, which should be open.
        speaking: Those in which that part of it moves.
        whole: Frames in which the mouth, which should be open, is wholly covered.
        passed: Those of them that are unchanged.
        hidden: Frames in which the mouth is wholly covered, open or not.
        counted: Frames that the program counts as covered.
        wrong: Indices of frames with covered pixels that changed, or covered mouths that did not pass.
    """

    name: str
    speaker: str
    pixels: float
    error: float
    beside: int
    speaking: int
    whole: int
    passed: int
    hidden: int
    counted: int
    wrong: tuple[int, ...]


def score_cover(rendered: Rendered) -> CoverScores:
    """Score one composite of a person with something in front of the face."""
    errors, pixels, beside, whole = [], [], [], {}
    hidden = covered_before = 0
    for index, frame in enumerate(rendered.frames):
        person = frame.scene.people[0]
        area = lower_face(person) * (_cover(frame) >= COVERED)
        pixels.append(float(area.sum()))
        errors.append(float((frame.change * area).sum()))
        share = covered_share(frame)
        covered_before = covered_before + 1 if share >= WHOLE else 0
        hidden += share >= WHOLE
        if frame.opening > OPEN and share <= 1 - BESIDE:
            beside.append(mouth_change(frame, person) > SPEAKS)
        if frame.opening > OPEN and covered_before > FADE:
            whole[index] = passed(frame)
    changed = [error > 0.5 * area for error, area in zip(errors, pixels, strict=True)]
    wrong = {i for i, value in enumerate(changed) if value} | {i for i, value in whole.items() if not value}
    total = sum(pixels)
    return CoverScores(
        name=rendered.composite.name,
        speaker=rendered.composite.speaker,
        pixels=total,
        error=sum(errors) / total if total else float("nan"),
        beside=len(beside),
        speaking=sum(beside),
        whole=len(whole),
        passed=sum(whole.values()),
        hidden=hidden,
        counted=rendered.frames_covered,
        wrong=tuple(sorted(wrong)),
    )


def lower_face(person: Appearance) -> Matte:
    """Return the pixels of a person's lower face and around it, 0 or 1."""
    points = person.landmarks[list(MASK_OUTLINE)]
    center = points.mean(0)
    hull = cv2.convexHull(np.round(center + SURROUNDINGS * (points - center)).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(np.zeros(person.visible.shape, np.uint8), hull, (1,)), np.float32)


def _cover(frame: RenderedFrame) -> Matte:
    covered = frame.scene.covered
    return np.zeros(frame.change.shape, np.float32) if covered is None else covered


def covered_share(frame: RenderedFrame) -> float:
    """Return how much of the mouth is covered, 0 … 1."""
    mouth = frame.scene.people[0].mouth
    return float((mouth * (_cover(frame) >= COVERED)).sum() / max(1.0, float(mouth.sum())))


def passed(frame: RenderedFrame) -> bool:
    """Return whether the lower face is that of the source."""
    area = lower_face(frame.scene.people[0])
    return float((frame.change * area).sum() / area.sum()) <= UNCHANGED


def mean_error(scores: Sequence[CoverScores]) -> float:
    """Return the mean absolute difference of all covered pixels of several composites; NaN without any."""
    pixels = sum(each.pixels for each in scores)
    return sum(each.error * each.pixels for each in scores if each.pixels) / pixels if pixels else float("nan")


def share(scores: Sequence[CoverScores], part: str, whole: str) -> float:
    """Return the sum of one count over that of another; NaN if that is 0."""
    total = sum(getattr(each, whole) for each in scores)
    return float(sum(getattr(each, part) for each in scores) / total) if total else float("nan")
