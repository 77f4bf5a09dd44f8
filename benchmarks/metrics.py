"""Metrics of a talking mouth: pure functions of curves, landmarks and samples.

A curve has one value per frame, NaN if no face was found; only frames that are known in both curves count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from training.bilabials import TOUCH, find_closure

from heygem_cli.face.geometry import LIPS, STABLE, Array, canonical_face, head_pose, interocular, mouth_opening

Curve = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SPEECH_BAND = (150, 7000)
"""Frequencies of speech in hertz; below, room rumble is present even between words."""
SPEECH_RANGE = 30.0
"""Decibels below loud speech (the 95th percentile) from which a frame may be silent, the dynamic range of speech
(ANSI S3.5-1997, speech intelligibility index)."""
BACKGROUND_RANGE = 10.0
"""Decibels above the background (the 5th percentile) up to which a frame may be silent. Breathing is louder, and
people open the mouth to breathe."""
MIN_POWER = 1e-7
"""Power below which levels are not distinguished: a recording may fade out or end in digital silence."""
MARGIN = 0.15
"""Seconds of silence required before and after a silent frame: lips part before the sound begins."""
OPEN = 0.02
"""Opening above the person's closed mouth, in inter-ocular distances, from which a mouth counts as open."""


def correlation(one: Curve, other: Curve) -> float:
    """Return Pearson's correlation, NaN if a curve is constant or fewer than three frames are known."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < 3 or min(np.ptp(one[known]), np.ptp(other[known])) == 0:
        return float("nan")
    return float(np.corrcoef(one[known], other[known])[0, 1])


def best_lag(generated: Curve, real: Curve, max_lag: int) -> tuple[int, float]:
    """Find the lag in frames with the highest correlation, and return both.

    Args:
        generated: Curve of the output; the lag is positive if it is late.
        real: Curve of the real clip, of the same length.
        max_lag: Frames to search in each direction.
    """
    count = len(real)
    by_lag = {
        lag: correlation(generated[max(0, lag) : count + min(0, lag)], real[max(0, -lag) : count - max(0, lag)])
        for lag in range(-max_lag, max_lag + 1)
    }
    lag = max(by_lag, key=lambda lag: (np.nan_to_num(by_lag[lag], nan=-1), -abs(lag)))
    return lag, by_lag[lag]


def amplitude_ratio(generated: Curve, real: Curve) -> float:
    """Return the ratio of the standard deviations of two curves."""
    known = np.isfinite(generated) & np.isfinite(real)
    return float(generated[known].std() / real[known].std()) if real[known].std() > 0 else float("nan")


def opening(landmarks: Array) -> Curve:
    """Return the inner lip opening (frames,) of landmarks (frames, 478, 3) in inter-ocular distances."""
    return np.asarray(mouth_opening(landmarks), np.float64)


def lip_shapes(landmarks: Array) -> Array:
    """Return the lips (frames, 40, 2) of landmarks (frames, 478, 3), upright and centred, in inter-ocular distances."""
    shapes = np.full((len(landmarks), len(LIPS), 2), np.nan, np.float32)
    known = np.isfinite(landmarks[:, 0, 0])
    if known.any():
        found = landmarks[known]
        lips = head_pose(found, canonical_face()).to_canonical(found[:, list(LIPS)])[..., :2]
        shapes[known] = lips - lips.mean(1, keepdims=True)
    return shapes


def landmark_distance(generated: Array, real: Array) -> float:
    """Return the mean distance of centred lip landmarks (LMD) in inter-ocular distances.

    L. Chen et al., "Lip movements generation at a glance", ECCV 2018.

    Args:
        generated: Landmarks (frames, 478, 3) of the output.
        real: Landmarks of the real clip.
    """
    return float(np.nanmean(np.linalg.norm(lip_shapes(generated) - lip_shapes(real), axis=-1)))


def jitter(landmarks: Array) -> float:
    """Return the mean second difference of points that speech does not move, in inter-ocular distances."""
    points = landmarks[:, list(STABLE), :2]
    jerk = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=-1).mean(1)
    return float(np.nanmean(jerk / interocular(landmarks[1:-1])))


def band_power(samples: Array, rate: int) -> float:
    """Return the mean power in the speech band of the samples of one frame, 0 if there are none.

    Independent of :mod:`heygem_cli.speech.silence` on purpose: the program must not be measured by its own standard.
    """
    if not len(samples):
        return 0.0
    window = np.hanning(len(samples) + 2)[1:-1]
    spectrum = np.abs(np.fft.rfft(samples * window)) ** 2
    low, high = (hertz * len(samples) // rate for hertz in SPEECH_BAND)
    return float(2 * spectrum[low:high].sum() / (len(samples) * (window**2).sum()))


def silent_frames(samples: Array, rate: int, fps: float, count: int) -> Mask:
    """Return which video frames (count,) are silent.

    Args:
        samples: Mono (samples,), followed by silence.
        rate: Sample rate.
        fps: Frame rate of the video.
        count: Number of frames.
    """
    edges = np.round(np.arange(count + 1) * rate / fps).astype(int)
    power = np.array([band_power(samples[a:b], rate) for a, b in pairwise(edges)])
    level = 10 * np.log10(np.maximum(power, MIN_POWER))
    background, speech = np.percentile(level[edges[:-1] < len(samples)], (5, 95))
    loud = level > min(speech - SPEECH_RANGE, background + BACKGROUND_RANGE)
    margin = round(MARGIN * fps)
    silent = ~np.convolve(loud, np.ones(2 * margin + 1), "same").astype(bool)
    # What precedes and follows the clip is unknown: a pause at its ends must be long enough by itself.
    edges = [0, *(np.flatnonzero(np.diff(loud)) + 1), count]
    for start, stop in pairwise(edges):
        silent[start:stop] &= stop - start > 2 * MARGIN * fps
    return np.asarray(silent)


def open_in_silence(generated: Curve, real: Curve, silent: Mask) -> float:
    """Return the share of silent frames in which the mouth is open; NaN without silence.

    Args:
        generated: Opening of the output.
        real: Opening of the real clip; its 5th percentile is the closed mouth.
        silent: Which frames are silent.
    """
    known = silent & np.isfinite(generated)
    if not known.any():
        return float("nan")
    return float((generated[known] > np.nanpercentile(real, 5) + OPEN).mean())


def closing_frames(real: Curve, times: Sequence[float], fps: float) -> list[int]:
    """Return the frames in which the real lips touch for bilabials, nearest to where the sound has each.

    Args:
        real: Opening of the real clip; its 5th percentile is the closed mouth.
        times: Times of the bilabials in seconds.
        fps: Frame rate.
    """
    above = np.asarray(real - np.nanpercentile(real, 5), np.float32)
    found = [find_closure(above, time, fps) for time in times]
    return [frame for frame in found if frame is not None]


def closed_share(generated: Curve, real: Curve, frames: Sequence[int]) -> float:
    """Return the share of closures for which the generated lips touch within one frame; NaN without any.

    Args:
        generated: Opening of the output.
        real: Opening of the real clip; its 5th percentile is the closed mouth.
        frames: See :func:`closing_frames`.
    """
    limit = np.nanpercentile(real, 5) + TOUCH
    touching = [bool((generated[max(0, frame - 1) : frame + 2] <= limit).any()) for frame in frames]
    return float(np.mean(touching)) if touching else float("nan")


def ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """Return the ratio of the means over the frames where both are known; NaN if there is none."""
    pairs = np.array([values, reference], np.float64)
    one, other = pairs[:, np.isfinite(pairs).all(0)].sum(1)
    return float(one / other) if other else float("nan")


def flicker(luma: Curve) -> float:
    """Return the mean second difference in time of luma (frames, points) sampled at points that follow the face.

    The points compensate for motion and the difference for gradual changes of lighting.
    """
    return float(np.nanmean(np.abs(luma[2:] - 2 * luma[1:-1] + luma[:-2])))
