"""What the mesh engine estimates about a person from the track: closed mouth, range of motion, where to look."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from heygem_cli.face.geometry import CHIN, LIPS, Array, canonical_face, head_pose, mouth_opening
from heygem_cli.face.neutral import MAX_CLOSED_OPENING, closed_mouth
from heygem_cli.face.track import FaceTrack
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.interior import MIN_OPENING
from heygem_cli.mesh.mouth_shape import distances, spread, tracked_shape
from heygem_cli.mesh.targets import ClosedMouth

CHUNK = 1000
"""Frames of a track read at a time."""

MIN_TURN = 2.0
"""Degrees of head rotation below which the regression of the sway is damped."""

SPEECH_STD = 0.012
"""Standard deviation of the opening within a second, in inter-ocular distances, above which the person speaks."""
WINDOWS_PER_SECOND = 5
"""Windows of one second, overlapping, that begin in each second."""
MIN_SPEECH_WINDOWS = 6
"""Windows with speech needed to estimate the range of motion, about two seconds in a row."""
TYPICAL_OPENING = 0.125
"""90th percentile of the opening that the mouth-motion network predicts for speech, in inter-ocular distances."""
SPEECH_SHARE = 0.5
"""How far the opening predicted for the audio itself counts instead: it is low where the network is unsure of what it
hears, but also in calm speech."""
SCALE_EXPONENT = 0.8
"""Shrinks the estimated factor towards 1: a short video gives only a rough estimate."""
SCALE_LIMITS = (0.7, 1.6)

SEGMENT_SECONDS = 3.0
"""Length of the segment that interiors are taken from; all of it is decoded."""
MIN_SEGMENT = 8
"""Least number of frames in a segment."""
PICTURES = 32
"""Interiors that are taken from it."""
SIMILAR = 3.0
"""Distance of shapes of the mouth up to which the sharpest frame is taken instead of another."""
WIDEST = 0.95
"""Quantile of the opening, among frames that show the inside of the mouth, up to which interiors are taken. Wider ones
are often yawns, laughter or tracking errors."""
ENOUGH = 24
"""Frames that show the inside of the mouth and make a segment good enough."""
MAX_YAW = 25.0
"""Degrees of yaw up to which a frame shows the inside of the mouth well."""

CLOSED_CANDIDATES = 8
"""Frames with a closed mouth from which the lips may be taken."""
SPEED_COST = 0.2
"""How much the motion of the lips since the frame before, which blurs them, counts beside their shape."""
TURN_COST = 0.0004
"""Likewise for each degree that the head is turned from where it is mostly."""


def _chunks(track: FaceTrack) -> Iterator[tuple[slice, Array]]:
    for start in range(0, len(track), CHUNK):
        stop = min(start + CHUNK, len(track))
        yield slice(start, stop), track.rows(start, stop - start)


def estimate_closed_mouth(track: FaceTrack) -> ClosedMouth:
    """Estimate the person's closed mouth and how it sways in the canonical frame as the head turns and nods."""
    points, openings, angles = [], [], []
    for _, chunk in _chunks(track):
        rows = chunk[~np.isnan(chunk[:, 0, 0])]
        pose = head_pose(rows, canonical_face())
        points.append(pose.to_canonical(rows[:, [*LIPS, CHIN]]))
        openings.append(mouth_opening(rows))
        angles.append(np.column_stack([pose.yaw, pose.pitch]))
    tracked, opening, turned = (np.concatenate(parts) for parts in (points, openings, angles))
    facing = np.median(turned, 0).astype(np.float32)
    sway = fit_sway(tracked, opening, turned - facing)
    frontal = tracked - np.tensordot(turned - facing, sway, 1)
    return ClosedMouth(np.asarray(closed_mouth(frontal, opening), np.float32), facing, sway)


def fit_sway(points: Array, openings: Array, turned: Array) -> Array:
    """Estimate the displacement of canonical points per degree of yaw and of pitch, by ridge regression.

    Args:
        points: (frames, points, 3).
        openings: (frames,) mouth opening, a covariate.
        turned: (frames, 2) yaw and pitch in degrees from the median.

    Returns:
        (2, points, 3), close to 0 for a head that hardly turns.
    """
    known = np.column_stack([np.ones(len(points)), openings, turned]).astype(np.float64)
    ridge = np.diag([1e-9, MAX_CLOSED_OPENING**2, MIN_TURN**2, MIN_TURN**2]) * len(points)
    found = np.linalg.solve(known.T @ known + ridge, known.T @ points.reshape(len(points), -1))
    return np.asarray(found[2:].reshape(2, *points.shape[1:]), np.float32)


def estimate_opening_scale(track: FaceTrack, motion: Array, frame_rate: float) -> float:
    """Estimate how far the person opens the mouth in speech, relative to what the mouth-motion network predicts.

    This compares the 90th percentile of the opening during speech; 1 if the track shows too little speech.

    Args:
        track: The person.
        motion: (frames, 41, 3) what the network predicts for the audio, see :mod:`heygem_cli.speech.motion`.
        frame_rate: Of both.
    """
    openings = np.full(len(track), np.nan)
    for frames, rows in _chunks(track):
        openings[frames] = mouth_opening(rows)
    own = _speech_opening(openings[~np.isnan(openings)], frame_rate)
    middle = len(INNER_TOP) // 2
    predicted = _speech_opening(motion[:, INNER_BOTTOM[middle], 1] - motion[:, INNER_TOP[middle], 1], frame_rate)
    if own is None:
        return 1.0
    expected = TYPICAL_OPENING * ((predicted or TYPICAL_OPENING) / TYPICAL_OPENING) ** SPEECH_SHARE
    return float(np.clip((own / expected) ** SCALE_EXPONENT, *SCALE_LIMITS))


def _speech_opening(openings: Array, frame_rate: float) -> float | None:
    """Return the 90th percentile of the opening in speech above the closed mouth; None if there is too little speech.

    Args:
        openings: (frames,) in inter-ocular distances.
        frame_rate: Frames per second.
    """
    second = max(WINDOWS_PER_SECOND, round(frame_rate))
    if len(openings) < second:
        return None
    windows = sliding_window_view(openings, second)[:: second // WINDOWS_PER_SECOND]
    speech = windows[windows.std(1) > SPEECH_STD]
    if len(speech) < MIN_SPEECH_WINDOWS:
        return None
    return float(np.percentile(speech, 90) - np.percentile(openings, 5))


def segment_length(frame_rate: float) -> int:
    """Return the number of frames in a segment."""
    return max(MIN_SEGMENT, round(SEGMENT_SECONDS * frame_rate))


def find_open_mouths(track: FaceTrack, frame_rate: float) -> list[list[int]]:
    """Find frames of one segment that show the inside of the mouth.

    The segment is the first that shows it in enough frames, otherwise the one that shows it in most.

    Returns:
        Groups of frames with similar shapes of the mouth, from narrow to wide open, which may share frames.
    """
    length = segment_length(frame_rate)
    openings = np.full(len(track), -1.0)
    for frames, rows in _chunks(track):
        pose = head_pose(np.nan_to_num(rows), canonical_face())
        usable = track.present[frames] & (np.abs(pose.yaw) < MAX_YAW)
        openings[frames][usable] = mouth_opening(rows[usable])
    segments = np.array_split(openings, np.arange(length, len(openings), length))
    counts = [min(np.count_nonzero(segment >= MIN_OPENING), ENOUGH) for segment in segments]
    best = int(np.argmax(counts))
    showing = np.flatnonzero(segments[best] >= MIN_OPENING)
    ranked = showing[np.argsort(segments[best][showing], kind="stable")] + best * length
    ranked = ranked[: round(WIDEST * (len(ranked) - 1)) + 1]
    return _group_by_shape(track, ranked.tolist())


def _group_by_shape(track: FaceTrack, frames: list[int]) -> list[list[int]]:
    """Return those with similar mouths for up to :data:`PICTURES` of the frames; groups and frames keep their order."""
    if not frames:
        return []
    shapes = tracked_shape(np.concatenate([track.rows(frame, 1) for frame in frames]))
    centers = sorted(spread(shapes, PICTURES))
    similar = [np.flatnonzero(distances(shapes, shapes[center]) <= SIMILAR**2) for center in centers]
    return [[frames[place] for place in places] for places in similar]


def find_closed_mouths(track: FaceTrack, closed: ClosedMouth, frame_rate: float, near: int) -> list[list[int]]:
    """Find frames whose lips are most like the person's closed mouth and move least.

    Returns:
        Those in the segment of the frame ``near``, then those in the best one of the others; empty lists for a person
        who never closes the mouth.
    """
    costs, length = _closing_costs(track, closed), segment_length(frame_rate)
    start = near // length * length
    other = costs.copy()
    other[start : start + length] = np.inf
    found = []
    for segment in (start, int(np.argmin(other)) // length * length):
        best = segment + np.argsort(costs[segment : segment + length], kind="stable")[:CLOSED_CANDIDATES]
        found.append([int(index) for index in best if np.isfinite(costs[index])])
    return found


def _closing_costs(track: FaceTrack, closed: ClosedMouth) -> Array:
    """Return how unlike the closed mouth the lips are in each frame (frames,), infinite where they are open."""
    costs = np.full(len(track), np.inf, np.float32)
    for frames, rows in _chunks(track):
        present = ~np.isnan(rows[:, 0, 0])
        known = rows[present]
        pose = head_pose(known, canonical_face())
        lips = pose.to_canonical(known[:, LIPS])
        shape = np.abs(lips - closed.points_at(pose)[:, :40])[..., :2].mean((1, 2))
        moved = np.zeros(len(rows))
        moved[1:] = np.abs(np.diff(rows[:, LIPS, :2], axis=0)).mean((1, 2))
        speed = moved[present] / pose.scale
        turn = np.hypot(pose.yaw - closed.facing[0], pose.pitch - closed.facing[1])
        usable = (mouth_opening(known) <= MAX_CLOSED_OPENING) & ~np.isnan(speed)
        costs[frames][present] = np.where(usable, shape + SPEED_COST * np.nan_to_num(speed) + TURN_COST * turn, np.inf)
    return costs
