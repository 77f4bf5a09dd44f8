"""Pictures of a person's mouth, taken from the face video: the inside of the open mouth, and the closed lips."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, count

import cv2
import numpy as np

from heygem_cli.face.geometry import LIPS, Array, canonical_face, head_pose
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo, planes
from heygem_cli.mesh.closed_lips import WIDE_MARGIN, ClosedLips, seam_contrast
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.cover import covers_mouth
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.drawn_mouth import DrawnMouth, draw_mouth
from heygem_cli.mesh.face_light import eye_opening
from heygem_cli.mesh.interior import Interior, extract_interior
from heygem_cli.mesh.mouth_shape import tracked_shape
from heygem_cli.mesh.open_mouths import OpenMouths
from heygem_cli.mesh.person import find_closed_mouths, find_open_mouths, segment_length
from heygem_cli.mesh.targets import ClosedMouth, visible_lips
from heygem_cli.mesh.teeth import choose_mouth

LOOKS = 50
"""Frames, spread over the video, that are looked at to choose the mouth of a person who never opens it."""
MAX_CONTRAST = 0.33
"""Above it lips do not touch, see :func:`seam_contrast`: in the best frame of each GRID clip it is 0.17 in the median,
but 0.37 in the median of those in which the mouth is open by 0.02 to 0.05 inter-ocular distances."""
SIMILAR_CONTRAST = 0.1
"""Among frames whose contrast is so little above the least, the sharpest is taken: blur lowers the contrast, too."""


@dataclass(frozen=True)
class MouthPictures:
    """Pictures of a person's mouth.

    Attributes:
        inside: The inside of the open mouth; a drawn mouth if it is never seen.
        lips: The closed lips; None if they are never seen closed, or the mouth is never open.
    """

    inside: OpenMouths | DrawnMouth
    lips: ClosedLips | None


def take_pictures(video: VideoInfo, track: FaceTrack, closed: ClosedMouth, network: CoverNetwork) -> MouthPictures:
    """Take the pictures of a person's mouth.

    Args:
        video: The face video.
        track: The person in it.
        closed: The person's closed mouth.
        network: Finds what covers the mouth: then the frame is not used.
    """
    groups = find_open_mouths(track, float(video.fps))
    if not groups:
        return MouthPictures(_draw_mouth(video, track), None)
    near, elsewhere = find_closed_mouths(track, closed, float(video.fps), near=groups[0][0])
    seen, lips = _look(video, track, network, groups, near)
    if lips is None:
        _, lips = _look(video, track, network, [], elsewhere)
    if not seen:
        return MouthPictures(_draw_mouth(video, track), lips)
    shapes, showing = (
        tracked_shape(np.concatenate([track.rows(index, 1) for index in frames])) for frames in (seen, chain(*groups))
    )
    return MouthPictures(OpenMouths(tuple(seen.values()), shapes, np.asarray(showing.mean(0), np.float32)), lips)


def _look(
    video: VideoInfo, track: FaceTrack, network: CoverNetwork, groups: Sequence[Sequence[int]], shut: Sequence[int]
) -> tuple[dict[int, Interior], ClosedLips | None]:
    """Look at frames that are open, in groups with similar shapes of the mouth, and at those that are closed.

    The sharpest of each group is taken, as many are blurred by motion.

    Returns:
        The interiors by frame, the widest opening last; the closed lips.
    """
    sharpest: dict[int, tuple[float, int, Interior]] = {}
    lips: list[_LipsFound] = []
    for index, frame, landmarks in _frames_at(video, track, {*shut, *chain(*groups)}):
        sharpness = inner_sharpness(frame, landmarks[list(LIPS), :2])
        better = [
            number
            for number, group in enumerate(groups)
            if index in group and (number not in sharpest or sharpness > sharpest[number][0])
        ]
        around = WIDE_MARGIN if index in shut else 0.0
        if not (better or index in shut) or covers_mouth(network, frame, landmarks, around):
            continue
        for number in better:
            sharpest[number] = sharpness, index, _extract_interior(frame, landmarks)
        if index in shut and _is_inside(landmarks[list(LIPS), :2], video):
            lips.append(_look_at_lips(frame, landmarks))
    # Groups may share a frame.
    interiors = {index: interior for _, index, interior in sharpest.values()}
    return dict(sorted(interiors.items(), key=lambda each: each[1].opening)), _choose_lips(lips)


def _frames_at(
    video: VideoInfo, track: FaceTrack, wanted: Iterable[int]
) -> Generator[tuple[int, Frame, Array], None, None]:
    """Yield the number, the I420 frame and the landmarks of frames, each segment of which is decoded at once."""
    length = segment_length(float(video.fps))
    segments: dict[int, set[int]] = {}
    for index in wanted:
        segments.setdefault(index // length, set()).add(index)
    for indices in segments.values():
        first, total = min(indices), max(indices) - min(indices) + 1
        rows = track.rows(first, total)
        with closing(read_frames(video, start=first, count=total)) as frames:
            for index, frame, landmarks in zip(count(first), frames, rows, strict=False):
                if index in indices:
                    yield index, frame, landmarks


@dataclass(frozen=True)
class _LipsFound:
    """Closed lips of one frame, the contrast of the line between them, and how sharp they are."""

    lips: ClosedLips
    contrast: float
    sharpness: float


def _is_inside(points: Array, video: VideoInfo) -> bool:
    return bool(((points >= 0) & (points < (video.width, video.height))).all())


def _look_at_lips(frame: Frame, landmarks: Array) -> _LipsFound:
    lips = ClosedLips.extract(frame, landmarks, head_pose(landmarks, canonical_face()))
    luma = planes(lips.picture)[0]
    sharpness = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    return _LipsFound(lips, seam_contrast(frame, landmarks[list(LIPS), :2]), sharpness)


def _choose_lips(found: list[_LipsFound]) -> ClosedLips | None:
    least = min((each.contrast for each in found), default=MAX_CONTRAST)
    limit = min(least + SIMILAR_CONTRAST, MAX_CONTRAST)
    closed = [each for each in found if each.contrast <= limit]
    return max(closed, key=lambda each: each.sharpness).lips if closed else None


def _draw_mouth(video: VideoInfo, track: FaceTrack) -> DrawnMouth:
    """Draw a mouth in the light of a frame with open eyes: their white tells how bright teeth are."""
    present = np.flatnonzero(track.present)
    chosen = np.unique(present[np.linspace(0, len(present) - 1, LOOKS).astype(int)]).tolist()
    landmarks = np.concatenate([track.rows(index, 1) for index in chosen])
    place = int(np.argmax(eye_opening(landmarks)))
    with closing(read_frames(video, start=chosen[place], count=1)) as frames:
        return draw_mouth(choose_mouth(landmarks), next(frames), landmarks[place])


def _extract_interior(frame: Frame, landmarks: Array) -> Interior:
    eye_distance = float(head_pose(landmarks, canonical_face()).scale)
    return extract_interior(frame, visible_lips(landmarks[list(LIPS), :2]), eye_distance)


def inner_sharpness(frame: Frame, lips: Array) -> float:
    """Return the variance of the luma's Laplacian around the inner lips of lip points (40, 2) in pixels."""
    inner = lips[[*INNER_TOP, *INNER_BOTTOM]]
    luma = planes(frame)[0]
    (left, top), (right, bottom) = inner.min(0).astype(int).clip(0), np.ceil(inner.max(0)).astype(int)
    part = luma[top:bottom, left:right]
    return float(cv2.Laplacian(part, cv2.CV_32F).var()) if part.size else 0.0
