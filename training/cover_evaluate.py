"""Score how well covers are found: on faces with nothing in front of them, and with drawn occluders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.controls import background_ring
from heygem_cli.mesh.cover import CERTAIN, SOLID, fade, find_covers, lips_mask, polygon, soften
from heygem_cli.mesh.cover_network import SCALE, SIDE, CoverNetwork
from training.cover_data import CANVAS, CANVAS_SCALE, LowerFace
from training.cover_examples import COVERED, Occluder, place, record
from training.cover_faces import VIEW, View
from training.cover_shapes import Layer, Random

HIDDEN = 0.9
"""Covered share of the lips from which a mouth is hidden."""
Mask = npt.NDArray[np.bool_]


@dataclass
class CoverScore:
    """What was found in the frames of some clips.

    Attributes:
        clean: Without an occluder, the share of the lips that was taken for covered, for each frame.
        found: With one, the share of its pixels over the moving part of the face that was found, by kind.
        passed: For each hidden mouth, whether the frame would be left unchanged.
        stopped: For each free mouth beside an occluder, whether it would be.
    """

    clean: list[float] = field(default_factory=list)
    found: dict[str, list[float]] = field(default_factory=dict)
    passed: list[bool] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)


def score_faces(
    network: CoverNetwork, faces: Iterable[LowerFace], occluders: Sequence[Occluder], random: Random
) -> CoverScore:
    """Score the network on faces as they are, and with one occluder each."""
    score = CoverScore()
    for face in faces:
        view = _view(face)
        points = view.landmarks * np.float32(SCALE / CANVAS_SCALE)
        lips, moving = lips_mask(points), polygon(background_ring(points))
        score.clean.append(float(_covered(network, view, points)[lips].mean()))
        occluder = occluders[random.integers(len(occluders))]
        layer = place(occluder, view, random)
        truth = _is_covered(layer)
        found = _covered(network, View(_over(view.image, layer), view.landmarks), points)
        if (truth & moving).sum() > SCALE:
            name = occluder.kind.draw.__name__.removeprefix("draw_")
            score.found.setdefault(name, []).append(float(found[truth & moving].mean()))
        hidden, passed = truth[lips].mean(), fade(float(found[lips].mean())) == 0
        if hidden > HIDDEN:
            score.passed.append(passed)
        elif hidden == 0:
            score.stopped.append(passed)
    return score


def _view(face: LowerFace) -> View:
    """Return a face as the program presents it to the network, at twice its resolution."""
    first = (CANVAS - VIEW) // 2
    image = face.image[first : first + VIEW, first : first + VIEW].astype(np.float32)
    return View(image, face.landmarks - np.float32(first))


def _over(image: Array, layer: Layer) -> Array:
    return np.asarray(image + (layer.image - image) * layer.opacity[..., None], np.float32)


def _is_covered(layer: Layer) -> Mask:
    small = cv2.resize(layer.opacity, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small > COVERED)


def _covered(network: CoverNetwork, view: View, points: Array) -> Mask:
    """Return which pixels (SIDE, SIDE) the program would leave as they are."""
    likelihood = network.predict_image(record(view.image))
    covered = find_covers(likelihood, likelihood > CERTAIN, points)
    return np.zeros((SIDE, SIDE), bool) if covered is None else soften(covered) >= SOLID


def table(scores: Mapping[str, CoverScore]) -> str:
    """Return a Markdown table with a row for each person or clip."""
    lines = ["| | frames | lips wrongly covered | covers found | hidden mouths passed | free mouths passed |"]
    lines.append("|---|---|---|---|---|---|")
    for name, score in scores.items():
        found = [share for shares in score.found.values() for share in shares]
        cells = (_percent(values) for values in (score.clean, found, score.passed, score.stopped))
        lines.append(f"| {name} | {len(score.clean)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(values: Sequence[float]) -> str:
    return f"{100 * fmean(values):.2f} %" if values else "–"


def merged(scores: Iterable[CoverScore]) -> CoverScore:
    """Return the scores of several clips as one."""
    total = CoverScore()
    for score in scores:
        total.clean += score.clean
        total.passed += score.passed
        total.stopped += score.stopped
        for kind, shares in score.found.items():
            total.found.setdefault(kind, []).extend(shares)
    return total
