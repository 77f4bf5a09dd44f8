"""Scores of predicted mouth motion against that of people filmed while speaking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array
from heygem_cli.speech.motion import MotionModel
from training.clips import Clip

MAX_LAG = 3


@dataclass(frozen=True)
class Score:
    """Predicted against real inner lip opening of one clip.

    Attributes:
        name: Name of the clip.
        correlation: Pearson's correlation at lag 0.
        best: Correlation at the best lag.
        lag: The best lag in frames, within ±3; positive if the prediction is late.
        amplitude: Standard deviation of the predicted opening over that of the real one.
    """

    name: str
    correlation: float
    best: float
    lag: int
    amplitude: float


def score(model: MotionModel, clips: Sequence[Clip]) -> list[Score]:
    """Predict the motion from each clip's sound, as the program does, and compare it with the real motion."""
    return [_score(clip, model.predict([clip.samples], Fraction(clip.fps)).offsets) for clip in clips]


def _score(clip: Clip, offsets: Array) -> Score:
    frames = min(len(offsets), len(clip.landmarks))
    predicted, real = opening(offsets)[:frames], clip.openings[:frames]
    by_lag = {lag: correlation_at(predicted, real, lag) for lag in range(-MAX_LAG, MAX_LAG + 1)}
    lag = max(by_lag, key=lambda frames: by_lag[frames])
    return Score(clip.name, by_lag[0], by_lag[lag], lag, float(predicted.std() / real.std()))


def opening(offsets: Array) -> Array:
    """Return the inner lip opening (frames,) of offsets (frames, 41, 2 or more)."""
    lower, upper = (offsets[:, LIPS.index(point), 1] for point in (INNER_LOWER_MID, INNER_UPPER_MID))
    return np.maximum(lower - upper, 0)


def correlation_at(predicted: Array, real: Array, lag: int) -> float:
    """Return Pearson's correlation with ``predicted`` delayed by ``lag`` frames; 0 if a curve is constant."""
    late, early = predicted[max(0, lag) :], real[max(0, -lag) :]
    frames = min(len(late), len(early))
    late, early = late[:frames] - late[:frames].mean(), early[:frames] - early[:frames].mean()
    scale = float(np.sqrt((late**2).sum() * (early**2).sum()))
    return float((late * early).sum()) / scale if scale > 1e-9 else 0.0


def table(scores: Sequence[Score]) -> str:
    """Format scores as a Markdown table with the means in the last row."""
    rows = ["| clip | correlation | at the best lag | lag (frames) | amplitude ratio |", "|---|---|---|---|---|"]
    rows += [f"| {s.name} | {s.correlation:.2f} | {s.best:.2f} | {s.lag:+d} | {s.amplitude:.2f} |" for s in scores]
    means = [float(np.mean([getattr(s, metric) for s in scores])) for metric in ("correlation", "best", "amplitude")]
    return "\n".join([*rows, f"| **mean** | **{means[0]:.3f}** | **{means[1]:.3f}** | | {means[2]:.2f} |"])
