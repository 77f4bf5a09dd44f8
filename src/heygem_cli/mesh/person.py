"""What the mesh engine learns about a person from the track: the closed mouth, its range, pictures of its inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import CHIN, LIPS, Array, head_pose, mouth_opening
from heygem_cli.face.neutral import MAX_CLOSED_OPENING, closed_mouth
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.interior import SHOWS, Interior, take_interior
from heygem_cli.mesh.procedural import draw_interior
from heygem_cli.mesh.targets import ClosedMouth

CHUNK = 1000
"""Frames of a track read at a time."""
RANKS = (0.02, 0.16, 0.29, 0.43, 0.56, 0.7, 0.83, 0.95)
"""Which frames show the inside of the mouth, by the share of such frames that are open less. Not the widest of all:
that is often a yawn, a laugh or a slip of the tracker."""
NEAR = 0.05
"""Ranks up to which frames around are open alike."""
STRETCH = 3.0
"""Seconds of the stretch in which they lie: all of it is decoded for them."""
ENOUGH = 3
"""So many times as many frames of a stretch must show the inside that there is a choice."""
SURE = 2.0
"""Degrees by which a head must turn before it tells how the mouth sways with it."""
MOVING = 0.012
"""Inter-ocular distances: standard deviation of the opening within a second from which the mouth moves as in speech."""
WINDOWS = 5
"""How many seconds begin in a second: they overlap."""
SPEAKING = 6
"""Seconds with such motion, one after the other about two seconds long, that it takes to know the person's range."""
USUAL = 0.125
"""Inter-ocular distances: 90th percentile of the opening that the mouth-motion network predicts in speech."""
TRUST = 0.8
"""Power of the ratio of both: a short video tells the range only roughly, and the network is not always right."""
LIMITS = (0.7, 1.6)
"""Of the factor."""
FRONTAL = 25.0
"""Degrees of yaw up to which it shows it well."""


def _chunks(track: FaceTrack) -> Iterator[Array]:
    for start in range(0, len(track), CHUNK):
        rows = track.rows(start, min(CHUNK, len(track) - start))
        yield rows[~np.isnan(rows[:, 0, 0])]


def learn_closed_mouth(track: FaceTrack) -> ClosedMouth:
    """The person's closed mouth, and how it sways in the canonical frame when the head turns and nods."""
    points, openings, turns = [], [], []
    for rows in _chunks(track):
        pose = head_pose(rows, canonical_face())
        points.append(pose.to_canonical(rows[:, [*LIPS, CHIN]]))
        openings.append(mouth_opening(rows))
        turns.append(np.column_stack([pose.yaw, pose.pitch]))
    seen, opened, turned = (np.concatenate(parts) for parts in (points, openings, turns))
    facing = np.median(turned, 0).astype(np.float32)
    sway = fit_sway(seen, opened, turned - facing)
    straight = seen - np.tensordot(turned - facing, sway, 1)
    return ClosedMouth(np.asarray(closed_mouth(straight, opened), np.float32), facing, sway)


def fit_sway(points: Array, openings: Array, turned: Array) -> Array:
    """What a degree of yaw and of pitch adds to points in the canonical frame: ridge regression beside the opening.

    Args:
        points: (frames, points, 3).
        openings: (frames,) of the mouth.
        turned: (frames, 2) yaw and pitch in degrees from the usual.

    Returns:
        (2, points, 3), next to 0 for a head that hardly turns.
    """
    known = np.column_stack([np.ones(len(points)), openings, turned]).astype(np.float64)
    ridge = np.diag([1e-9, MAX_CLOSED_OPENING**2, SURE**2, SURE**2]) * len(points)
    found = np.linalg.solve(known.T @ known + ridge, known.T @ points.reshape(len(points), -1))
    return np.asarray(found[2:].reshape(2, *points.shape[1:]), np.float32)


def learn_range(track: FaceTrack, rate: float) -> float:
    """How far the person opens the mouth in speech, as a factor of what the mouth-motion network predicts.

    The 90th percentile of the opening above the closed mouth, in the seconds of the face video in which the mouth
    moves as in speech; 1 where there are too few of them: a still image, a silent face.

    Args:
        track: of the face.
        rate: frames a second.
    """
    openings = np.full(len(track), np.nan)
    for start in range(0, len(track), CHUNK):
        rows = track.rows(start, min(CHUNK, len(track) - start))
        openings[start : start + len(rows)] = mouth_opening(rows)
    known = openings[~np.isnan(openings)]
    second = max(WINDOWS, round(rate))
    if len(known) < second:
        return 1.0
    seconds = sliding_window_view(known, second)[:: second // WINDOWS]
    speaking = seconds[seconds.std(1) > MOVING]
    if len(speaking) < SPEAKING:
        return 1.0
    opened = float(np.percentile(speaking, 90) - np.percentile(known, 5))
    return float(np.clip((opened / USUAL) ** TRUST, *LIMITS))


def find_open_mouths(track: FaceTrack, rate: float) -> list[list[int]]:
    """Indices of frames of one stretch that show the inside of the mouth, in groups from narrow to wide open.

    The first stretch in which enough frames show it, so that little must be decoded for them; if there is none, the one
    in which most do.

    Args:
        track: of the face.
        rate: frames a second.
    """
    length = max(len(RANKS), round(STRETCH * rate))
    openings = np.full(len(track), -1.0)
    for start in range(0, len(track), CHUNK):
        rows = track.rows(start, min(CHUNK, len(track) - start))
        pose = head_pose(np.nan_to_num(rows), canonical_face()) if len(rows) else None
        frontal = np.abs(pose.yaw) < FRONTAL if pose else np.zeros(0, bool)
        seen = track.present[start : start + len(rows)]
        openings[start : start + len(rows)][seen & frontal] = mouth_opening(rows[seen & frontal])
    stretches = np.array_split(openings, np.arange(length, len(openings), length))
    counts = [min(np.count_nonzero(stretch >= SHOWS), ENOUGH * len(RANKS)) for stretch in stretches]
    best = int(np.argmax(counts))
    showing = np.flatnonzero(stretches[best] >= SHOWS)
    ranked = (showing[np.argsort(stretches[best][showing], kind="stable")] + best * length).tolist()
    last = len(ranked) - 1
    spans = [(max(0.0, rank - NEAR) * last, min(rank + NEAR, RANKS[-1]) * last) for rank in RANKS]
    return [ranked[round(low) : round(high) + 1] for low, high in spans if ranked]


def _drawn(video: VideoInfo, track: FaceTrack) -> Interior:
    index = int(np.flatnonzero(track.present)[0])
    with closing(read_frames(video, start=index, count=1)) as frames:
        return draw_interior(next(frames), track.rows(index, 1)[0, list(LIPS), :2])


def learn_interiors(video: VideoInfo, track: FaceTrack) -> tuple[Interior, ...]:
    """What the inside of the person's mouth looks like, from narrow to wide open; drawn where it never opens.

    Of frames in which it is open alike the sharpest shows it: mouths move fast, and many pictures are blurred by that.
    """
    groups = find_open_mouths(track, float(video.fps))
    if not groups:
        return (_drawn(video, track),)
    first, last = min(map(min, groups)), max(map(max, groups))
    sharpest: dict[int, tuple[float, int, Interior]] = {}
    with closing(read_frames(video, start=first, count=last - first + 1)) as frames:
        for index, frame in enumerate(frames, first):
            for number, group in enumerate(groups):
                if index in group:
                    landmarks = track.rows(index, 1)[0]
                    sharp = inner_sharpness(frame, landmarks[list(LIPS), :2])
                    if number not in sharpest or sharp > sharpest[number][0]:
                        sharpest[number] = sharp, index, _taken(frame, landmarks)
    # In a short video one frame may stand in several groups.
    return tuple({index: interior for _, index, interior in (sharpest[number] for number in sorted(sharpest))}.values())


def _taken(frame: Frame, landmarks: Array) -> Interior:
    unit = float(head_pose(landmarks, canonical_face()).scale)
    return take_interior(frame, landmarks[list(LIPS), :2], unit)


def inner_sharpness(frame: Frame, lips: Array) -> float:
    """Variance of the Laplacian of the luma around the inner lips of lip points (40, 2) in pixels of an I420 frame."""
    inner = lips[[*INNER_TOP, *INNER_BOTTOM]]
    luma = planes(frame)[0]
    (left, top), (right, bottom) = inner.min(0).astype(int).clip(0), np.ceil(inner.max(0)).astype(int)
    part = luma[top:bottom, left:right]
    return float(cv2.Laplacian(part, cv2.CV_32F).var()) if part.size else 0.0
