"""Score how well the painter restores the hidden inside of real mouths, against simple baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.painter import (
    DETAIL_SIGMA,
    Painter,
    blur,
    extract_detail,
    paint_mask,
    render_mixture,
    visibility,
)
from training.painter_data import Mouth, copy_interior, fit_own, reference_candidates, to_uint8

MIN_OPENING = 0.03
"""Smallest inner lip opening that is scored, in inter-ocular distances."""


@dataclass(frozen=True)
class PainterScore:
    """Mean PSNR in decibels and SSIM of the luma between the lips of one clip, by method.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP 2004.
    """

    clip: str
    mouths: int
    psnr: dict[str, float]
    ssim: dict[str, float]


def most_similar(mouth: Mouth, candidates: Sequence[Mouth]) -> Mouth:
    """Return the candidate with the most similar inner lips."""
    rows = [*INNER_TOP, *INNER_BOTTOM]
    return min(candidates, key=lambda other: float(np.abs(other.lips[rows] - mouth.lips[rows]).mean()))


def restore(painter: Painter, mouth: Mouth, candidates: Sequence[Mouth]) -> Frame:
    """Paint a mouth at the resolution of the crop, with the references that the program would choose."""
    mixtures = fit_own(candidates, mouth)
    references = [to_uint8(render_mixture(mixture)) for mixture in mixtures]
    image = blur(painter.predict(mouth.image, mouth.lips, references), DETAIL_SIGMA)
    if mixtures:
        detail, top = extract_detail(mixtures[0], DETAIL_SIGMA), mixtures[0][0][0].top
        image[top : top + len(detail), :, 0] += visibility(mouth.lips) * detail
    return to_uint8(image)


def score_clip(painter: Painter, mouths: Sequence[Mouth]) -> PainterScore | None:
    """Hide the inside of each open mouth of a clip and restore it; None if the mouth never opens."""
    methods: dict[str, Callable[[Mouth, Sequence[Mouth]], Frame]] = {
        "nearest frame copied": lambda mouth, others: copy_interior(most_similar(mouth, others), mouth),
        "one wide frame copied": lambda mouth, others: copy_interior(others[int(0.95 * (len(others) - 1))], mouth),
        "painted, nothing known": lambda mouth, _: restore(painter, mouth, []),
        "painted": lambda mouth, others: restore(painter, mouth, others),
    }
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for mouth in mouths:
        candidates = reference_candidates(mouths, mouth)
        if mouth.opening >= MIN_OPENING and candidates:
            for name, method in methods.items():
                scores[name].append(compare(method(mouth, candidates), mouth))
    count = len(scores["painted"])
    if not count:
        return None
    psnr, ssim = ({name: fmean(pair[part] for pair in pairs) for name, pairs in scores.items()} for part in (0, 1))
    return PainterScore(mouths[0].clip, count, psnr, ssim)


def compare(image: Frame, mouth: Mouth) -> tuple[float, float]:
    """Return PSNR in decibels and SSIM of the luma between the lips."""
    mask = paint_mask(mouth.lips, 0)
    real = mouth.image[..., 0].astype(np.float32)
    restored = real + (image[..., 0] - real) * mask
    weight = mask / mask.sum()
    error = float((((image[..., 0] - real) ** 2) * weight).sum())
    return float(10 * np.log10(255**2 / max(error, 1e-3))), float((similarity(restored, real) * weight).sum())


def similarity(one: Array, other: Array) -> Array:
    """Return the SSIM at every pixel, with the usual Gaussian window of 1.5 pixels."""

    def window_mean(image: Array) -> Array:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5), np.float32)

    mean, mean_other = window_mean(one), window_mean(other)
    variance = window_mean(one * one) - mean**2
    variance_other = window_mean(other * other) - mean_other**2
    covariance = window_mean(one * other) - mean * mean_other
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.asarray(
        (2 * mean * mean_other + first)
        * (2 * covariance + second)
        / ((mean**2 + mean_other**2 + first) * (variance + variance_other + second)),
        np.float32,
    )


def table(scores: Sequence[PainterScore]) -> str:
    """Format scores as a Markdown table with a column for each method and the means in the last row."""
    methods = list(scores[0].psnr)
    rows = [f"| clip | mouths | {' | '.join(methods)} |", f"|---|---|{'---|' * len(methods)}"]
    rows += [_row(score.clip, str(score.mouths), score.psnr, score.ssim) for score in scores]
    psnr, ssim = (
        {method: fmean(getattr(score, metric)[method] for score in scores) for method in methods}
        for metric in ("psnr", "ssim")
    )
    return "\n".join([*rows, _row("**mean**", "", psnr, ssim)])


def _row(name: str, count: str, psnr: Mapping[str, float], ssim: Mapping[str, float]) -> str:
    cells = " | ".join(f"{psnr[method]:.1f} dB, {ssim[method]:.3f}" for method in psnr)
    return f"| {name} | {count} | {cells} |"
