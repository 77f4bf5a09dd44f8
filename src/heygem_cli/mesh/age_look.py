"""Whether a face is a child's, by its proportions."""

from __future__ import annotations

import numpy as np

from heygem_cli.face.geometry import Array

NOSE_BRIDGE, NOSE_BASE = 168, 2
"""Landmarks between the eyes, and where the nose meets the upper lip."""
IRISES = ((469, 471), (470, 472)), ((474, 476), (475, 477))
"""Landmarks at opposite ends of the irises: left and right, above and below."""
CHILD_NOSE = 3.75
"""Diameters of the iris, about 44 mm, below which a nose is a child's.

One of 805 members of the US Congress has a shorter one; the mean is 4.43, with a standard deviation of 0.25
(``python -m benchmarks.age_look``).
"""


def looks_like_child(face: Array) -> bool:
    """Tell whether a face is a child's by the length of the nose in diameters of the iris; if unsure, it is an adult's.

    The iris is a ruler: it is 11.7 mm wide, with a standard deviation of 0.4 mm (F. Rüfer et al., "White-to-white
    corneal diameter", Cornea 24, 2005), and does not grow after the first year (R. C. Augusteyn et al., "Human ocular
    biometry", Experimental Eye Research 102, 2012), while the nose still grows between 4 and 14 years ("Analysis of
    nose growth", Otolaryngologia Polska 59, 2005). Neither depends on the colour of the skin, on wrinkles, or on light.

    Measured on UTKFace (``python -m benchmarks.age_look``), which did not choose the limit, but was in view when this
    proportion was chosen: 5 of 1,264 adults are taken for children, at most 2 in each of its five groups of origin; of
    children, 94 % from 2 to 3 years, 69 % from 4 to 6, 35 % from 7 to 9, and 9 % from 13 to 15.

    Args:
        face: Landmarks (478, 3) in the canonical frame.
    """
    return nose_length(face) < CHILD_NOSE


def nose_length(face: Array) -> float:
    """Return the length of the nose of landmarks (478, 3) in the canonical frame, in diameters of the iris."""
    ends = np.array(IRISES)
    iris = np.linalg.norm(face[ends[..., 0], :2] - face[ends[..., 1], :2], axis=-1).mean()
    return float(np.linalg.norm(face[NOSE_BRIDGE, :2] - face[NOSE_BASE, :2]) / iris)
