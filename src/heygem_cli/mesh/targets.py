"""Target positions of the lips and the jaw in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import CHIN, LIPS, Array, PerFrame, Pose
from heygem_cli.mesh.controls import CHIN_FRONT, INNER_BOTTOM, INNER_TOP, JAW_WEIGHTS, OUTER_BOTTOM, OUTER_TOP
from heygem_cli.mesh.field import MouthFrame, smoothstep
from heygem_cli.mesh.warp import Box, polygon_mask

# Lengths are in inter-ocular distances, as tracked, unless stated otherwise.
TOUCH = 0.015
"""Lips closer than this are drawn together: otherwise noise leaves a dark line between them that flickers."""
SEAM = 0.0055
"""Gap left between lips that close over an open mouth, for the shadow between them."""
MIN_SEAM = 0.7
"""Smallest such gap in pixels that is seen."""
AT_REST = 0.03
"""A closed mouth that speech opens by much less than this is left unchanged."""
AJAR = 0.012
"""Opening from which the mouth in the frame counts as open; the tracker underestimates narrow openings."""
JAW_DEPTH = 0.3
"""How far the lower lip and the chin move back as the mouth opens, over the opening: the jaw turns about its hinge.
From 0.2 to 0.4 in GRID's speakers. In a head that is raised it makes the opening look larger."""
MAX_STRETCH = 2.2
"""How far closing the mouth stretches the skin below the lower lip at most; where it seems to be more, the chin is
lower than the tracker says."""
FADE_START, FADE_END = 45.0, 65.0
"""Degrees of yaw from which the effect fades and at which it is gone."""
UPPER_INSET, LOWER_INSET = 0.28, 0.2
"""Share of the lip's thickness at its inner edge where the tracker mistakes what is between the lips for lip."""
MAX_INSET = 0.4
"""Largest width of this edge, over the tracked opening: lips that touch have none."""


@dataclass(frozen=True)
class ClosedMouth:
    """A person's closed mouth.

    Attributes:
        points: (41, 3) lip points and chin in the canonical frame.
        facing: (2,) yaw and pitch in degrees at which they were measured.
        sway: (2, 41, 3) their change per degree of each: it corrects for the tracker's inexact depth.
    """

    points: Array
    facing: Array
    sway: Array

    def points_at(self, pose: Pose) -> Array:
        """Return the points (…, 41, 3) for head poses."""
        yaw, pitch = (
            (angle - facing)[..., None, None] for angle, facing in zip((pose.yaw, pose.pitch), self.facing, strict=True)
        )
        return np.asarray(self.points + (yaw * self.sway[0] + pitch * self.sway[1]), np.float32)

    @property
    def gaps(self) -> Array:
        """Tracked distances (11,) between the inner lips, in inter-ocular distances."""
        return np.maximum(self.points[INNER_BOTTOM, 1] - self.points[INNER_TOP, 1], 0)


@dataclass(frozen=True)
class Targets(PerFrame):
    """Tracked and target positions of the control points that move, in pixels, of one frame or of several.

    Attributes:
        tracked: (…, 40, 2) lips in the frame, with the inner edges that are seen, see :func:`visible_lips`.
        lips: (…, 40, 2) target positions of the same points.
        jaw: (…, jaw, 2) target positions of the landmarks in :data:`JAW_WEIGHTS`.
        weight: (…) strength of the effect, 0 … 1.
        opening_before: (…) opening of the mouth in the frame beyond the closed one's, in inter-ocular distances.
        opening: (…) the one that the mouth gets.
    """

    tracked: Array
    lips: Array
    jaw: Array
    weight: Array
    opening_before: Array
    opening: Array


def yaw_weight(yaw: Array | float) -> Array:
    """Return the strength of the effect, 0 … 1, at a yaw in degrees."""
    return 1 - smoothstep((np.abs(yaw) - FADE_START) / (FADE_END - FADE_START))


def swing_jaw(motion: Array) -> Array:
    """Move the lower lip and the chin back as the mouth opens, see :data:`JAW_DEPTH`.

    Args:
        motion: (…, 41, 3) offsets from the closed mouth without depth, in the canonical frame.
    """
    gap = np.maximum(motion[..., INNER_BOTTOM, 1] - motion[..., INNER_TOP, 1], 0)
    swung = motion.copy()
    for row in (INNER_BOTTOM, OUTER_BOTTOM):
        swung[..., row[1:-1], 2] += JAW_DEPTH * gap[..., 1:-1]
    swung[..., 40, 2] += JAW_DEPTH * gap.max(-1)
    return swung


def compute_targets(
    landmarks: Array, pose: Pose, closed: ClosedMouth, motion: Array, strength: Array | float = 1.0
) -> Targets:
    """Compute the target positions for one frame, or for several.

    Args:
        landmarks: (…, 478, 3) in pixels.
        pose: The head poses.
        closed: The person's closed mouth.
        motion: (…, 41, 3) offsets from it, see :func:`swing_jaw`.
        strength: (…) in 0 … 1, how strongly the mouth is drawn in a face from the front.
    """
    scale, down = pose.scale, pose.rotation[..., :2, 1]
    across = np.stack([down[..., 1], -down[..., 0]], -1)
    tracked = landmarks[..., LIPS, :2]
    placed = pose.to_image(closed.points_at(pose) + motion)[..., :2]
    # Speech does not move the mouth sideways: keep its position in the frame.
    sideways = ((tracked - placed[..., :40, :]).mean(-2) * across).sum(-1, keepdims=True)
    placed += (sideways * across)[..., None, :]
    closed_gaps = closed.gaps * scale[..., None]
    moved = np.abs(motion[..., :2]).max((-2, -1))
    fade = np.asarray(strength * yaw_weight(pose.yaw), np.float32)
    # Without speech, a mouth that is closed in the frame keeps the person's own lips.
    opening_before = max_opening(tracked, down, closed_gaps) / scale
    open_now = smoothstep(opening_before / AJAR)
    weight = fade * (1 - (1 - smoothstep(moved / AT_REST)) * (1 - open_now))
    seam = np.maximum(SEAM * scale, MIN_SEAM) * open_now
    sources = close_lips(tracked, down, closed_gaps, TOUCH * scale, 0.0)
    destinations = close_lips(placed[..., :40, :], down, closed_gaps, TOUCH * scale, seam)
    drop = weight[..., None] * (placed[..., 40, :] - landmarks[..., CHIN, :2])
    share = np.array(list(JAW_WEIGHTS.values()), np.float32)[:, None]
    jaw = landmarks[..., list(JAW_WEIGHTS), :2] + share * drop[..., None, :]
    opening = np.maximum((motion[..., INNER_BOTTOM, 1] - motion[..., INNER_TOP, 1]).max(-1), 0)
    before, after = visible_lips(sources), visible_lips(destinations)
    lips = before + weight[..., None, None] * (after - before)
    return Targets(before, lips, jaw, fade, opening_before, opening)


def max_opening(lips: Array, down: Array, closed_gaps: Array) -> Array:
    """Return the largest distance (…) in pixels between the inner lips beyond that of the closed mouth.

    Args:
        lips: (…, 40, 2) in pixels.
        down: (…, 2) the head's downward direction in the frame.
        closed_gaps: (…, 11) tracked distances between the inner lips of the closed mouth, in pixels.
    """
    return np.asarray((_gaps(lips, down) - closed_gaps).max(-1), np.float32)


def _gaps(lips: Array, down: Array) -> Array:
    """Return the distances (…, 11) between the inner lips along the downward direction."""
    apart = lips[..., INNER_BOTTOM, :] - lips[..., INNER_TOP, :]
    return np.asarray((apart * down[..., None, :]).sum(-1), np.float32)


def close_lips(lips: Array, down: Array, closed_gaps: Array, touch: Array | float, seam: Array | float) -> Array:
    """Move nearly closed inner lips together and crossed lips apart.

    Args:
        lips: (…, 40, 2) in pixels.
        down: See :func:`max_opening`.
        closed_gaps: See :func:`max_opening`.
        touch: (…) opening in pixels below which lips are moved together, the more the smaller the opening.
        seam: (…) smallest gap in pixels in the middle of the mouth.
    """
    gap = _gaps(lips, down)
    share = smoothstep(max_opening(lips, down, closed_gaps) / touch)[..., None]
    bow = np.asarray(seam, np.float32)[..., None] * np.sin(np.linspace(0, np.pi, gap.shape[-1], dtype=np.float32))
    shift = (gap - np.maximum(share * gap, bow))[..., None] / 2 * down[..., None, :]
    moved = lips.copy()
    # The corners belong to both rows.
    moved[..., INNER_TOP[1:-1], :] += shift[..., 1:-1, :]
    moved[..., INNER_BOTTOM[1:-1], :] -= shift[..., 1:-1, :]
    return moved


def visible_lips(lips: Array) -> Array:
    """Move the inner line of tracked lip points (…, 40, 2) outwards, to the inner edges of the lips that are seen.

    On an open mouth the tracker places it within the opening, on the edge of the teeth for example. The warp would then
    tear teeth away with the lips, and what is drawn as far open as it is tracked would look less open than it was.
    """
    visible = lips.copy()
    for inner, other, outer, share in (
        (INNER_TOP, INNER_BOTTOM, OUTER_TOP, UPPER_INSET),
        (INNER_BOTTOM, INNER_TOP, OUTER_BOTTOM, LOWER_INSET),
    ):
        outward = lips[..., outer, :] - lips[..., inner, :]
        thickness = np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-3)
        gap = ((lips[..., inner, :] - lips[..., other, :]) * outward).sum(-1, keepdims=True) / thickness
        visible[..., inner, :] += outward * np.minimum(share, MAX_INSET * np.maximum(gap, 0) / thickness)
    return visible


def spread_chin(jaw: Array, targets: Targets) -> Array:
    """Move the chin down in the frame where closing the mouth would stretch the skin below it too much or unevenly.

    Under the lower lip of a wide open mouth, the tracker crowds these points into a narrow strip. The warp would smear
    it, and the edge of the lip in it, down the chin.

    Args:
        jaw: (…, jaw, 2) the landmarks of :data:`JAW_WEIGHTS` in the frame, in pixels.
        targets: Where they go.
    """
    lip, lip_after = (lips[..., OUTER_BOTTOM[5], None, :] for lips in (targets.tracked, targets.lips))
    after = targets.jaw[..., CHIN_FRONT, :] - lip_after
    skin = jaw[..., CHIN_FRONT[:1], :] - lip
    stretch = np.linalg.norm(after[..., :1, :], axis=-1) / np.maximum(np.linalg.norm(skin, axis=-1), 1e-3)
    missing = np.clip(stretch[..., None] / MAX_STRETCH - 1, 0, 1) * skin
    spread = jaw + np.array(list(JAW_WEIGHTS.values()), np.float32)[:, None] * missing
    before = spread[..., CHIN_FRONT, :] - lip
    uneven = np.maximum(_shares_of_first(after) - _shares_of_first(before), 0)
    spread[..., CHIN_FRONT, :] += uneven[..., None] * before[..., :1, :]
    return np.asarray(spread, np.float32)


def _shares_of_first(vectors: Array) -> Array:
    """Return how far (…, n) vectors (…, n, 2) reach along the first of them, relative to it."""
    first = vectors[..., :1, :]
    return np.asarray((vectors * first).sum(-1) / np.maximum((first**2).sum(-1), 1e-6), np.float32)


def opening_mask(lips: Array, box: Box, sigma: float) -> Array:
    """Return the coverage (height, width), 0 … 1, of a box by the opening between the lips.

    Args:
        lips: (40, 2) in pixels.
        box: A region of the frame.
        sigma: Standard deviation of the soft edge in pixels.
    """
    upper, lower = lips[INNER_TOP], lips[INNER_BOTTOM]
    frame = MouthFrame.between(upper[0], upper[-1])
    half = max(float(np.linalg.norm(frame.axis)), 1e-3)
    x, y = frame.axis / half
    down = np.array([-y, x], np.float32)
    thickness = np.maximum((lower - upper) @ down, 0)
    # fillPoly also draws the outline, half a pixel on each side.
    inset = np.minimum(thickness / 2, 0.5)[:, None] * down
    outline = np.concatenate([upper + inset, (lower - inset)[-2:0:-1]])
    mask = np.asarray(cv2.GaussianBlur(polygon_mask(outline, box), (0, 0), sigma), np.float32)
    # Without this, lips that touch would still get a line between them.
    columns = (np.arange(box.width, dtype=np.float32) + (box.left - frame.center[0])) * (x / half)
    rows = (np.arange(box.height, dtype=np.float32) + (box.top - frame.center[1])) * (y / half)
    along = np.maximum.accumulate(frame.to_local(upper)[:, 0])
    opacity = np.interp(columns + rows[:, None], along, smoothstep(thickness / (sigma + 1)))
    return np.asarray(mask * opacity, np.float32)
