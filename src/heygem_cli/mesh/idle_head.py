"""Move the head and the shoulders of a photograph: a smooth warp that fades to nothing around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import CHIN, Array, Pose, canonical_face, head_pose
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.warp import Box

# Lengths are in inter-ocular distances, unless stated otherwise.
NODES = 12
"""Nodes of the grid that the warp is computed on per inter-ocular distance."""
REACH = np.array([[-2.6, -2], [2.6, -2], [-2.6, 4.2], [2.6, 4.2]], np.float32)
"""Corners of the part of the picture that may move, from the middle between the eyes."""
PIVOT = np.array([0, 1.5, 0.85], np.float32)
"""What the head turns around, in the canonical frame: in the neck, below the skull."""
HAIR, SIDE, NECK = 1.0, 0.6, 0.9
"""How far beyond the face the motion of the head fades: upwards, sideways, downwards."""
BREATH = 0.016
"""How far a breath raises the shoulders."""
BORDER = 0.4
"""Width of the strip along the edges of the picture in which motion fades: nothing comes in from outside."""
OTHERS = 0.5
"""How far around the face of somebody else motion fades."""
BAND = 8
"""Rows of nodes that are warped at a time, as far as they move."""
MIN_SHIFT = 0.04
"""Pixels; what moves less stays bit-identical."""


@dataclass(frozen=True)
class HeadField:
    """How far each part of a picture moves.

    Attributes:
        box: The part that moves; its sides are multiples of ``step``.
        step: Distance of the nodes in pixels; each is in the middle of its cell.
        motions: (4, rows, columns, 2) pixels for each radian of pitch, yaw and roll, and for a whole breath.
    """

    box: Box
    step: int
    motions: Array

    @staticmethod
    def build(frame: Frame, landmarks: Array, others: Sequence[Array]) -> HeadField:
        """Build the field of one person.

        Args:
            frame: I420.
            landmarks: (478, 3) of the person, in pixels.
            others: Likewise, of other people in the picture, who keep still.
        """
        pose = head_pose(landmarks, canonical_face())
        around = _Surroundings.of(frame, pose)
        still = around.border(frame)
        for other in others:
            beyond = around.distance(other) - 2 * around.step  # pixels move between the nodes
            still *= smoothstep(beyond / (OTHERS * float(head_pose(other, canonical_face()).scale)))
        head = (still * around.head(landmarks))[..., None]
        pivot = pose.to_image(PIVOT[None])[0]
        toward, (right, below) = around.depth(landmarks) - pivot[2], np.moveaxis(around.nodes - pivot[:2], -1, 0)
        zero = np.zeros_like(toward)
        turns = [np.stack(parts, -1) * head for parts in ((zero, toward), (toward, zero), (-below, right))]
        breath = -BREATH * around.scale * (still * around.shoulders(landmarks))[..., None] * around.down
        return HeadField(around.box, around.step, np.asarray([*turns, breath], np.float32))

    def move(self, frame: Frame, angles: Array, breath: float) -> Frame:
        """Return an I420 frame with the head turned by angles (3,), pitch, yaw and roll in degrees."""
        amounts = [*np.radians(angles).tolist(), breath]
        # Over so few values numpy's own product of matrices takes longer.
        shift = np.asarray(
            -sum(amount * motion for amount, motion in zip(amounts, self.motions, strict=True)), np.float32
        )
        length = np.sqrt((shift**2).sum(-1))
        shift *= np.clip(1 - MIN_SHIFT / np.maximum(length, 1e-6), 0, None)[..., None]
        moving = length > MIN_SHIFT
        if not moving.any():
            return frame
        output = frame.copy()
        for top in range(0, len(moving), BAND):
            columns = np.flatnonzero(moving[top : top + BAND].any(0))
            if len(columns):
                self._warp_band(frame, output, shift, slice(top, min(top + BAND, len(moving))), columns)
        return output

    def _warp_band(self, frame: Frame, output: Frame, shift: Array, rows: slice, columns: npt.NDArray[np.intp]) -> None:
        """Warp some rows of nodes, of which those in some columns move."""
        first, last = max(0, int(columns[0]) - 1), min(shift.shape[1], int(columns[-1]) + 2)
        # One more row of nodes above and below, so that the bands fit together.
        above, below = max(0, rows.start - 1), min(len(shift), rows.stop + 1)
        nodes = shift[above:below, first:last]
        for source, target, unit in zip(planes(frame), planes(output), (1, 2, 2), strict=True):
            cell = self.step // unit
            size = nodes.shape[1] * cell, nodes.shape[0] * cell
            kept = slice((rows.start - above) * cell, (rows.stop - above) * cell)
            x, y = (np.asarray(cv2.resize(part, size)[kept], np.float32) for part in cv2.split(nodes / unit))
            left, top = self.box.left // unit + first * cell, self.box.top // unit + rows.start * cell
            x += np.arange(left, left + size[0], dtype=np.float32)
            y += np.arange(top, top + len(y), dtype=np.float32)[:, None]
            # In 8 bits: floating point would take several times as long for what is not visible in motion.
            kernel = cv2.INTER_CUBIC if unit == 1 else cv2.INTER_LINEAR
            part = target[top : top + len(y), left : left + size[0]]
            part[:] = cv2.remap(source, x, y, kernel, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True)
class _Surroundings:
    """The nodes around a head.

    Attributes:
        box: See :class:`HeadField`.
        step: Likewise.
        nodes: (rows, columns, 2) in pixels.
        scale: The inter-ocular distance in pixels.
        down: (2,) the head's downward direction in the picture.
    """

    box: Box
    step: int
    nodes: Array
    scale: float
    down: Array

    @staticmethod
    def of(frame: Frame, pose: Pose) -> _Surroundings:
        """Return those of a head pose in an I420 frame."""
        scale = float(pose.scale)
        step = max(2, int(scale / NODES) // 2 * 2)
        down = np.asarray(pose.rotation[:2, 1] / max(float(np.linalg.norm(pose.rotation[:2, 1])), 1e-3), np.float32)
        box = Box.around(pose.translation[:2] + scale * REACH @ _axes(down), frame, step)
        rows, columns = (np.arange(length // step, dtype=np.float32) for length in (box.height, box.width))
        nodes = np.stack(np.meshgrid(columns, rows), -1) * step + (step - 1) / 2 + box.corner
        return _Surroundings(box, step, np.asarray(nodes, np.float32), scale, down)

    def border(self, frame: Frame) -> Array:
        """Return a weight (rows, columns) that is 0 at the edges of the picture."""
        size = np.array([frame.shape[1], frame.shape[0] * 2 // 3], np.float32)
        edge = np.minimum(self.nodes, size - 1 - self.nodes).min(-1)
        return smoothstep((edge / self.scale - 0.05) / BORDER)

    def distance(self, landmarks: Array) -> Array:
        """Return the distance (rows, columns) in pixels of each node from a face, 0 in it."""
        outside = np.ones(self.nodes.shape[:2], np.uint8)
        hull = cv2.convexHull(landmarks[:, :2].astype(np.float32)) - self.box.corner
        cv2.fillConvexPoly(outside, np.round(hull / self.step - 0.5).astype(np.int32), [0])
        return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * self.step, np.float32)

    def head(self, landmarks: Array) -> Array:
        """Return 1 on the face, and less across hair and neck down to 0 around the head: (rows, columns)."""
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        local = (self.nodes - (low + high) / 2) @ _axes(self.down).T
        direction = local / np.maximum(np.linalg.norm(local, axis=-1, keepdims=True), 1e-3)
        sideways, along = direction[..., 0] ** 2, direction[..., 1]
        reach = SIDE * sideways + (1 - sideways) * np.where(along > 0, NECK, HAIR)
        weight = 1 - smoothstep(self.distance(landmarks) / (self.scale * reach))
        return np.asarray(cv2.GaussianBlur(weight, (0, 0), 0.1 * self.scale / self.step), np.float32)

    def depth(self, landmarks: Array) -> Array:
        """Return the depth (rows, columns) in pixels of what each node shows, beyond the face that of its edge."""
        # Shepard's inverse distance weighting.
        points = landmarks[:468]
        squared = ((self.nodes[..., None, :] - points[:, :2]) ** 2).sum(-1) / self.scale**2
        weight = 1 / (squared + 0.1**2) ** 2
        return np.asarray((weight @ points[:, 2]) / weight.sum(-1), np.float32)

    def shoulders(self, landmarks: Array) -> Array:
        """Return 1 where shoulders and chest are below a face, if they show, and 0 around them: (rows, columns)."""
        sideways, below = np.moveaxis((self.nodes - landmarks[CHIN, :2]) @ _axes(self.down).T / self.scale, -1, 0)
        beside = 1 - smoothstep((np.abs(sideways) - 1.3) / 1.2)
        return np.asarray(smoothstep(below - 0.1) * beside * (1 - smoothstep((below - 1.2) / 1.5)), np.float32)


def _axes(down: Array) -> Array:
    return np.array([[down[1], -down[0]], down], np.float32)
