"""Make ``models/canonical_face.npy``: the mean face that every head pose is measured against.

Generalised Procrustes analysis (J. C. Gower 1975) of the tracked training clips, one mean frame a clip, each speaker
with the same weight, then made symmetric so that a yaw of 0 is frontal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heygem_cli.face.geometry import LANDMARKS, LEFT_EYE, RIGHT_EYE, STABLE, Array, similarity
from training.clips import Clip, by_speaker


def mirror_pairs(face: Array) -> list[int]:
    """For each landmark of a face (478, 3) the one that stands at its mirror image."""
    mirrored = face * np.array([-1, 1, 1], np.float32)
    return [int(np.linalg.norm(face - point, axis=1).argmin()) for point in mirrored]


def unit_frame(face: Array) -> Array:
    """Move a face so that the middle of its eye corners is the origin and their distance 1."""
    middle = (face[LEFT_EYE] + face[RIGHT_EYE]) / 2
    return np.asarray((face - middle) / np.linalg.norm(face[LEFT_EYE] - face[RIGHT_EYE]), np.float32)


def mean_face(faces: Sequence[Array], rounds: int = 10) -> Array:
    """The mean of faces (478, 3) after each is brought onto it, symmetric, in the canonical frame's unit."""
    mean = unit_frame(faces[0])
    stable = list(STABLE)
    for _ in range(rounds):
        poses = [similarity(mean[stable], face[stable]) for face in faces]
        mean = np.mean([pose.to_canonical(face) for pose, face in zip(poses, faces, strict=True)], axis=0)
        mean = unit_frame((mean + mean[mirror_pairs(mean)] * np.array([-1, 1, 1], np.float32)) / 2)
    assert mean.shape == (LANDMARKS, 3)
    return np.asarray(mean, np.float32)


def write_canonical_face(clips: Sequence[Clip], path: Path) -> Array:
    """Write the mean face of all speakers, and return it (478, 3)."""
    faces = [
        np.mean([unit_frame(clip.landmarks.mean(0)) for clip in spoken], axis=0) for _, spoken in by_speaker(clips)
    ]
    canonical = mean_face(faces)
    np.save(path, canonical)
    return canonical
