"""The network that finds what covers the lower face: hands, microphones, masks, captions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from heygem_cli.face.geometry import Array, Pose
from heygem_cli.media.types import Frame
from heygem_cli.mesh.crop import sample_crop
from heygem_cli.mesh.warp import Box
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device
from heygem_cli.runtime import Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "face_cover.onnx"
SIDE = 96
"""Width and height of the network's input in pixels."""
SCALE = 48.0
"""Pixels of the network's input per inter-ocular distance."""
CENTER = np.array([0, 0.9, -0.1], np.float32)
"""The point of the canonical frame that lies in the middle of the network's input: on the lips."""


def cover_matrix(pose: Pose, scale: float = SCALE, side: int = SIDE) -> Array:
    """Return the transform (2, 3) from a frame to the upright lower face, in pixels.

    Args:
        pose: The head pose.
        scale: Pixels of the lower face's image per inter-ocular distance.
        side: Its width and height in pixels.
    """
    x, y = pose.rotation[:2, 1] / max(float(np.linalg.norm(pose.rotation[:2, 1])), 1e-3)
    turn = np.array([[y, -x], [x, y]], np.float32) * np.float32(scale / float(pose.scale))
    shift = side / 2 - turn @ pose.to_image(CENTER[None])[0, :2]
    return np.column_stack([turn, shift]).astype(np.float32)


def resample_to_frame(values: Array, matrix: Array, box: Box) -> Array:
    """Resample values (SIDE, SIDE, …) of the network's image to a box of the frame; beyond it the edge is repeated."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ box.corner
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = box.width, box.height
    return np.asarray(cv2.warpAffine(values, shifted, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


class CoverNetwork:
    """The network, loaded once.

    Raises:
        NotCapableError: The model is missing or damaged, or ``cuda`` is not available.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        self._session: InferenceSession = make_session(model_path(MODEL), device, replace(settings, onnx_threads=1))

    def predict(self, frame: Frame, matrix: Array) -> Array:
        """Return how likely each pixel (SIDE, SIDE) of the lower face is covered, 0 … 1.

        Args:
            frame: I420.
            matrix: See :func:`cover_matrix`.
        """
        return self.predict_image(sample_crop(frame, matrix, SIDE, SIDE))

    def predict_image(self, image: Frame) -> Array:
        """Return the same for an image (SIDE, SIDE, 3) Y, U and V of the lower face."""
        covered = self._session.run(None, {"picture": image[None]})[0]
        return np.asarray(covered[0], np.float32)
