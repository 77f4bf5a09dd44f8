"""Measure how well people are recognised: halves of clips of the same person, and of different ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.people_actors import Picture, cut_out, read_pictures, to_i420
from heygem_cli.face.appearance import distance
from heygem_cli.face.geometry import Array
from heygem_cli.face.tracker import FaceTracker

SIZE = 0.7
"""Size of a face that is seen from farther away, relative to the clip's."""
GAMMA = 1.5
"""Exponent that makes its picture darker."""
WALL = np.array([190, 200, 210], np.float32)
"""Colour of another background."""

PEOPLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "tuned": (
        ("grid/train/s1_bbal8p.mpg", "grid/train/s1_lgil4n.mpg", "grid/train/s1_swwc4n.mpg"),
        ("grid/train/s4_bbaf2a.mpg", "grid/train/s4_lbaq3p.mpg", "grid/train/s4_swau8a.mpg"),
        ("grid/train/s26_bgbsza.mpg", "grid/train/s26_lwwx5p.mpg"),
        ("grid/train/s31_bgiq6p.mpg", "grid/train/s31_lrbvzp.mpg"),
        ("grid/train/sx1_6a59e295.mpg",),
        ("grid/train/sx2_826b5db2.mpg",),
        ("grid/train/sx3_93ae3d4b.mpg",),
        ("grid/train/sx4_edff7a1c.mpg",),
        ("grid/train/sx5_bbab8n.mpg",),
        ("wild/Age_19-30_1.mp4",),
        ("wild/Ethnicity_African_2.mp4",),
        ("wild/Gender_female_3.mp4",),
        ("wild/Language_ar.mp4",),
    ),
    "held-out": (
        ("grid/dev/brbk7n.mpg",),
        ("grid/dev/lbax4n.mpg",),
        ("grid/dev/pwij3p.mpg",),
        ("grid/dev/s30_bwwy5n.mpg", "grid/dev/s30_pbbm3n.mpg"),
        ("grid/dev/s33_bwwy3s.mpg",),
        ("wild/Age_46-60_2.mp4",),
        ("wild/Ethnicity_Asian_1.mp4",),
        ("wild/Gender_male_2.mp4",),
        ("wild/Language_hi.mp4",),
    ),
}
"""The clips of each person."""


@dataclass(frozen=True)
class IdentityScores:
    """How well people of a set are recognised.

    Attributes:
        kind: Which halves are compared.
        same: Number of pairs of the same person.
        different: Number of pairs of different people.
        error: Equal error rate.
        same_error: Share of pairs of the same person that are more different than the program allows.
        different_error: Share of pairs of different people that are less different than that.
    """

    kind: str
    same: int
    different: int
    error: float
    same_error: float
    different_error: float


@dataclass(frozen=True)
class _Half:
    """Half a clip: who is in it, and descriptions (n, length) of the face."""

    person: int
    samples: Array


def score_identity(data: Path, people: Sequence[Sequence[str]], tracker: FaceTracker) -> list[IdentityScores]:
    """Compare the halves of all clips of a set of people, and then with second halves that are changed."""
    halves: list[_Half] = []
    changed: dict[str, list[_Half]] = {kind: [] for kind in CHANGES}
    for person, clips in enumerate(people):
        for clip in clips:
            pictures, _ = read_pictures(data / clip, None)
            middle = len(pictures) // 2
            first, second = pictures[:middle], pictures[middle:]
            halves += [_describe(person, half, tracker) for half in (first, second)]
            for kind, change in CHANGES.items():
                changed[kind].append(_describe(person, change(second), tracker))
            sys.stderr.write(f"{clip}: described\n")
    scores = [_score("as they are", list(combinations(halves, 2)))]
    for kind, described in changed.items():
        scores.append(_score(kind, [(one, other) for one in halves for other in described]))
    return scores


def farther(pictures: Sequence[Picture]) -> list[Picture]:
    """Return pictures as from farther away, and darker."""
    height, width = pictures[0].shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, SIZE)
    edge = cv2.BORDER_REPLICATE
    smaller = [
        cv2.warpAffine(each, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=edge) for each in pictures
    ]
    return [np.asarray(255 * (each / 255) ** GAMMA, np.uint8) for each in smaller]


def side_lit(pictures: Sequence[Picture]) -> list[Picture]:
    """Return pictures that are dark on the left and bright on the right."""
    height, width = pictures[0].shape[:2]
    gain = np.clip(1 + 1.2 * (np.arange(width) - width / 2) / height, 0.35, 1.65)[None, :, None]
    return [np.asarray(np.clip(each * gain, 0, 255), np.uint8) for each in pictures]


def elsewhere(pictures: Sequence[Picture]) -> list[Picture]:
    """Return pictures of the person before a light wall."""
    pairs = zip(pictures, cut_out(pictures), strict=True)
    return [np.asarray(WALL + matte[..., None] * (each - WALL), np.uint8) for each, matte in pairs]


CHANGES: dict[str, Callable[[Sequence[Picture]], list[Picture]]] = {
    "one farther away and darker": farther,
    "one lit from the side": side_lit,
    "one before another background": elsewhere,
}


def _describe(person: int, pictures: Sequence[Picture], tracker: FaceTracker) -> _Half:
    tracked = tracker.follow(to_i420(picture) for picture in pictures)
    samples = [face.appearance for frame in tracked for face in frame.faces[:1] if face.appearance is not None]
    return _Half(person, np.array(samples, np.float32))


def _score(kind: str, pairs: Sequence[tuple[_Half, _Half]]) -> IdentityScores:
    known = [(one, other) for one, other in pairs if len(one.samples) and len(other.samples)]
    between = np.array([_distance(one.samples, other.samples) for one, other in known])
    same = np.array([one.person == other.person for one, other in known])
    return IdentityScores(
        kind=kind,
        same=int(same.sum()),
        different=int((~same).sum()),
        error=equal_error_rate(between[same], between[~same]),
        same_error=float((between[same] > 1).mean()),
        different_error=float((between[~same] <= 1).mean()),
    )


def _distance(some: Array, others: Array) -> float:
    return float(np.mean([distance(one, other) for one in some for other in others]))


def equal_error_rate(same: npt.NDArray[np.float64], different: npt.NDArray[np.float64]) -> float:
    """Return the share of errors at the limit at which both kinds are equally frequent.

    Args:
        same: Distances of pairs of the same person.
        different: Distances of pairs of different people.
    """
    limits = np.unique(np.concatenate([same, different]))
    missed = np.array([(same > limit).mean() for limit in limits])
    mistaken = np.array([(different <= limit).mean() for limit in limits])
    best = int(np.argmin(np.abs(missed - mistaken)))
    return float((missed[best] + mistaken[best]) / 2)
