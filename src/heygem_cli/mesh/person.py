"""What the mesh engine estimates about a person from the track: closed mouth, range of motion, mouth interiors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from heygem_cli.face.geometry import CHIN, LIPS, Array, canonical_face, head_pose, mouth_opening
from heygem_cli.face.neutral import MAX_CLOSED_OPENING, closed_mouth
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame, VideoInfo, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.cover import covers_mouth
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.drawn_mouth import DrawnMouth, draw_mouth
from heygem_cli.mesh.face_light import eye_opening
from heygem_cli.mesh.interior import MIN_OPENING, Interior, extract_interior
from heygem_cli.mesh.targets import ClosedMouth
from heygem_cli.mesh.teeth import choose_mouth

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
RANKS = (0.02, 0.16, 0.29, 0.43, 0.56, 0.7, 0.83, 0.95)
"""Quantiles of the opening, among frames that show the inside of the mouth, at which interiors are taken. The widest
openings are left out: they are often yawns, laughter or tracking errors."""
RANK_TOLERANCE = 0.05
"""Quantiles around each rank from which the sharpest frame is chosen."""
CANDIDATES_PER_RANK = 3
"""Frames per rank that make a segment good enough."""
MAX_YAW = 25.0
"""Degrees of yaw up to which a frame shows the inside of the mouth well."""

LOOKS = 50
"""Frames, spread over the video, that are looked at to choose the mouth of a person who never opens it."""


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


def find_open_mouths(track: FaceTrack, frame_rate: float) -> list[list[int]]:
    """Find frames of one segment that show the inside of the mouth, in groups from narrow to wide open.

    The segment is the first that shows it in enough frames, otherwise the one that shows it in most.
    """
    length = max(len(RANKS), round(SEGMENT_SECONDS * frame_rate))
    openings = np.full(len(track), -1.0)
    for frames, rows in _chunks(track):
        pose = head_pose(np.nan_to_num(rows), canonical_face())
        usable = track.present[frames] & (np.abs(pose.yaw) < MAX_YAW)
        openings[frames][usable] = mouth_opening(rows[usable])
    segments = np.array_split(openings, np.arange(length, len(openings), length))
    counts = [min(np.count_nonzero(segment >= MIN_OPENING), CANDIDATES_PER_RANK * len(RANKS)) for segment in segments]
    best = int(np.argmax(counts))
    showing = np.flatnonzero(segments[best] >= MIN_OPENING)
    ranked = (showing[np.argsort(segments[best][showing], kind="stable")] + best * length).tolist()
    last = len(ranked) - 1
    spans = [(max(0.0, rank - RANK_TOLERANCE) * last, min(rank + RANK_TOLERANCE, RANKS[-1]) * last) for rank in RANKS]
    return [ranked[round(low) : round(high) + 1] for low, high in spans if ranked]


def extract_interiors(video: VideoInfo, track: FaceTrack, network: CoverNetwork) -> tuple[Interior, ...] | DrawnMouth:
    """Extract the person's interiors, sorted by opening; a drawn mouth if the mouth never opens.

    Among frames with a similar opening the sharpest is taken, as many are blurred by motion, unless something covers
    the mouth there.
    """
    groups = find_open_mouths(track, float(video.fps))
    if not groups:
        return _draw_mouth(video, track)
    first, last = min(map(min, groups)), max(map(max, groups))
    rows = track.rows(first, last - first + 1)
    sharpest: dict[int, tuple[float, int, Interior]] = {}
    covered: dict[int, bool] = {}
    with closing(read_frames(video, start=first, count=last - first + 1)) as frames:
        for index, frame, landmarks in zip(count(first), frames, rows, strict=False):
            for number, group in enumerate(groups):
                if index in group:
                    sharpness = inner_sharpness(frame, landmarks[list(LIPS), :2])
                    if number in sharpest and sharpness <= sharpest[number][0]:
                        continue
                    if index not in covered:
                        covered[index] = covers_mouth(network, frame, landmarks)
                    if not covered[index]:
                        sharpest[number] = sharpness, index, _extract_interior(frame, landmarks)
    if not sharpest:
        return _draw_mouth(video, track)
    # In a short video, groups may share a frame.
    return tuple({index: interior for _, index, interior in (sharpest[number] for number in sorted(sharpest))}.values())


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
    return extract_interior(frame, landmarks[list(LIPS), :2], eye_distance)


def inner_sharpness(frame: Frame, lips: Array) -> float:
    """Return the variance of the luma's Laplacian around the inner lips of lip points (40, 2) in pixels."""
    inner = lips[[*INNER_TOP, *INNER_BOTTOM]]
    luma = planes(frame)[0]
    (left, top), (right, bottom) = inner.min(0).astype(int).clip(0), np.ceil(inner.max(0)).astype(int)
    part = luma[top:bottom, left:right]
    return float(cv2.Laplacian(part, cv2.CV_32F).var()) if part.size else 0.0
