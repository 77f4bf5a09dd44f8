"""How well the painter restores the hidden inside of real mouths, beside simpler ways to fill it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.painter import SOFT, Painter, chosen, composed, detail, hidden, mixed, shown_by, softened
from heygem_cli.mesh.person import RANKS
from training.painter_data import APART, Mouth, inside_of, keep, rounded, widest

LEAST = 0.03
"""Inner lip opening in inter-ocular distances of the mouths that are judged."""


@dataclass(frozen=True)
class Restored:
    """One clip, by the way of filling: mean PSNR in decibels and SSIM of the luma inside the lips.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP 2004.
    """

    clip: str
    mouths: int
    psnr: dict[str, float]
    ssim: dict[str, float]


def nearest(mouth: Mouth, mouths: Sequence[Mouth]) -> Mouth:
    """The mouth of the same clip whose inner lips are most alike."""
    rows = [*INNER_TOP, *INNER_BOTTOM]
    return min(mouths, key=lambda other: float(np.abs(other.lips[rows] - mouth.lips[rows]).mean()))


def restore(painter: Painter, mouth: Mouth, others: Sequence[Mouth]) -> Frame:
    """Paint a mouth at the size of the view, with what the program would show of the others."""
    mixtures = chosen(keep(others, RANKS), mouth.lips, mouth.light)
    shown = [rounded(mixed(mixture)) for mixture in mixtures]
    made = softened(composed(*painter.see(mouth.picture, mouth.lips, shown), shown), SOFT)
    if mixtures:
        fine, top = shown_by(mouth.lips) * detail(mixtures[0], SOFT), mixtures[0][0][1].top
        made[top : top + len(fine), :, 0] += fine
    return rounded(made)


def judge_clip(painter: Painter, mouths: Sequence[Mouth]) -> Restored | None:
    """Hide the inside of each open mouth of a clip and restore it; None where the mouth never opens.

    Frames near the one to restore do not serve as references, so that no way sees the answer.
    """
    ways: dict[str, Callable[[Mouth, Sequence[Mouth]], Frame]] = {
        "nearest frame copied": lambda mouth, others: inside_of(nearest(mouth, others), mouth),
        "one wide frame copied": lambda mouth, others: inside_of(others[int(0.95 * (len(others) - 1))], mouth),
        "painted, nothing known": lambda mouth, _: restore(painter, mouth, []),
        "painted": lambda mouth, others: restore(painter, mouth, others),
    }
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for mouth in mouths:
        others = [other for other in widest(mouths) if abs(other.frame - mouth.frame) > APART]
        if mouth.opening >= LEAST and others:
            for name, way in ways.items():
                scores[name].append(compare(way(mouth, others), mouth))
    count = len(scores["painted"])
    if not count:
        return None
    psnr, ssim = ({name: fmean(pair[part] for pair in pairs) for name, pairs in scores.items()} for part in (0, 1))
    return Restored(mouths[0].clip, count, psnr, ssim)


def compare(made: Frame, mouth: Mouth) -> tuple[float, float]:
    """PSNR in decibels and SSIM of the luma inside the lips; outside the real picture stands on both sides."""
    inside = hidden(mouth.lips, 0)
    real = mouth.picture[..., 0].astype(np.float32)
    shown = real + (made[..., 0] - real) * inside
    weight = inside / inside.sum()
    error = float((((made[..., 0] - real) ** 2) * weight).sum())
    return float(10 * np.log10(255**2 / max(error, 1e-3))), float((similarity(shown, real) * weight).sum())


def similarity(one: Array, other: Array) -> Array:
    """SSIM at every pixel, with the usual Gaussian window of 1.5 pixels."""

    def blurred(picture: Array) -> Array:
        return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5), np.float32)

    mean, mean_other = blurred(one), blurred(other)
    spread = blurred(one * one) - mean**2
    spread_other = blurred(other * other) - mean_other**2
    common = blurred(one * other) - mean * mean_other
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.asarray(
        (2 * mean * mean_other + first)
        * (2 * common + second)
        / ((mean**2 + mean_other**2 + first) * (spread + spread_other + second)),
        np.float32,
    )


def table(found: Sequence[Restored]) -> str:
    """Scores as a Markdown table: PSNR and SSIM by the way of filling, the means in the last row."""
    ways = list(found[0].psnr)
    rows = [f"| clip | mouths | {' | '.join(ways)} |", f"|---|---|{'---|' * len(ways)}"]
    rows += [_row(one.clip, str(one.mouths), one.psnr, one.ssim) for one in found]
    psnr, ssim = ({way: fmean(getattr(one, what)[way] for one in found) for way in ways} for what in ("psnr", "ssim"))
    return "\n".join([*rows, _row("**mean**", "", psnr, ssim)])


def _row(name: str, count: str, psnr: Mapping[str, float], ssim: Mapping[str, float]) -> str:
    cells = " | ".join(f"{psnr[way]:.1f} dB, {ssim[way]:.3f}" for way in psnr)
    return f"| {name} | {count} | {cells} |"
