"""Make ``models/head_motion.npz``, the motion of heads and lids: ``python -m training.head_motion --data DIR``.

``DIR/grid/train`` holds clips of the GRID corpus. Every speaker has the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.face.geometry import Array, canonical_face, head_pose, interocular
from heygem_cli.face.smooth import smooth
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.mesh.idle_motion import BLINK_RATE, LAGS, MODEL, PROSODY_SMOOTHING, lagged, loudness, smooth_columns
from heygem_cli.onnx import models_folder
from heygem_cli.speech.silence import speech_levels
from training.cards import write_card
from training.clips import Clip, load_clips
from training.measure import TRAIN, make_parser, start_command

RIDGE = 0.03
"""Variance of loudness below which the filter is damped."""
UPPER_LIDS, LOWER_LIDS = (159, 386), (145, 374)
BLINK_BELOW = 0.5
"""Opening of the eyes, relative to its median in the clip, below which they blink."""
BEFORE, AFTER = 6, 12
"""Frames of a blink before and after the one in which the eyes are closed most."""


@dataclass(frozen=True)
class Motion:
    """What a clip shows: loudness (frames, lags) and pitch, yaw and roll (frames, 3) around their mean, in degrees."""

    speaker: str
    loudness: Array
    angles: Array


def head_angles(landmarks: Array) -> Array:
    """Return pitch, yaw and roll (frames, 3) in degrees of landmarks (frames, 478, 3)."""
    pose = head_pose(smooth(landmarks), canonical_face())
    roll = np.degrees(np.arctan2(pose.rotation[:, 1, 0], pose.rotation[:, 0, 0]))
    return np.asarray(np.column_stack([pose.pitch, pose.yaw, roll]), np.float32)


def clip_motion(clip: Clip) -> Motion:
    """Measure a clip; noise of the tracker, which is faster than a syllable, is averaged out."""
    angles = smooth_columns(head_angles(clip.landmarks), PROSODY_SMOOTHING * clip.fps)
    frames = min(len(angles), len(levels := speech_levels(clip.samples)))
    angles = angles[:frames] - angles[:frames].mean(0)
    return Motion(clip.speaker, lagged(loudness(levels[:frames], clip.fps), clip.fps), angles)


def fit_prosody(motions: Sequence[Motion]) -> Array:
    """Fit the filter (lags, 3) from loudness to angles by ridge regression."""
    known, wanted = np.zeros((len(LAGS), len(LAGS))), np.zeros((len(LAGS), 3))
    speakers = _by_speaker(motions).values()
    for theirs in speakers:
        weight = 1 / sum(len(each.angles) for each in theirs)
        for each in theirs:
            known += weight * (each.loudness.T @ each.loudness)
            wanted += weight * (each.loudness.T @ each.angles)
    ridge = RIDGE * len(speakers) * np.eye(len(LAGS))
    return np.asarray(np.linalg.solve(known + ridge, wanted), np.float32)


def _by_speaker(motions: Sequence[Motion]) -> dict[str, list[Motion]]:
    speakers: dict[str, list[Motion]] = {}
    for each in motions:
        speakers.setdefault(each.speaker, []).append(each)
    return speakers


def held_out_correlation(motions: Sequence[Motion]) -> Array:
    """Return the mean correlation (3,) of the angles that loudness predicts with those of speakers held out."""
    correlations = []
    for speaker, theirs in _by_speaker(motions).items():
        prosody = fit_prosody([each for each in motions if each.speaker != speaker])
        predicted = np.concatenate([each.loudness @ prosody for each in theirs])
        real = np.concatenate([each.angles for each in theirs])
        correlations.append([np.corrcoef(predicted[:, angle], real[:, angle])[0, 1] for angle in range(3)])
    return np.asarray(np.mean(correlations, 0), np.float32)


def fit_rest(motions: Sequence[Motion], prosody: Array, rate: float) -> tuple[Array, Array]:
    """Measure the rest: its standard deviation (3,) in degrees, and its pace (3,) in seconds.

    White noise after a Gaussian window of deviation s has the autocorrelation exp(−t² / 4 s²).
    """
    speakers = _by_speaker(motions).values()
    rests = [[each.angles - each.loudness @ prosody for each in theirs] for theirs in speakers]
    variance = np.mean([np.mean([(rest**2).mean(0) for rest in theirs], 0) for theirs in rests], 0)
    pace = []
    for angle in range(3):
        for lag in range(1, 40):
            products = [np.mean([(r[:-lag] * r[lag:]).mean(0)[angle] for r in theirs]) for theirs in rests]
            if np.mean(products) < variance[angle] / 2:
                break
        pace.append(lag / rate / (2 * np.sqrt(np.log(2))))
    return np.asarray(np.sqrt(variance), np.float32), np.asarray(pace, np.float32)


def blinks(clip: Clip) -> list[Array]:
    """Return how far the eyes are open around each blink of a clip, relative to their median."""
    upper, lower = clip.landmarks[:, UPPER_LIDS, :2], clip.landmarks[:, LOWER_LIDS, :2]
    opening = np.linalg.norm(upper - lower, axis=-1).mean(1) / interocular(clip.landmarks)
    opening /= np.median(opening)
    found, frame = [], 0
    while frame < len(opening):
        if opening[frame] >= BLINK_BELOW:
            frame += 1
            continue
        start = frame
        while frame < len(opening) and opening[frame] < BLINK_BELOW:
            frame += 1
        closed = start + int(opening[start:frame].argmin())
        if BEFORE <= closed < len(opening) - AFTER:
            found.append(np.asarray(opening[closed - BEFORE : closed + AFTER + 1], np.float32))
    return found


def blink_course(found: Sequence[Array]) -> Array:
    """Return how far the eye is closed, 0 … 1, in the median blink."""
    opening = np.median(found, 0)
    closure = (1 - opening) / (1 - opening[BEFORE])
    # The lids rise slowly at last, and are where they were before.
    return np.asarray(
        np.clip(closure, 0, 1) * np.interp(np.arange(len(closure)), [0, 2, BEFORE + 8, len(closure) - 1], [0, 1, 1, 0]),
        np.float32,
    )


def make_model(clips: Sequence[Clip], path: Path) -> None:
    """Measure clips and write the model and its card."""
    motions = [clip_motion(clip) for clip in clips]
    prosody = fit_prosody(motions)
    deviation, pace = fit_rest(motions, prosody, BLINK_RATE)
    found = [blink for clip in clips for blink in blinks(clip)]
    np.savez(path, prosody=prosody, deviation=deviation, pace=pace, blink=blink_course(found))
    rows = zip(("pitch", "yaw", "roll"), held_out_correlation(motions), deviation, pace, strict=True)
    facts = {
        "{clips}": str(len(clips)),
        "{speakers}": str(len(_by_speaker(motions))),
        "{blinks}": str(len(found)),
        "{rows}": "\n".join(f"| {name} | {r:.2f} | {size:.2f}° | {time:.2f} s |" for name, r, size, time in rows),
    }
    write_card(path, {}, facts)


def main() -> None:
    """Run the command."""
    options, settings = start_command(make_parser(__doc__ or ""))
    clips = load_clips(options.data / TRAIN, FaceTracker("cpu", settings), options.work / TRAIN)
    make_model(clips, models_folder() / MODEL)


if __name__ == "__main__":
    main()
