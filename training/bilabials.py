"""The closures of the lips for p, b and m in GRID clips, found in the track near where the sound has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.face.geometry import Array

if TYPE_CHECKING:  # the benchmarks measure closures without the packages of training
    from training.grid_words import Word

AT_START = ("bin", "place", "blue", "by", "b", "p", "please")
AT_END = ("m",)
"""Words that begin or end with a bilabial; GRID has none inside of a word."""
MOTION_RATE = 25
SEARCH = 4
"""Frames around the boundary of the word in which the closure is looked for."""
TOUCH = 0.015
"""Opening above the closed mouth, in inter-ocular distances, up to which the lips touch: the noise of the tracker."""
REACH = 2
"""Frames before and after the moment of the closure that may belong to it."""


def bilabial_times(words: Sequence[Word]) -> list[float]:
    """Return the times in seconds at which the words have a bilabial."""
    return [word.start if word.text in AT_START else word.stop for word in words if word.text in (*AT_START, *AT_END)]


def find_closure(openings: Array, time: float, fps: float = MOTION_RATE) -> int | None:
    """Return the frame in which the lips touch that is nearest to a time; None if there is none within the search.

    Args:
        openings: (frames,) opening above the person's closed mouth; NaN if unknown.
        time: In seconds.
        fps: Frame rate.
    """
    expected, reach = round(time * fps), round(SEARCH * fps / MOTION_RATE)
    first = max(0, expected - reach)
    touching = first + np.flatnonzero(openings[first : expected + reach + 1] <= TOUCH)
    return int(touching[np.abs(touching - expected).argmin()]) if len(touching) else None


def closure_labels(openings: Array, words: Sequence[Word]) -> Array:
    """Return 1 for each frame (frames,) in which the lips are closed for a bilabial, otherwise 0."""
    labels = np.zeros(len(openings), np.float32)
    for time in bilabial_times(words):
        moment = find_closure(openings, time)
        if moment is not None:
            touching = openings <= TOUCH
            labels[moment] = 1
            for step in (-1, 1):
                for frame in range(moment + step, moment + (REACH + 1) * step, step):
                    if not 0 <= frame < len(openings) or not touching[frame]:
                        break
                    labels[frame] = 1
    return labels


def closures_of(openings: Array, words: Mapping[str, Sequence[Word]], name: str) -> Array:
    """Return the labels of a clip, NaN if its words are not known."""
    above = openings - np.percentile(openings, 5)
    if name in words:
        return closure_labels(np.asarray(above, np.float32), words[name])
    return np.full(len(openings), np.nan, np.float32)
