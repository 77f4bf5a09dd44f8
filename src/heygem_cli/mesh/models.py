"""The models that the outputs of the mesh engine depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from heygem_cli.errors import HeygemError, NotCapableError
from heygem_cli.face import detector, tracker
from heygem_cli.files import file_digest
from heygem_cli.mesh import cover_network, idle_motion, painter
from heygem_cli.onnx import model_path
from heygem_cli.speech import motion

MODELS = (
    motion.MODEL,
    painter.MODEL,
    cover_network.MODEL,
    detector.MODEL,
    tracker.MODEL,
    idle_motion.MODEL,
    "canonical_face.npy",
)


def model_files() -> list[Path]:
    """Return the paths of the models.

    Raises:
        NotCapableError: A model is missing.
    """
    return [model_path(name) for name in MODELS]


def model_problems() -> list[HeygemError]:
    """Return the errors that finding the models raises."""
    try:
        model_files()
    except NotCapableError as error:
        return [error]
    return []


def models_digest() -> str:
    """Return a digest of the models' contents and the tracker's version.

    Raises:
        NotCapableError: A model is missing.
    """
    digests = [file_digest(path) for path in model_files()]
    return hashlib.sha256("\n".join([*digests, tracker.FaceTracker.version]).encode()).hexdigest()[:32]
