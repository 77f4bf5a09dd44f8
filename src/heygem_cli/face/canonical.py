"""The canonical face: the mean face that head poses are relative to."""

from __future__ import annotations

from functools import cache

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.onnx import model_path


@cache
def canonical_face() -> Array:
    """Return the landmarks (478, 3) of the mean face in the canonical frame."""
    return np.asarray(np.load(model_path("canonical_face.npy")), np.float32)
