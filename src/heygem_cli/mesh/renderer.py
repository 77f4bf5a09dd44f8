"""Renders a speaking face: warps the person's own pixels and fills the opening of the mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from heygem_cli.face.geometry import LIPS, Array, Pose, canonical_face, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.mesh.closed_lips import painted_share
from heygem_cli.mesh.controls import FIXED, INNER_BOTTOM, INNER_TOP, JAW_WEIGHTS, LIP_SIDES, background_ring
from heygem_cli.mesh.cover import CoverFinder
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.crop import opening_outline
from heygem_cli.mesh.drawn_mouth import Bones, DrawnMouth, place_bones
from heygem_cli.mesh.field import Field, Grid, MouthFrame, fit_field, sample_field, upsample
from heygem_cli.mesh.interior import MIN_OPENING, lip_brightness
from heygem_cli.mesh.mouth_pictures import MouthPictures, take_pictures
from heygem_cli.mesh.mouth_shape import mouth_shape, typical_open_shape
from heygem_cli.mesh.open_mouths import Mixture, OpenMouths
from heygem_cli.mesh.painter import DraftPainter, Opening, Painter
from heygem_cli.mesh.person import estimate_closed_mouth, estimate_opening_scale
from heygem_cli.mesh.targets import (
    ClosedMouth,
    Targets,
    compute_targets,
    opening_mask,
    spread_chin,
    swing_jaw,
)
from heygem_cli.mesh.warp import Box, blend_box, polygon_mask, warp_box

GRID_NODES = 18
"""Nodes of the displacement grid per inter-ocular distance."""
MIN_DISPLACEMENT = 0.001
"""Smallest visible displacement, in inter-ocular distances."""
MIN_SHARE = 0.01
"""Smallest visible opacity."""
EDGE, MIN_EDGE = 1 / 160, 0.8
"""Standard deviation of the soft edge between the lips and the inside of the mouth, about as sharp as a camera's, in
inter-ocular distances, and the smallest in pixels."""


def fit_warp(landmarks: Array, ring: Array, targets: Targets) -> Field:
    """Fit the displacement fields of landmarks (…, 478, 3) with a :func:`background_ring`."""
    fixed = landmarks[..., FIXED, :2]
    jaw = spread_chin(landmarks[..., list(JAW_WEIGHTS), :2], targets)
    destinations = np.concatenate([targets.lips, targets.jaw, fixed, ring], -2)
    sources = np.concatenate([targets.tracked, jaw, fixed, ring], -2)
    mouth = MouthFrame.between(targets.lips[..., 0, :], targets.lips[..., 10, :])
    side = np.zeros(destinations.shape[-2], np.float32)
    side[: len(LIPS)] = LIP_SIDES
    return fit_field(mouth, destinations, sources - destinations, side)


def mouth_line(targets: Targets) -> Array:
    """Return the line between the target lips of one frame (13, 2), extended far beyond the corners."""
    line = (targets.lips[INNER_TOP] + targets.lips[INNER_BOTTOM]) / 2
    extension = (targets.lips[10] - targets.lips[0]) * 20
    return np.concatenate([[line[0] - extension], line, [line[-1] + extension]]).astype(np.float32)


@dataclass(frozen=True)
class Shape:
    """A face of one frame, and the one that it becomes.

    Attributes:
        landmarks: (478, 3) in pixels.
        ring: See :func:`heygem_cli.mesh.controls.background_ring`.
        targets: Where the lips and the jaw go.
        field: How the pixels move there.
        eye_distance: The inter-ocular distance in pixels.
        bones: Where the teeth are.
        lips_share: How opaque the person's closed lips are, 0 … 1.
        mouth: (30,) the shape of the mouth that it gets, see :func:`heygem_cli.mesh.mouth_shape.mouth_shape`.
        painted: How much of the inside of the mouth is painted, 0 … 1.
    """

    landmarks: Array
    ring: Array
    targets: Targets
    field: Field
    eye_distance: float
    bones: Bones
    lips_share: float
    mouth: Array
    painted: float


@dataclass(frozen=True)
class Drawing:
    """A face that is drawn in a frame.

    Attributes:
        source: I420, without what covers the face.
        output: I420, a copy of the frame, which the face is drawn into.
        shape: The face.
    """

    source: Frame
    output: Frame
    shape: Shape


@dataclass(frozen=True)
class FaceRenderer:
    """Renders one person in successive frames.

    Attributes:
        closed: The person's closed mouth.
        opening_scale: See :func:`heygem_cli.mesh.person.estimate_opening_scale`.
        pictures: Of the person's mouth.
        painter: Paints the inside of the mouth.
        covers: Finds what covers the face, which stays in front of it.
    """

    closed: ClosedMouth
    opening_scale: float
    pictures: MouthPictures
    painter: Painter | DraftPainter
    covers: CoverFinder

    def render(
        self, frames: Sequence[Frame], numbers: Sequence[int], landmarks: Array, motion: Array, strength: Array
    ) -> list[Frame | None]:
        """Render some successive frames.

        Args:
            frames: I420; not modified.
            numbers: The number of each frame in the output.
            landmarks: (frames, 478, 3) of the person, in pixels.
            motion: (frames, 41, 3) offsets of the lip points and the chin from the closed mouth, in the canonical frame
                in inter-ocular distances, see :mod:`heygem_cli.speech.motion`.
            strength: (frames,) in 0 … 1, how strongly the mouth is drawn; less where the head is turned to the side.

        Returns:
            New frames; None for each in which the mouth is hidden behind something.
        """
        pose = head_pose(landmarks, canonical_face())
        covers = self.covers.find(frames, numbers, landmarks, pose)
        visible = strength * np.array([cover.strength for cover in covers], np.float32)
        shapes = self._shapes(landmarks, pose, motion, visible)
        outputs = [frame.copy() if cover.strength else None for frame, cover in zip(frames, covers, strict=True)]
        drawings = [
            Drawing(cover.without(frame) if cover else frame, output, shape)
            for frame, cover, shape, output in zip(frames, covers, shapes, outputs, strict=True)
            if output is not None
        ]
        self._draw(drawings)
        for frame, cover, output in zip(frames, covers, outputs, strict=True):
            if output is not None and cover:
                cover.restore(frame, output)
        return outputs

    def _shapes(self, landmarks: Array, pose: Pose, motion: Array, strength: Array) -> list[Shape]:
        """Return the shape of the face in each frame, computed together: NumPy is slow in small steps."""
        motion = self.opening_scale * motion
        targets = compute_targets(landmarks, pose, self.closed, swing_jaw(motion), strength)
        rings = background_ring(landmarks)
        fields = fit_warp(landmarks, rings, targets)
        bones = place_bones(pose, self.closed, motion, targets.weight)
        shares = self._lips_shares(pose, targets)
        painted = painted_share(shares, targets.opening)
        mouths = mouth_shape(self.closed.points_at(pose) + motion)
        parts = zip(landmarks, rings, pose.scale.tolist(), shares.tolist(), mouths, painted.tolist(), strict=True)
        return [
            Shape(points, ring, targets[index], fields[index], scale, bones[index], share, mouth, paint)
            for index, (points, ring, scale, share, mouth, paint) in enumerate(parts)
        ]

    def _lips_shares(self, pose: Pose, targets: Targets) -> Array:
        """Return how opaque the person's closed lips are in each frame."""
        lips = self.pictures.lips
        if lips is None:
            return np.zeros(len(targets.weight), np.float32)
        return np.asarray(targets.weight * lips.shares(pose, targets.opening_before, targets.opening), np.float32)

    def _draw(self, drawings: Sequence[Drawing]) -> None:
        """Draw faces, each step in all frames before the next one: what it needs is then in the processor's cache."""
        grids = [displacements(each) for each in drawings]
        moved = [(drawing, grid) for drawing, grid in zip(drawings, grids, strict=True) if grid is not None]
        for drawing, grid in moved:
            warp_face(drawing.source, drawing.output, grid, mouth_line(drawing.shape.targets))
        for drawing, _ in moved:
            self._draw_lips(drawing)
        openings = [opening for drawing, _ in moved if (opening := self._opening(drawing)) is not None]
        for opening, image in zip(openings, self.painter.paint(openings), strict=True):
            blend_box(opening.frame, opening.box, image, opening.mask)

    def _draw_lips(self, drawing: Drawing) -> None:
        """Draw the person's closed lips over those of a warped face, if they are seen."""
        lips, shape, targets = self.pictures.lips, drawing.shape, drawing.shape.targets
        if lips is not None and shape.lips_share > MIN_SHARE:
            closes = float(targets.opening_before - targets.opening)
            lips.draw(drawing.output, targets.lips, shape.eye_distance, shape.lips_share, closes)

    def _opening(self, drawing: Drawing) -> Opening | None:
        """Return the opening between the lips of a warped face, None if nothing of it is seen."""
        frame, shape, targets = drawing.output, drawing.shape, drawing.shape.targets
        if shape.painted < MIN_SHARE:
            return None
        outline, margin = opening_outline(targets.lips), 4 + shape.eye_distance / 40
        box = Box.around(np.concatenate([outline - margin, outline + margin]), frame, 2)
        if not box.width or not box.height:
            return None
        edge = max(MIN_EDGE, EDGE * shape.eye_distance)
        mask = shape.painted * targets.weight * opening_mask(targets.lips, box, edge)
        if not mask.any():
            return None
        brightness = lip_brightness(drawing.source, shape.landmarks[list(LIPS), :2])
        return Opening(frame, targets.lips, shape.eye_distance, brightness, self._references(shape), box, mask)

    def _references(self, shape: Shape) -> list[Mixture]:
        inside = self.pictures.inside
        if isinstance(inside, DrawnMouth):
            return [[(inside.between(shape.targets.lips, shape.eye_distance, shape.bones), 1.0)]]
        return inside.choose(shape.mouth)


def displacements(drawing: Drawing) -> Grid | None:
    """Return how the pixels of a frame move to draw a face; None if they do not, or the face is outside the frame."""
    shape, targets = drawing.shape, drawing.shape.targets
    step = max(2, int(shape.eye_distance / GRID_NODES) // 2 * 2)
    box = Box.around(np.concatenate([shape.ring, shape.landmarks[[1, 5], :2]]), drawing.output, step)
    if not box.width or not box.height or (targets.lips == targets.tracked).all():
        return None
    weight = warp_weight(shape.landmarks, shape.ring, box, step)
    grid = sample_field(shape.field, box, step, weight > 0)
    return grid.weighted(weight, MIN_DISPLACEMENT * shape.eye_distance)


def warp_face(frame: Frame, output: Frame, grid: Grid, line: Array) -> None:
    """Warp the box of a grid from ``frame`` into ``output``, with a cut along the mouth line."""
    torn = (grid.tear != 0).any(0)
    moving = grid.crop((grid.upper != 0).any(0) | torn)
    if moving:
        warp_box(frame, output, moving.box, upsample(moving.upper, moving.box))
    below_line = grid.box.top + grid.step * np.arange(1, len(torn) + 1)[:, None] > line[1:-1, 1].min()
    mouth = grid.crop(below_line & torn)
    if mouth:
        # Blend colours along the line, not displacements: halfway between the lips of an open mouth is its inside.
        down = np.array([line[0, 1] - line[-1, 1], line[-1, 0] - line[0, 0]], np.float32)
        below = polygon_mask(np.concatenate([line, [line[-1] + down, line[0] + down]]), mouth.box)
        warp_box(frame, output, mouth.box, upsample(mouth.upper + mouth.tear, mouth.box), below)


def warp_weight(landmarks: Array, ring: Array, box: Box, step: int) -> Array:
    """Return the strength of the warp at the nodes of a grid (rows, columns): 1 on the lower face, 0 from the ring."""
    weight = np.zeros((box.height // step, box.width // step), np.float32)
    hull = np.concatenate([ring, landmarks[[127, 6, 356], :2]])
    nodes = (hull - box.corner) / step
    center = nodes.mean(0)
    inner = center + 0.9 * (nodes - center)
    cv2.fillConvexPoly(weight, cv2.convexHull(np.round(inner * 16).astype(np.int32)), [1.0], cv2.LINE_AA, 4)
    weight[[0, -1]] = 0
    weight[:, [0, -1]] = 0
    return np.asarray(cv2.GaussianBlur(weight, (0, 0), 1.2, borderType=cv2.BORDER_CONSTANT), np.float32)


def build_renderer(
    video: VideoInfo, track: FaceTrack, motion: Array, painter: Painter | DraftPainter, network: CoverNetwork
) -> FaceRenderer:
    """Build the renderer of a tracked person, whose mouth moves as in ``motion``, see :meth:`FaceRenderer.render`."""
    closed, opening_scale = estimate_closed_mouth(track), estimate_opening_scale(track, motion, float(video.fps))
    pictures = take_pictures(video, track, closed, network)
    typical = typical_open_shape(closed.points + opening_scale * motion, MIN_OPENING)
    if isinstance(pictures.inside, OpenMouths) and typical is not None:
        pictures = replace(pictures, inside=pictures.inside.adapt(typical))
    return FaceRenderer(closed, opening_scale, pictures, painter, CoverFinder(network))
