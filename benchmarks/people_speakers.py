"""Measure in how many frames the right person and nobody else speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.people_render import OPEN, Rendered, RenderedFrame, visible_share
from benchmarks.people_scenes import Appearance, Matte

SPEAKS = 1.0
"""Mean difference of the luma between source and output in a mouth, in levels, from which it speaks."""
SURROUNDINGS = 1.3
"""The speaker's head with what is moved around it, relative to the head."""


@dataclass(frozen=True)
class SpeakerScores:
    """Who speaks in a composite, in the frames in which the mouth should be open.

    Attributes:
        name: Of the composite.
        speaker: The clip of the person who shall speak.
        frames: Number of frames that count.
        right: Frames in which the speaker speaks, if the frame shows the speaker, and nobody else.
        silent: Frames that show the speaker, whose mouth does not move.
        others: Frames in which somebody else speaks.
        wrong: Indices of the frames that are not right.
    """

    name: str
    speaker: str
    frames: int
    right: int
    silent: int
    others: int
    wrong: tuple[int, ...]


def score_speakers(rendered: Rendered) -> SpeakerScores:
    """Score one composite."""
    speaker = rendered.composite.speaker
    counted = {i: frame for i, frame in enumerate(rendered.frames) if frame.scene.certain and frame.opening > OPEN}
    silent = {i for i, frame in counted.items() if _is_silent(frame, speaker)}
    others = {i for i, frame in counted.items() if _others_speak(frame, speaker)}
    wrong = silent | others
    right = len(counted) - len(wrong)
    return SpeakerScores(
        rendered.composite.name, speaker, len(counted), right, len(silent), len(others), tuple(sorted(wrong))
    )


def _is_silent(frame: RenderedFrame, speaker: str) -> bool:
    """Return whether a frame shows the speaker's whole mouth, which does not speak."""
    shown = [each for each in frame.scene.people if each.name == speaker and visible_share(each) > 0.95]
    return bool(shown) and not any(mouth_change(frame, each) > SPEAKS for each in shown)


def _others_speak(frame: RenderedFrame, speaker: str) -> bool:
    near = np.zeros(frame.change.shape, np.float32)
    for each in frame.scene.people:
        if each.name == speaker and visible_share(each) > 0:
            near = np.maximum(near, surroundings(each))
    others = [each for each in frame.scene.people if each.name != speaker and visible_share(each) > 0.5]
    return any(mouth_change(frame, each, near) > SPEAKS for each in others)


def surroundings(person: Appearance) -> Matte:
    """Return the pixels of a person's head and around it, 0 or 1."""
    center = person.landmarks.mean(0)
    hull = cv2.convexHull(np.round(center + SURROUNDINGS * (person.landmarks - center)).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(np.zeros(person.visible.shape, np.uint8), hull, (1,)), np.float32)


def mouth_change(frame: RenderedFrame, person: Appearance, but: Matte | None = None) -> float:
    """Return the mean difference in a person's mouth, where it is visible; 0 if it is not.

    Args:
        frame: The frame.
        person: Whose mouth.
        but: Pixels that do not count, 0 or 1.
    """
    mouth = person.mouth * (person.visible > 0.5) * (1 if but is None else 1 - but)
    if frame.scene.covered is not None:
        mouth = mouth * (frame.scene.covered < 0.02)
    return float((frame.change * mouth).sum() / mouth.sum()) if mouth.sum() else 0.0


def share_right(scores: Sequence[SpeakerScores]) -> float:
    """Return the share of the frames of several composites that are right; NaN without any."""
    frames = sum(each.frames for each in scores)
    return sum(each.right for each in scores) / frames if frames else float("nan")
