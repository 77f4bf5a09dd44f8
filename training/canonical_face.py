"""Compute the mean face that head poses are measured against: ``python -m training.canonical_face --data DIR``.

It prints how the face of the clips in ``DIR/grid/train`` differs from ``models/canonical_face.npy``, which it does not
replace: the networks are trained in the frame of that file. The method is generalised Procrustes analysis (J. C. Gower
1975) of the tracks, with the same weight for every speaker, made symmetric so that a frontal face has a yaw of 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heygem_cli.face.geometry import LANDMARKS, LEFT_EYE, RIGHT_EYE, STABLE, Array, canonical_face, similarity
from heygem_cli.face.tracker import FaceTracker
from training.clips import Clip, by_speaker, load_clips
from training.measure import TRAIN, make_parser, start_command


def mirror_pairs(face: Array) -> list[int]:
    """Return, for each landmark of a face (478, 3), the index of the one closest to its mirror image."""
    mirrored = face * np.array([-1, 1, 1], np.float32)
    return [int(np.linalg.norm(face - point, axis=1).argmin()) for point in mirrored]


def normalize(face: Array) -> Array:
    """Move the midpoint of the outer eye corners to the origin and scale their distance to 1."""
    center = (face[LEFT_EYE] + face[RIGHT_EYE]) / 2
    return np.asarray((face - center) / np.linalg.norm(face[LEFT_EYE] - face[RIGHT_EYE]), np.float32)


def mean_face(faces: Sequence[Array], rounds: int = 10) -> Array:
    """Return the symmetric mean of faces (478, 3) after alignment, in the canonical frame."""
    mean = normalize(faces[0])
    stable = list(STABLE)
    for _ in range(rounds):
        poses = [similarity(mean[stable], face[stable]) for face in faces]
        mean = np.mean([pose.to_canonical(face) for pose, face in zip(poses, faces, strict=True)], axis=0)
        mean = normalize((mean + mean[mirror_pairs(mean)] * np.array([-1, 1, 1], np.float32)) / 2)
    assert mean.shape == (LANDMARKS, 3)
    return np.asarray(mean, np.float32)


def mean_of_speakers(clips: Sequence[Clip]) -> Array:
    """Return the mean face (478, 3) of all speakers, each of whom counts the same."""
    return mean_face(
        [
            np.mean([normalize(clip.landmarks.mean(0)) for clip in speaker_clips], axis=0)
            for _, speaker_clips in by_speaker(clips)
        ]
    )


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    face = mean_of_speakers(load_clips(options.data / TRAIN, FaceTracker("cpu", settings), options.work / TRAIN))
    difference = np.abs(face - canonical_face())
    print(f"coordinates differ by {difference.mean():.4f} on average, by at most {difference.max():.4f}")


if __name__ == "__main__":
    main()
