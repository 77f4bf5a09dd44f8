"""A bank of mouths for people who never show their teeth, and which of them a face gets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heygem_cli.face.geometry import (
    CHIN,
    INNER_LOWER_MID,
    INNER_UPPER_MID,
    OUTER_UPPER,
    Array,
    canonical_face,
    head_pose,
)
from heygem_cli.mesh.age_look import NOSE_BASE, NOSE_BRIDGE, looks_like_child

# Lengths are in inter-ocular distances, about 90 mm in adults.
LONG_LOWER_FACE, WIDE_MOUTH, LONG_NOSE = 0.765, 0.6, 0.575
"""Medians over 41 adults: from the base of the nose to the chin, between the corners of the mouth, and of the nose."""

CHILD_EYES = 79.0
"""The inter-ocular distance of children of five years in millimetres: 88.1 % of that of adults (L. G. Farkas et al.,
"Growth patterns in the orbital region", Cleft Palate-Craniofacial Journal 29, 1992)."""
NARROWER = 0.025
"""By how much half the lower arch is narrower than half the upper one."""


@dataclass(frozen=True)
class Dentition:
    """Mean sizes of teeth (S. J. Nelson, "Wheeler's Dental Anatomy, Physiology and Occlusion").

    Attributes:
        widths: Of the upper and of the lower teeth, each from the midline backwards.
        heights: Of their crowns, likewise.
        spaces: Between any two upper and any two lower teeth.
    """

    widths: tuple[tuple[float, ...], tuple[float, ...]]
    heights: tuple[tuple[float, ...], tuple[float, ...]]
    spaces: tuple[float, float]


def _of_child(*millimetres: float) -> tuple[float, ...]:
    return tuple(length / CHILD_EYES for length in millimetres)


PERMANENT = Dentition(
    ((0.094, 0.072, 0.083, 0.078, 0.075, 0.11), (0.057, 0.063, 0.077, 0.078, 0.078, 0.12)),
    ((0.108, 0.092, 0.105, 0.088, 0.078, 0.075), (0.092, 0.092, 0.105, 0.09, 0.08, 0.075)),
    (0.0, 0.0),
)
"""To the first molar."""
PRIMARY = Dentition(
    (_of_child(6.5, 5.1, 7.0, 7.3, 8.2), _of_child(4.2, 4.1, 5.0, 7.7, 9.9)),
    (_of_child(6.0, 5.6, 6.5, 5.1, 5.7), _of_child(5.0, 5.2, 6.0, 6.0, 5.5)),
    # In sum 4 and 3 mm in the mean (L. J. Baume, "Physiological tooth migration and its significance for the
    # development of occlusion", Journal of Dental Research 29, 1950).
    (4 / 9 / CHILD_EYES, 3 / 9 / CHILD_EYES),
)
"""All of them."""


@dataclass(frozen=True)
class Teeth:
    """One row of teeth. Both sides have the same teeth; tuples begin at the midline.

    Attributes:
        widths: Of the teeth along the arch.
        heights: Of their crowns, from the edge to the gum.
        half_width: Half the width of the arch, seen from the front.
        gap: Between the two middle teeth.
        space: Between any other two.
        rounding: How much the corners of a tooth are rounded, relative to its width; worn teeth have straight edges.
        uneven: Standard deviation of the positions of their edges.
        seed: Of these positions, and of small differences in tone.
    """

    widths: tuple[float, ...]
    heights: tuple[float, ...]
    half_width: float
    gap: float
    space: float
    rounding: float
    uneven: float
    seed: int


@dataclass(frozen=True)
class Mouth:
    """The inside of a mouth.

    Attributes:
        width: Of the teeth, relative to the mean.
        height: Of their crowns, likewise: short ones show the gum when the upper lip rises.
        arch: Half the width of the upper row, seen from the front.
        show: How far the upper teeth reach below the line between the closed lips.
        overbite: How far they overlap the lower teeth when the lips are closed.
        rounding: See :class:`Teeth`.
        uneven: Likewise.
        gap: Likewise, between the upper teeth, in addition to the spaces of the dentition.
        warmth: Of the colour of the teeth: 0 is nearly white, 1 yellowish and darker.
        tongue: Height of the tongue above the edges of the lower teeth when the lips are closed.
        tongue_share: Share of the jaw's motion that the tongue takes.
        seed: Of what is random in it.
        dentition: The mean sizes of the teeth.
    """

    width: float
    height: float
    arch: float
    show: float
    overbite: float
    rounding: float
    uneven: float
    gap: float
    warmth: float
    tongue: float
    tongue_share: float
    seed: int
    dentition: Dentition = PERMANENT

    @property
    def upper(self) -> Teeth:
        """The upper teeth."""
        return self._teeth(0, self.arch, self.gap, self.rounding, self.uneven)

    @property
    def lower(self) -> Teeth:
        """The lower teeth, which are less rounded and stand less regularly."""
        return self._teeth(1, self.arch - NARROWER, 0.0, 0.6 * self.rounding, 1.2 * self.uneven)

    def _teeth(self, row: int, half_width: float, gap: float, rounding: float, uneven: float) -> Teeth:
        widths = tuple(self.width * width for width in self.dentition.widths[row])
        heights = tuple(self.height * height for height in self.dentition.heights[row])
        space = self.dentition.spaces[row]
        return Teeth(widths, heights, half_width, gap + space, space, rounding, uneven, 2 * self.seed + row)


# The columns are the attributes of a mouth. The first is that of a small face: small round teeth and more gum.
BANK = (
    Mouth(0.86, 0.64, 0.265, 0.022, 0.008, 0.160, 0.0020, 0.0020, 0.10, 0.020, 0.60, 0),
    Mouth(0.90, 0.92, 0.275, 0.018, 0.012, 0.100, 0.0045, 0.0000, 0.40, 0.012, 0.70, 1),
    Mouth(1.00, 0.84, 0.310, 0.025, 0.012, 0.110, 0.0012, 0.0000, 0.05, 0.016, 0.65, 2),
    Mouth(0.96, 0.95, 0.305, 0.020, 0.012, 0.090, 0.0035, 0.0000, 0.50, 0.024, 0.55, 3),
    Mouth(0.96, 1.08, 0.275, 0.024, 0.016, 0.130, 0.0018, 0.0000, 0.30, 0.018, 0.60, 4),
    Mouth(0.98, 0.96, 0.285, 0.014, 0.008, 0.035, 0.0035, 0.0000, 0.90, 0.014, 0.65, 5),
    Mouth(1.06, 1.04, 0.320, 0.023, 0.014, 0.100, 0.0015, 0.0000, 0.25, 0.020, 0.60, 6),
    Mouth(1.04, 1.00, 0.315, 0.016, 0.010, 0.050, 0.0045, 0.0000, 0.65, 0.022, 0.55, 7),
)
"""Mouths for faces whose lower part is short (the first four) or long, within these whose mouth is narrow (the first
two) or wide, and within these whose nose is short or long."""
CHILD = Mouth(1.00, 1.00, 0.285, 0.018, 0.012, 0.160, 0.0020, 0.0000, 0.00, 0.020, 0.60, 8, PRIMARY)
"""The mouth of children: primary teeth, which are small, white and apart."""


def choose_mouth(landmarks: Array) -> Mouth:
    """Choose the mouth of a person by the proportions of the face, always the same for the same landmarks.

    Proportions tell roughly how large teeth are, and whether they are a child's.

    Args:
        landmarks: (frames, 478, 3) with the mouth closed, in pixels.
    """
    face = np.median(head_pose(landmarks, canonical_face()).to_canonical(landmarks), 0)
    if looks_like_child(face):
        return CHILD
    lip_height = face[NOSE_BASE, 1], face[INNER_UPPER_MID, 1]
    below = face[INNER_LOWER_MID, 1], face[CHIN, 1]
    # Without the opening of the mouth between the two.
    lower_face = lip_height[1] - lip_height[0] + below[1] - below[0]
    width = face[OUTER_UPPER[-1], 0] - face[OUTER_UPPER[0], 0]
    nose = face[NOSE_BASE, 1] - face[NOSE_BRIDGE, 1]
    return BANK[4 * int(lower_face > LONG_LOWER_FACE) + 2 * int(width > WIDE_MOUTH) + int(nose > LONG_NOSE)]
