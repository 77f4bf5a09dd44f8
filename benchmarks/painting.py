"""The inside of real mouths hidden and restored: by the painter, and by copying the person's nearest frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from training.clips import interpolate_missing
from training.painter_data import read_mouths
from training.painter_evaluate import PainterScore, score_clip

from benchmarks.judge import Verdict
from benchmarks.report import Goal, print_table
from heygem_cli.mesh.painter import Painter
from heygem_cli.runtime import read_settings


def restore_clips(verdicts: Sequence[Verdict]) -> list[PainterScore]:
    """Hide and restore the mouths of the real clips that open."""
    painter = Painter("cpu", read_settings(os.environ))
    found = []
    for verdict in verdicts:
        landmarks = verdict.real.landmarks
        present = np.isfinite(landmarks[:, 0, 0])
        mouths = read_mouths(verdict.real.video.path, interpolate_missing(landmarks, present))
        if restored := score_clip(painter, mouths):
            found.append(restored)
    return found


def show(found: Sequence[PainterScore], title: str) -> None:
    """Print a row a clip, and the means."""
    ways = list(found[0].psnr)
    rows = [
        [one.clip, str(one.mouths), *(f"{one.psnr[way]:.1f}  {one.ssim[way]:.3f}" for way in ways)] for one in found
    ]
    rows.append(["mean", "", *(f"{mean(found, way, 'psnr'):.1f}  {mean(found, way, 'ssim'):.3f}" for way in ways)])
    print_table(f"{title}: the hidden inside of the mouth, PSNR in dB and SSIM", ("clip", "mouths", *ways), rows)


def mean(found: Sequence[PainterScore], way: str, score: str) -> float:
    """Mean of a score over clips."""
    return fmean(getattr(one, score)[way] for one in found)


def goals_of(found: Sequence[PainterScore]) -> list[Goal]:
    """The figures to reach: better than the copy."""
    return [
        Goal(
            f"hidden inside: {name}",
            mean(found, "painted", score),
            mean(found, "nearest frame copied", score),
            least=True,
        )
        for name, score in (("PSNR", "psnr"), ("SSIM", "ssim"))
    ]
