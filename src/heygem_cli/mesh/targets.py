"""Where speech puts the lips and the jaw of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import CHIN, LIPS, Array, Pose
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP, JAW, OUTER_BOTTOM, OUTER_TOP
from heygem_cli.mesh.field import MouthFrame, smoothstep
from heygem_cli.mesh.warp import Box, polygon

TOUCH = 0.015
"""Inter-ocular distances. Lips nearer than this to each other are drawn together: the tracker's noise and the network's
would else leave a dark line that comes and goes."""
SEAM = 0.01
"""Inter-ocular distances. Lips that close over an open mouth keep this gap, for the shade that is between lips."""
SEAM_PIXELS = 1.2
"""The least of it that can be seen."""
AT_REST = 0.03
"""Inter-ocular distances. A mouth that is closed, and that speech opens by much less than this, is left as it is."""
AJAR = 0.012
"""The same. A mouth of the frame that the tracker sees open by this is open: it sees a narrow opening too narrow."""
UNSEEN = 0.015
"""Inter-ocular distances. By so much narrower than it is drawn the tracker, from which the network learned, sees a
narrow opening; it does not see the portrait of the tests open by 0.03. A wide opening it sees about as it is."""
PARTED = 0.01, 0.03
"""Inter-ocular distances of opening, as the tracker sees it, from which it is added to, and at which by all of it."""
WIDE = 0.04, 0.1
"""The same from which less is added and at which nothing is."""
LOWER_SHARE = 0.7
"""Of what is added to an opening, the part by which the lower lip and the jaw go down."""
TURNING, TURNED = 45.0, 65.0
"""Degrees of yaw from which the effect fades, and from which there is none."""
UPPER_EDGE, LOWER_EDGE = 0.28, 0.2
"""Share of a lip's thickness, from its inner line, that the tracker may take for lip where teeth are."""


@dataclass(frozen=True)
class ClosedMouth:
    """A person's closed mouth.

    Attributes:
        points: (41, 3) lip points and chin in the canonical frame.
        facing: (2,) yaw and pitch in degrees for which they hold.
        sway: (2, 41, 3) what a degree more of each adds: no face is the mean face turned, and no depth is exact.
    """

    points: Array
    facing: Array
    sway: Array

    def seen_from(self, pose: Pose) -> Array:
        """The points (41, 3) as a head pose shows them."""
        turned = np.array([pose.yaw, pose.pitch], np.float32) - self.facing
        return np.asarray(self.points + np.tensordot(turned, self.sway, 1), np.float32)

    @property
    def gaps(self) -> Array:
        """How far apart the tracker sees the inner lips (11,), in inter-ocular distances."""
        return np.maximum(self.points[INNER_BOTTOM, 1] - self.points[INNER_TOP, 1], 0)


@dataclass(frozen=True)
class Targets:
    """Where the points of one frame are and where they shall go, in pixels.

    Attributes:
        own: (40, 2) lips in the frame.
        lips: (40, 2) where they shall go.
        jaw: (jaw, 2) where the points of :data:`JAW` shall go.
        weight: of the effect, 1 but for a head that turns away, where it falls to 0.
    """

    own: Array
    lips: Array
    jaw: Array
    weight: float


def turned_away(yaw: float) -> float:
    """Weight of the effect at a yaw in degrees."""
    return float(1 - smoothstep((abs(yaw) - TURNING) / (TURNED - TURNING)))


def as_drawn(motion: Array) -> Array:
    """From where the tracker would see the lips to where they must be drawn for that, see :data:`UNSEEN`.

    Args:
        motion: (41, 3) offsets from the closed mouth in the canonical frame, in inter-ocular distances.
    """
    gap = np.maximum(motion[INNER_BOTTOM, 1] - motion[INNER_TOP, 1], 0)
    widest = float(gap.max())
    added = UNSEEN * float(_between(widest, PARTED) * (1 - _between(widest, WIDE)))
    if not added:
        return motion
    more = added * gap / widest
    drawn = motion.copy()
    for row in (INNER_BOTTOM, OUTER_BOTTOM):
        drawn[row[1:-1], 1] += LOWER_SHARE * more[1:-1]
    for row in (INNER_TOP, OUTER_TOP):
        drawn[row[1:-1], 1] -= (1 - LOWER_SHARE) * more[1:-1]
    drawn[40, 1] += LOWER_SHARE * added
    return drawn


def _between(opened: float, limits: tuple[float, float]) -> Array:
    return smoothstep((opened - limits[0]) / (limits[1] - limits[0]))


def aim(landmarks: Array, pose: Pose, closed: ClosedMouth, motion: Array) -> Targets:
    """Find where speech puts the lips and the jaw of one frame.

    Args:
        landmarks: (478, 3) of the frame.
        pose: of its head.
        closed: the person's closed mouth.
        motion: (41, 3) offsets from it.
    """
    scale, down = float(pose.scale), pose.rotation[:2, 1]
    across = np.array([down[1], -down[0]], np.float32)
    own = landmarks[list(LIPS), :2]
    placed = pose.to_image(closed.seen_from(pose) + motion)[:, :2]
    # Speech moves no mouth to the side: where it is in the frame, it belongs.
    placed += ((own - placed[:40]).mean(0) @ across) * across
    apart = closed.gaps * scale
    moved = float(np.abs(motion[:, :2]).max())
    away = turned_away(float(pose.yaw))
    # At rest a mouth that is closed in the frame shows the person's own lips, whatever they do.
    open_now = float(smoothstep(opening(own, down, apart) / (AJAR * scale)))
    weight = away * (1 - float(1 - smoothstep(moved / AT_REST)) * (1 - open_now))
    sources = meet(own, down, apart, TOUCH * scale, 0)
    wanted = meet(placed[:40], down, apart, TOUCH * scale, max(SEAM * scale, SEAM_PIXELS) * open_now)
    drop = weight * (placed[40] - landmarks[CHIN, :2])
    share = np.array(list(JAW.values()), np.float32)[:, None]
    return Targets(sources, sources + weight * (wanted - sources), landmarks[list(JAW), :2] + share * drop, away)


def opening(lips: Array, down: Array, apart: Array) -> float:
    """How much farther the inner lips are apart than those of the closed mouth, at most, in pixels.

    Args:
        lips: (40, 2) in pixels.
        down: (2,) the head's downward direction in the frame.
        apart: (11,) how far apart the tracker sees the inner lips of the closed mouth, in pixels.
    """
    return float(((lips[INNER_BOTTOM] - lips[INNER_TOP]) @ down - apart).max())


def meet(lips: Array, down: Array, apart: Array, touch: float, least: float) -> Array:
    """Draw the inner lips of an almost closed mouth together, and lips that cross apart.

    Args:
        lips: (40, 2) in pixels.
        down: as in :func:`opening`.
        apart: as in :func:`opening`.
        touch: pixels of opening below which they are drawn together, the more the less they are open.
        least: pixels that stay between them in the middle of the mouth.

    Returns:
        (40, 2).
    """
    gap = (lips[INNER_BOTTOM] - lips[INNER_TOP]) @ down
    share = smoothstep(opening(lips, down, apart) / touch)
    bow = least * np.sin(np.linspace(0, np.pi, len(gap), dtype=np.float32))
    shift = (gap - np.maximum(share * gap, bow))[:, None] / 2 * down
    met = lips.copy()
    met[INNER_TOP] += shift
    met[INNER_BOTTOM] -= shift
    # The corners stand in both rows.
    met[[INNER_TOP[0], INNER_TOP[-1]]] = lips[[INNER_TOP[0], INNER_TOP[-1]]]
    return met


def lip_skin(lips: Array) -> Array:
    """Lip points (40, 2) whose inner line surely lies on the lips.

    On an open mouth the tracker sets it on the edge of the teeth, and teeth that the lips carry away look torn out.
    """
    skin = lips.copy()
    gap = np.linalg.norm(lips[INNER_BOTTOM] - lips[INNER_TOP], axis=1, keepdims=True)
    for inner, outer, edge in ((INNER_TOP, OUTER_TOP, UPPER_EDGE), (INNER_BOTTOM, OUTER_BOTTOM, LOWER_EDGE)):
        away = lips[outer] - lips[inner]
        thickness = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3)
        skin[inner] += away * np.minimum(edge, 0.4 * gap / thickness)
    return skin


def opening_cover(lips: Array, box: Box, soft: float) -> Array:
    """How much of each pixel of a box the opening between the lips covers, 0 … 1 (height, width).

    Args:
        lips: (40, 2) in pixels.
        box: of the frame.
        soft: standard deviation of the edge in pixels.
    """
    upper, lower = lips[INNER_TOP], lips[INNER_BOTTOM]
    frame = MouthFrame.between(upper[0], upper[-1])
    half = max(float(np.linalg.norm(frame.axis)), 1e-3)
    x, y = frame.axis / half
    down = np.array([-y, x], np.float32)
    thickness = np.maximum((lower - upper) @ down, 0)
    # A filled polygon has its edge drawn too, half a pixel wide on each side.
    inset = np.minimum(thickness / 2, 0.5)[:, None] * down
    outline = np.concatenate([upper + inset, (lower - inset)[-2:0:-1]])
    cover = np.asarray(cv2.GaussianBlur(polygon(outline, box), (0, 0), soft), np.float32)
    # Lips that touch would still get a line between them.
    columns = (np.arange(box.width, dtype=np.float32) + (box.left - frame.middle[0])) * (x / half)
    rows = (np.arange(box.height, dtype=np.float32) + (box.top - frame.middle[1])) * (y / half)
    along = np.maximum.accumulate(frame.local(upper)[:, 0])
    shown = np.interp(columns + rows[:, None], along, smoothstep(thickness / (soft + 1)))
    return np.asarray(cover * shown, np.float32)
