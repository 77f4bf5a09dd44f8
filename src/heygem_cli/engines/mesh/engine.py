"""The mesh engine: it moves the person's own pixels where speech moves them and fills the opening."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.engines.mesh.controls import INNER_BOTTOM, INNER_TOP, JAW, SIDE_UPPER, STILL, ring
from heygem_cli.engines.mesh.field import Field, Grid, MouthFrame, dense, evaluate, fit_field
from heygem_cli.engines.mesh.interior import Interior, fill_opening, lip_light
from heygem_cli.engines.mesh.person import learn_closed_mouth, learn_interior
from heygem_cli.engines.mesh.warp import Box, blend_box, polygon, warp_box
from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import CHIN, LIPS, Array, Pose, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.types import Frame, VideoInfo

GRID = 24
"""Nodes of the displacement grid in an inter-ocular distance."""
LEAST = 0.001
"""Inter-ocular distances. Nobody sees a smaller displacement."""
UPPER_EDGE, LOWER_EDGE = 0.35, 0.2
"""Share of a lip's thickness, from its inner line, that the tracker may take for lip where teeth are."""


@dataclass(frozen=True)
class Targets:
    """Where the points of one frame shall go, in pixels: lips (40, 2), jaw points (jaw, 2)."""

    lips: Array
    jaw: Array


def aim(landmarks: Array, pose: Pose, closed: Array, motion: Array) -> Targets:
    """Find where speech puts the lips and the jaw of one frame.

    Args:
        landmarks: (478, 3) of the frame.
        pose: of its head.
        closed: (41, 3) the person's closed mouth: lip points and chin in the canonical frame.
        motion: (41, 3) offsets from it.
    """
    wanted = closed + motion
    top, bottom = wanted[INNER_TOP], wanted[INNER_BOTTOM]
    crossed = bottom[:, 1] < top[:, 1]
    middle = (top[:, 1] + bottom[:, 1]) / 2
    wanted[INNER_TOP, 1] = np.where(crossed, middle, top[:, 1])
    wanted[INNER_BOTTOM, 1] = np.where(crossed, middle, bottom[:, 1])
    placed = pose.to_image(wanted)[:, :2]
    drop = placed[40] - landmarks[CHIN, :2]
    share = np.array(list(JAW.values()), np.float32)[:, None]
    return Targets(placed[:40], landmarks[list(JAW), :2] + share * drop)


def lip_skin(lips: Array) -> Array:
    """Lip points (40, 2) whose inner line surely lies on the lips.

    On an open mouth the tracker sets it on the edge of the teeth, and teeth that the lips carry away look torn out.
    """
    skin = lips.copy()
    outer_top, outer_bottom = list(range(11)), [0, *range(11, 20), 10]
    gap = np.linalg.norm(lips[INNER_BOTTOM] - lips[INNER_TOP], axis=1, keepdims=True)
    for inner, outer, edge in ((INNER_TOP, outer_top, UPPER_EDGE), (INNER_BOTTOM, outer_bottom, LOWER_EDGE)):
        away = lips[outer] - lips[inner]
        thickness = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3)
        skin[inner] += away * np.minimum(edge, 0.4 * gap / thickness)
    return skin


def warp_field(landmarks: Array, targets: Targets) -> Field:
    """Fit the displacement field of one frame."""
    still = landmarks[list(STILL), :2]
    around = ring(landmarks)
    places = np.concatenate([targets.lips, targets.jaw, still, around])
    sources = np.concatenate([lip_skin(landmarks[list(LIPS), :2]), landmarks[list(JAW), :2], still, around])
    frame = MouthFrame.between(targets.lips[0], targets.lips[10])
    side = np.zeros(len(places), np.float32)
    side[: len(LIPS)] = SIDE_UPPER
    return fit_field(frame, places, sources - places, side)


def mouth_line(targets: Targets) -> Array:
    """The line where the lips meet (13, 2), from far left of the mouth to far right of it."""
    line = (targets.lips[INNER_TOP] + targets.lips[INNER_BOTTOM]) / 2
    away = (targets.lips[10] - targets.lips[0]) * 20
    return np.concatenate([[line[0] - away], line, [line[-1] + away]]).astype(np.float32)


@dataclass(frozen=True)
class MeshFace:
    """One person, ready to be drawn.

    Attributes:
        closed: (41, 3) closed mouth in the canonical frame.
        interior: what the inside of the mouth looks like.
    """

    closed: Array
    interior: Interior

    def draw(self, frame: Frame, landmarks: Array, motion: Array) -> Frame:
        """Draw one frame.

        Args:
            frame: I420; left as it is.
            landmarks: (478, 3) of the person in this frame, in pixels.
            motion: (41, 3) offsets of the lip points and the chin from the person's closed mouth, in the canonical
                frame in inter-ocular distances, see :mod:`heygem_cli.speech.motion`.

        Returns:
            A new frame.
        """
        pose = head_pose(landmarks, canonical_face())
        unit = float(pose.scale)
        targets = aim(landmarks, pose, self.closed, motion)
        step = max(2, int(unit / GRID) // 2 * 2)
        around = ring(landmarks)
        box = Box.around(np.concatenate([around, landmarks[[1, 5], :2]]), frame, step)
        drawn = frame.copy()
        if not box.width or not box.height:
            return drawn
        field = warp_field(landmarks, targets)
        grid = evaluate(field, box, step).settled(fade(landmarks, around, box, step), LEAST * unit)
        moving = grid.trimmed((np.abs(grid.upper) + np.abs(grid.tear)).max(-1) > 0)
        if moving:
            warp_box(frame, drawn, moving.box, displacements(moving, mouth_line(targets)))
        self._fill(frame, drawn, landmarks, targets, unit)
        return drawn

    def _fill(self, frame: Frame, drawn: Frame, landmarks: Array, targets: Targets, unit: float) -> None:
        opening = np.concatenate([targets.lips[INNER_TOP], targets.lips[INNER_BOTTOM][-2:0:-1]])
        box = Box.around(np.concatenate([opening - 4, opening + 5]), frame, 2)
        if not box.width or not box.height:
            return
        cover = np.asarray(cv2.GaussianBlur(polygon(opening, box), (0, 0), max(0.8, unit / 110)), np.float32)
        light = lip_light(frame, landmarks[list(LIPS), :2])
        blend_box(drawn, box, fill_opening(self.interior, targets.lips, unit, light, box), cover)


def displacements(grid: Grid, line: Array) -> Array:
    """Displacements (height, width, 2) of every pixel of a grid's box, torn along the line where the lips meet."""
    displacement = dense(grid.upper, grid.box)
    mouth = grid.trimmed(np.abs(grid.tear).max(-1) > 0)
    if mouth:
        down = np.array([line[0, 1] - line[-1, 1], line[-1, 0] - line[0, 0]], np.float32)
        below = polygon(np.concatenate([line, [line[-1] + down, line[0] + down]]), mouth.box)
        left, top = mouth.box.left - grid.box.left, mouth.box.top - grid.box.top
        part = displacement[top : top + mouth.box.height, left : left + mouth.box.width]
        part += dense(mouth.tear, mouth.box) * below[..., None]
    return displacement


def fade(landmarks: Array, around: Array, box: Box, step: int) -> Array:
    """Weight of the warp at the nodes of a grid (rows, columns): 1 on the lower face, 0 at the ring and beyond."""
    weight = np.zeros((box.height // step, box.width // step), np.float32)
    hull = np.concatenate([around, landmarks[[127, 6, 356], :2]])
    nodes = (hull - box.corner) / step
    middle = nodes.mean(0)
    inner = middle + 0.9 * (nodes - middle)
    cv2.fillConvexPoly(weight, cv2.convexHull(np.round(inner * 16).astype(np.int32)), [1.0], cv2.LINE_AA, 4)
    weight[[0, -1]] = 0
    weight[:, [0, -1]] = 0
    return np.asarray(cv2.GaussianBlur(weight, (0, 0), 1.2, borderType=cv2.BORDER_CONSTANT), np.float32)


def learn_face(video: VideoInfo, track: FaceTrack) -> MeshFace:
    """Learn the person of a track: the closed mouth, what the inside of the mouth looks like."""
    return MeshFace(learn_closed_mouth(track), learn_interior(video, track))
