"""Figures of a talking mouth: pure functions of curves, landmarks and samples.

A curve is one value a frame, NaN where no face was found; only frames known on both sides count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import LIPS, STABLE, Array, head_pose, interocular, mouth_opening

Curve = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BAND = (150, 7000)
"""Hertz. Between these speech is heard; below them a room rumbles, even between words."""
QUIET = 30.0
"""Decibels below loud speech (the 95th percentile) at which a frame of sound may be silent: speech itself spans as much
(ANSI S3.5-1997, speech intelligibility index)."""
ROOM = 10.0
"""Decibels above the quietest (the 5th percentile) up to which there is only the room: a breath is heard above it, and
who draws one opens the mouth."""
INAUDIBLE = 1e-7
"""Power below which it does not count how quiet it is: a recording may have been faded out, or cut to nothing."""
LONG = 0.15
"""Seconds that it must be quiet before and after a frame that counts as silent: lips open before a sound begins."""
OPEN = 0.02
"""Inter-ocular distances above the person's closed mouth from which a mouth counts as open."""


def correlation(one: Curve, other: Curve) -> float:
    """Pearson's correlation, NaN where a curve is constant or fewer than three frames are known."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or min(np.ptp(one[known]), np.ptp(other[known])) == 0:
        return float("nan")
    return float(np.corrcoef(one[known], other[known])[0, 1])


def best_lag(generated: Curve, real: Curve, reach: int) -> tuple[int, float]:
    """Find the lag in frames with the highest correlation; positive when the generated mouth is late.

    Args:
        generated: curve of the output.
        real: curve of the real clip, of the same length.
        reach: frames to look at on each side.
    """
    count = len(real)
    by_lag = {
        lag: correlation(generated[max(0, lag) : count + min(0, lag)], real[max(0, -lag) : count - max(0, lag)])
        for lag in range(-reach, reach + 1)
    }
    lag = max(by_lag, key=lambda lag: (np.nan_to_num(by_lag[lag], nan=-1), -abs(lag)))
    return lag, by_lag[lag]


def spread_ratio(generated: Curve, real: Curve) -> float:
    """How far the generated curve swings as a share of the real one: the ratio of their standard deviations."""
    known = np.isfinite(generated) & np.isfinite(real)
    return float(generated[known].std() / real[known].std()) if real[known].std() > 0 else float("nan")


def opening(landmarks: Array) -> Curve:
    """Inner lip opening (frames,) of landmarks (frames, 478, 3), in inter-ocular distances."""
    return np.asarray(mouth_opening(landmarks), np.float64)


def lip_shapes(landmarks: Array) -> Array:
    """Lips (frames, 40, 2) of landmarks (frames, 478, 3): upright, centred, in inter-ocular distances."""
    shapes = np.full((len(landmarks), len(LIPS), 2), np.nan, np.float32)
    known = np.isfinite(landmarks[:, 0, 0])
    if known.any():
        found = landmarks[known]
        lips = head_pose(found, canonical_face()).to_canonical(found[:, list(LIPS)])[..., :2]
        shapes[known] = lips - lips.mean(1, keepdims=True)
    return shapes


def landmark_distance(generated: Array, real: Array) -> float:
    """Mean distance of lip landmarks (LMD) in inter-ocular distances, the lips' middles laid on each other.

    L. Chen et al., "Lip movements generation at a glance", ECCV 2018.

    Args:
        generated: landmarks (frames, 478, 3) of the output.
        real: those of the real clip.
    """
    return float(np.nanmean(np.linalg.norm(lip_shapes(generated) - lip_shapes(real), axis=-1)))


def jitter(landmarks: Array) -> float:
    """Mean second difference of the points that speech does not move, in inter-ocular distances."""
    points = landmarks[:, list(STABLE), :2]
    jerk = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=-1).mean(1)
    return float(np.nanmean(jerk / interocular(landmarks[1:-1])))


def band_power(samples: Array, rate: int) -> float:
    """Mean power of the speech band, see :data:`BAND`, in a frame's samples of some rate; 0 of none.

    The program has its own measure in :mod:`heygem_cli.speech.silence`; what is judged must not set its own standard.
    """
    if not len(samples):
        return 0.0
    window = np.hanning(len(samples) + 2)[1:-1]
    spectrum = np.abs(np.fft.rfft(samples * window)) ** 2
    low, high = (hertz * len(samples) // rate for hertz in BAND)
    return float(2 * spectrum[low:high].sum() / (len(samples) * (window**2).sum()))


def silent_frames(samples: Array, rate: int, fps: float, count: int) -> Mask:
    """Tell which video frames (count,) are silent, see :data:`QUIET`, :data:`ROOM` and :data:`LONG`.

    Args:
        samples: mono (samples,); what lies after their end is silent.
        rate: of the samples.
        fps: of the video.
        count: of frames.
    """
    edges = np.round(np.arange(count + 1) * rate / fps).astype(int)
    power = np.array([band_power(samples[a:b], rate) for a, b in pairwise(edges)])
    level = 10 * np.log10(np.maximum(power, INAUDIBLE))
    room, speech = np.percentile(level[edges[:-1] < len(samples)], (5, 95))
    loud = level > min(speech - QUIET, room + ROOM)
    reach = round(LONG * fps)
    silent = ~np.convolve(loud, np.ones(2 * reach + 1), "same").astype(bool)
    # At the clip's ends nobody knows what was before and after: the pause must be long enough by itself.
    edges = [0, *(np.flatnonzero(np.diff(loud)) + 1), count]
    for start, stop in pairwise(edges):
        silent[start:stop] &= stop - start > 2 * LONG * fps
    return np.asarray(silent)


def open_in_silence(generated: Curve, real: Curve, silent: Mask) -> float:
    """Share of the silent frames in which the mouth is open, see :data:`OPEN`; NaN without silence.

    Args:
        generated: opening of the output.
        real: opening of the real clip; its 5th percentile is taken for the closed mouth.
        silent: which frames are silent.
    """
    known = silent & np.isfinite(generated)
    if not known.any():
        return float("nan")
    return float((generated[known] > np.nanpercentile(real, 5) + OPEN).mean())


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Mean of one over the mean of the other, over the frames where both are known; NaN where none is."""
    pairs = np.array([ours, theirs], np.float64)
    one, other = pairs[:, np.isfinite(pairs).all(0)].sum(1)
    return float(one / other) if other else float("nan")


def flicker(light: Curve) -> float:
    """Mean second difference in time of the light (frames, points) at points that move with the face.

    Motion is taken out by the points, a change of light by the difference; what comes and goes stays.
    """
    return float(np.nanmean(np.abs(light[2:] - 2 * light[1:-1] + light[:-2])))
