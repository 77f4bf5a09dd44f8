"""Describe what a face looks like, so that the same person is recognised in another shot."""

from __future__ import annotations

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.face.region import face_region
from heygem_cli.media.types import Frame

LENGTH = 64
"""Numbers in a description."""


def describe(frame: Frame, landmarks: Array) -> Array:
    """Describe the face with these landmarks (478, 3): (:data:`LENGTH`,), of a length of 1."""
    region = face_region(landmarks)
    picture = region.picture(frame, 32)
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    values = cv2.resize(luma, (8, 8), interpolation=cv2.INTER_AREA).ravel()
    values = values - values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)


def distance(one: Array, other: Array) -> float:
    """Return how different two descriptions are: about 1 where they are as likely one person as two."""
    return float(np.linalg.norm(one - other)) / 0.8
