"""Restoration of the hidden inside of real mouths: by the painter, and by copying a similar frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from training.clips import interpolate_missing
from training.painter_data import read_mouths
from training.painter_evaluate import PainterScore, score_clip

from benchmarks.evaluate import ClipResult
from benchmarks.report import Target, print_table
from heygem_cli.mesh.painter import Painter
from heygem_cli.runtime import read_settings


def score_clips(results: Sequence[ClipResult]) -> list[PainterScore]:
    """Score the restoration of the real clips in which the mouth opens."""
    painter = Painter("cpu", read_settings(os.environ))
    scores = []
    for result in results:
        landmarks = result.real.landmarks
        present = np.isfinite(landmarks[:, 0, 0])
        mouths = read_mouths(result.real.video.path, interpolate_missing(landmarks, present))
        if score := score_clip(painter, mouths):
            scores.append(score)
    return scores


def print_scores(scores: Sequence[PainterScore], title: str) -> None:
    """Print a row for each clip, and the means."""
    methods = list(scores[0].psnr)
    rows = [
        [score.clip, str(score.mouths), *(f"{score.psnr[method]:.1f}  {score.ssim[method]:.3f}" for method in methods)]
        for score in scores
    ]
    means = [f"{mean(scores, method, 'psnr'):.1f}  {mean(scores, method, 'ssim'):.3f}" for method in methods]
    rows.append(["mean", "", *means])
    title = f"{title}: restored inside of the mouth, PSNR in dB and SSIM"
    print_table(title, ("clip", "mouths", *methods), rows)


def mean(scores: Sequence[PainterScore], method: str, metric: str) -> float:
    """Return the mean of a metric over clips."""
    return fmean(getattr(score, metric)[method] for score in scores)


def make_targets(scores: Sequence[PainterScore]) -> list[Target]:
    """Return the targets: better than copying the most similar frame."""
    return [
        Target(
            f"restored inside of the mouth: {name}",
            mean(scores, "painted", metric),
            mean(scores, "nearest frame copied", metric),
            at_least=True,
        )
        for name, metric in (("PSNR", "psnr"), ("SSIM", "ssim"))
    ]
