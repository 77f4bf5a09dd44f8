"""The mesh engine: it moves the person's own pixels where speech moves them and fills the opening."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import LIPS, Array, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, JAW, SIDE_UPPER, STILL, ring
from heygem_cli.mesh.field import Field, Grid, MouthFrame, dense, evaluate, fit_field
from heygem_cli.mesh.interior import Interior, lip_light
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.person import learn_closed_mouth, learn_interiors, learn_range
from heygem_cli.mesh.targets import ClosedMouth, Targets, aim, as_drawn, lip_skin, opening_cover, turned_away
from heygem_cli.mesh.view import opening
from heygem_cli.mesh.warp import Box, blend_box, polygon, warp_box

GRID = 18
"""Nodes of the displacement grid in an inter-ocular distance."""
LEAST = 0.001
"""Inter-ocular distances. Nobody sees a smaller displacement."""


def warp_field(landmarks: Array, targets: Targets) -> Field:
    """Fit the displacement field of one frame."""
    still = landmarks[list(STILL), :2]
    around = ring(landmarks)
    places = np.concatenate([targets.lips, targets.jaw, still, around])
    sources = np.concatenate([lip_skin(targets.own), landmarks[list(JAW), :2], still, around])
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
        closed: the closed mouth.
        reach: how far the person opens the mouth, see :func:`heygem_cli.mesh.person.learn_range`.
        interiors: what the inside of the mouth looks like, from narrow to wide open.
        painter: paints it.
    """

    closed: ClosedMouth
    reach: float
    interiors: tuple[Interior, ...]
    painter: Painter

    def draw(self, frame: Frame, landmarks: Array, motion: Array) -> Frame | None:
        """Draw one frame.

        Args:
            frame: I420; left as it is.
            landmarks: (478, 3) of the person in this frame, in pixels.
            motion: (41, 3) offsets of the lip points and the chin from the person's closed mouth, in the canonical
                frame in inter-ocular distances, see :mod:`heygem_cli.speech.motion`.

        Returns:
            A new frame; None where the head is turned away too far to be drawn.
        """
        pose = head_pose(landmarks, canonical_face())
        if not turned_away(float(pose.yaw)):
            return None
        unit = float(pose.scale)
        targets = aim(landmarks, pose, self.closed, as_drawn(self.reach * motion))
        step = max(2, int(unit / GRID) // 2 * 2)
        around = ring(landmarks)
        box = Box.around(np.concatenate([around, landmarks[[1, 5], :2]]), frame, step)
        drawn = frame.copy()
        if not box.width or not box.height or (targets.lips == targets.own).all():
            return drawn
        weight = fade(landmarks, around, box, step)
        grid = evaluate(warp_field(landmarks, targets), box, step, weight > 0).settled(weight, LEAST * unit)
        warp(frame, drawn, grid, mouth_line(targets))
        self._fill(frame, drawn, landmarks, targets, unit)
        return drawn

    def _fill(self, frame: Frame, drawn: Frame, landmarks: Array, targets: Targets, unit: float) -> None:
        outline = opening(targets.lips)
        margin = 4 + unit / 40
        box = Box.around(np.concatenate([outline - margin, outline + margin]), frame, 2)
        if not box.width or not box.height:
            return
        cover = targets.weight * opening_cover(targets.lips, box, max(1.1, unit / 110))
        if not cover.any():
            return
        light = lip_light(frame, landmarks[list(LIPS), :2])
        inside = self.painter.paint(drawn, targets.lips, unit, light=light, interiors=self.interiors, box=box)
        blend_box(drawn, box, inside, cover)


def warp(frame: Frame, drawn: Frame, grid: Grid, line: Array) -> None:
    """Move the pixels of a grid's box, the face torn along the line where the lips meet."""
    moving = grid.trimmed((np.abs(grid.upper) + np.abs(grid.tear)).max(-1) > 0)
    if moving:
        warp_box(frame, drawn, moving.box, dense(moving.upper, moving.box))
    below_line = grid.box.top + grid.step * np.arange(1, len(grid.tear) + 1)[:, None] > line[1:-1, 1].min()
    mouth = grid.trimmed(below_line & (np.abs(grid.tear).max(-1) > 0))
    if mouth:
        # Colours are mixed along the line, not displacements: halfway between the lips of an open mouth is its inside.
        down = np.array([line[0, 1] - line[-1, 1], line[-1, 0] - line[0, 0]], np.float32)
        below = polygon(np.concatenate([line, [line[-1] + down, line[0] + down]]), mouth.box)
        warp_box(frame, drawn, mouth.box, dense(mouth.upper + mouth.tear, mouth.box), below)


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


def learn_face(video: VideoInfo, track: FaceTrack, painter: Painter) -> MeshFace:
    """Learn the person of a track: the closed mouth, its range, what the inside of the mouth looks like."""
    reach = learn_range(track, float(video.fps))
    return MeshFace(learn_closed_mouth(track), reach, learn_interiors(video, track), painter)
