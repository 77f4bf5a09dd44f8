"""The idle motion of a person in a photograph: blinks, slight motion of the head, and breath."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from heygem_cli.face.geometry import Array, canonical_face, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.mesh.idle_head import HeadField
from heygem_cli.mesh.idle_lids import Eye
from heygem_cli.mesh.idle_motion import IdleMotion, content_seed, make_idle_motion
from heygem_cli.mesh.states import FrameStates

MIN_EYE_DISTANCE = 24.0
"""Pixels between the outer corners of the eyes below which a blink is only a few pixels, and is left out."""
MIN_OPENING, MAX_OPENING = 0.14, 0.6
"""Distances between the lids, in widths of the eye, between which an eye is open, and surely an eye."""
MIN_CONTRAST = 0.1
"""Standard deviation of luma in an open eye, over the brightness of the skin: behind dark glasses it is less."""
MIN_SKIN = 0.45
"""Brightness around the eyes, over that of the cheeks, below which they are behind dark glasses."""
MAX_YAW = 35.0
"""Degrees of yaw up to which both eyes are seen well enough to close them."""
CHEEKS = (50, 280, 205, 425)


@dataclass(frozen=True)
class Idle:
    """The idle motion of one person in a photograph.

    Attributes:
        motion: In every frame of the output.
        head: How the picture moves.
        eyes: Those that blink.
    """

    motion: IdleMotion
    head: HeadField
    eyes: tuple[Eye, ...]

    @property
    def blinks(self) -> int:
        """The number of blinks."""
        return self.motion.blinks if self.eyes else 0

    def move(self, frame: Frame, number: int) -> Frame:
        """Return an I420 frame of the photograph, with the mouth drawn, as the frame of the output with this number."""
        closure = float(self.motion.closure[number])
        if closure and self.eyes:
            frame = frame.copy()
            for eye in self.eyes:
                eye.close(frame, closure)
        return self.head.move(frame, self.motion.angles[number], float(self.motion.breath[number]))


def make_idle(video: VideoInfo, track: FaceTrack, states: FrameStates, levels: Array, amount: float) -> Idle | None:
    """Return the idle motion of a person; None in a video, without the person's mouth, or if ``amount`` is 0.

    Args:
        video: The photograph; a video of a single frame is one.
        track: Where the person is.
        states: What is drawn.
        levels: (frames,) level of the speech in decibels, for each frame of the output.
        amount: 0 … 1, see :func:`heygem_cli.mesh.idle_motion.make_idle_motion`.
    """
    is_photograph = video.is_still or len(track) == 1
    landmarks = track.landmarks(0) if is_photograph and amount and len(levels) > 1 else None
    if landmarks is None or states.at(0)[0] != "rendered":
        return None
    with closing(read_frames(video, count=1)) as frames:
        frame = next(frames)
    others = [other for other in first_faces(track) if (other != landmarks).any()]
    seed = content_seed(frame, levels) + int(landmarks[0, :2].sum())
    motion = make_idle_motion(levels, float(video.fps), amount, seed)
    return Idle(motion, HeadField.build(frame, landmarks, others), find_eyes(frame, landmarks))


def first_faces(track: FaceTrack) -> Array:
    """Return the landmarks (faces, 478, 3) of everybody in the first frame."""
    return track.video.landmarks(0, int(np.searchsorted(track.video.row_frames, 1)))


def find_eyes(frame: Frame, landmarks: Array) -> tuple[Eye, ...]:
    """Return the eyes that can blink: both, if both are open, large enough, and not behind dark glasses."""
    pose = head_pose(landmarks, canonical_face())
    if float(pose.scale) < MIN_EYE_DISTANCE or abs(float(pose.yaw)) > MAX_YAW:
        return ()
    eyes = [eye for side in (0, 1) if (eye := Eye.find(frame, landmarks, side)) is not None]
    cheek = _brightness(frame, landmarks[list(CHEEKS), :2])
    usable = len(eyes) == 2 and all(_can_blink(eye, cheek) for eye in eyes)
    return tuple(eyes) if usable else ()


def _brightness(frame: Frame, points: Array) -> float:
    """Return the median luma, above black, of an I420 frame at points (points, 2)."""
    size = np.array([frame.shape[1], frame.shape[0] * 2 // 3])
    columns, rows = np.clip(np.rint(points), 0, size - 1).astype(int).T
    return float(np.median(frame[rows, columns])) - 16


def _can_blink(eye: Eye, cheek: float) -> bool:
    if not MIN_OPENING <= eye.opening <= MAX_OPENING:
        return False
    luma = eye.image[..., 0] - 16
    inside = (eye.x > 0) & (eye.x < 1)
    opening = luma[inside & (eye.y > eye.upper) & (eye.y < eye.lower)]
    above = luma[inside & (eye.y > eye.brow) & (eye.y < eye.upper)]
    below = luma[inside & (eye.y > eye.lower + 0.1) & (eye.y < eye.lower + 0.4)]
    if not min(opening.size, above.size, below.size):
        return False
    skin = max(float(np.median(above)), float(np.median(below)))
    return float(opening.std()) > MIN_CONTRAST * skin and skin > MIN_SKIN * cheek
