"""Lower faces of real clips, upright and enlarged, onto which occluders are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from heygem_cli.face.geometry import Array, canonical_face, head_pose
from heygem_cli.face.smooth import smooth
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame
from heygem_cli.mesh.cover_network import cover_matrix
from training.clips import Clip, Tracker, speaker_of

CANVAS = 288
"""Width and height in pixels of the images that are drawn on; the network sees the middle of them."""
CANVAS_SCALE = 96.0
"""Pixels of them per inter-ocular distance, twice the network's."""
FRAMES_PER_SPEAKER = 300
PORTRAIT_SCALE = 2
"""How much small photographs are enlarged, so that the tracker finds the face."""
GREY = 6.0
"""Mean difference of the colour channels up to which a picture is grey."""


@dataclass(frozen=True)
class LowerFace:
    """The lower face in one frame of a clip.

    Attributes:
        clip: Name of the clip.
        image: uint8 (CANVAS, CANVAS, 3) BGR.
        landmarks: (478, 2) in its pixels.
    """

    clip: str
    image: Frame
    landmarks: Array

    @property
    def speaker(self) -> str:
        """Who it is."""
        return speaker_of(self.clip)


def read_lower_faces(folder: Path, clips: Sequence[Clip]) -> Iterator[LowerFace]:
    """Read frames evenly from the clips of a folder, about as many of each speaker."""
    counts = Counter(clip.speaker for clip in clips)
    for clip in clips:
        wanted = max(1, FRAMES_PER_SPEAKER // counts[clip.speaker])
        every = max(1, len(clip.landmarks) // wanted)
        video = probe_video(folder / clip.name)
        landmarks = smooth(clip.landmarks)
        with closing(read_frames(video, count=len(landmarks))) as frames:
            for index, frame in enumerate(frames):
                points = landmarks[index]
                if index % every == 0:
                    yield cut_out(frame, points, clip.name)


def read_portraits(folder: Path, tracker: Tracker) -> Iterator[LowerFace]:
    """Read the lower faces of photographs."""
    for path in sorted(folder.glob("*.jpg")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        larger = cv2.resize(picture, None, fx=PORTRAIT_SCALE, fy=PORTRAIT_SCALE, interpolation=cv2.INTER_CUBIC)
        rows, columns = (side // 2 * 2 for side in larger.shape[:2])
        frame = np.asarray(
            cv2.cvtColor(np.ascontiguousarray(larger[:rows, :columns]), cv2.COLOR_BGR2YUV_I420), np.uint8
        )
        landmarks = next(iter(tracker.track([frame])))
        if landmarks is not None:
            yield cut_out(frame, landmarks, path.name)


def tint(face: LowerFace, donor: LowerFace) -> LowerFace:
    """Give a grey picture the hues of another person's, whose face is at about the same place."""
    if np.ptp(face.image.astype(np.int16), axis=-1).mean() > GREY:
        return face
    lab = cv2.cvtColor(donor.image, cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.cvtColor(face.image, cv2.COLOR_BGR2LAB)[..., 0]
    return replace(face, image=np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8))


def cut_out(frame: Frame, landmarks: Array, clip: str) -> LowerFace:
    """Cut the lower face out of an I420 frame with landmarks (478, 3)."""
    matrix = cover_matrix(head_pose(landmarks, canonical_face()), CANVAS_SCALE, CANVAS)
    bgr = cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420)
    # Shrink large frames first: the warp alone would alias.
    by = max(1, int(1 / float(np.linalg.norm(matrix[0, :2]))))
    small = cv2.resize(bgr, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA) if by > 1 else bgr
    scaled = matrix * np.array([by, by, 1], np.float32)
    image = cv2.warpAffine(small, scaled, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    points = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return LowerFace(clip, np.asarray(image, np.uint8), np.asarray(points, np.float32))
