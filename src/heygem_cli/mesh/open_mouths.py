"""Pictures of a person's open mouth, and which of them show what is between other lips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.mesh.interior import Interior
from heygem_cli.mesh.mouth_shape import LINES, distances

MIN_WEIGHT = 0.01
"""Interiors with a smaller weight in a mixture are left out."""
REFERENCES = 2
"""References that the painter takes: the most similar mouth shape of the person, and the widest opening."""

Mixture = Sequence[tuple[Interior, float]]
"""Interiors and their weights, which sum to 1."""


@dataclass(frozen=True)
class OpenMouths:
    """The inside of a person's open mouth, as seen in some frames.

    Attributes:
        interiors: Sorted by opening, the widest last; at least one.
        shapes: (interiors, 30) see :func:`heygem_cli.mesh.mouth_shape.mouth_shape`.
        typical: (30,) the mean shape of the open mouth.
    """

    interiors: tuple[Interior, ...]
    shapes: Array
    typical: Array

    def adapt(self, typical: Array) -> OpenMouths:
        """Return the same mouths for lips whose typical shape (30,) when they are open is another one.

        The mouth-motion network moves everybody's lips alike: those of somebody who smiles would be taken for rounded
        ones. The lines of the inner lips remain, as the opening is what is seen.
        """
        shift = typical - self.typical
        shift[:LINES] = 0
        return OpenMouths(self.interiors, self.shapes + shift, self.typical + shift)

    def choose(self, shape: Array) -> list[Mixture]:
        """Choose up to :data:`REFERENCES` mixtures for lips of a shape (30,).

        The first mixes the two interiors with the most similar shapes; their weights vanish as the third most similar
        catches up, which makes the choice continuous over time. The second is the widest opening.
        """
        distance = distances(self.shapes, shape)
        nearest = np.argsort(distance, kind="stable")[:3]
        similarity = np.exp((distance[nearest[0]] - distance[nearest]) / 2)
        weights = similarity[:2] - similarity[2] if len(similarity) > 2 else similarity[:2]
        # All three may be equally similar.
        weights = (weights + 1e-6) / (weights + 1e-6).sum()
        kept = weights > MIN_WEIGHT
        first: Mixture = [
            (self.interiors[index], float(weight))
            for index, weight in zip(nearest[:2][kept], weights[kept] / weights[kept].sum(), strict=True)
        ]
        return [first, [(self.interiors[-1], 1.0)]][: min(REFERENCES, len(self.interiors))]
