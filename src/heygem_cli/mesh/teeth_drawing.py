"""Draws teeth, gums and a tongue, lit like a face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.face_light import FaceLight
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.teeth import Teeth

# Lengths are in inter-ocular distances.
HALF_WIDTH = 0.34
"""Half the width of a layer."""
BEYOND, ABOVE = 0.04, 0.2
"""How far a layer extends from the edges of the teeth, or from the top of the tongue, to either side."""
SUPERSAMPLING = 2
"""Layers are drawn at this multiple of their resolution and shrunk, which makes their edges smooth."""
CUSP = 0.01
"""How far the tip of a canine stands out."""
SMILE = 0.35
"""The edges of the teeth lie on a parabola with this curvature."""
SHADE = 4.0
"""How fast teeth get darker with their depth in the mouth."""
DARKER, WARMER = 0.2, np.array([-10.0, 3.0], np.float32)
"""What the warmest teeth lose of their brightness, and their change of U and V where enamel is as bright as can be."""


@dataclass(frozen=True)
class Layer:
    """A picture of something in the mouth.

    Attributes:
        image: uint8 (rows, columns, 4) Y, U, V and opacity.
        scale: Pixels per inter-ocular distance.
        origin: (2,) the pixel on the midline at the edges of the teeth, or at the top of the tongue.
    """

    image: Frame
    scale: float
    origin: Array


def draw_teeth(teeth: Teeth, light: FaceLight, warmth: float, scale: float, up: float) -> Layer:
    """Draw a row of teeth with its gum.

    Args:
        teeth: The teeth.
        light: The light on the face.
        warmth: See :class:`heygem_cli.mesh.teeth.Mouth`.
        scale: Pixels per inter-ocular distance.
        up: -1 for upper teeth, whose gum is above them, 1 for lower teeth.
    """
    x, y = _grid(scale, -BEYOND, ABOVE)
    tooth = _Tooth.at(teeth, x)
    height = y - tooth.edge
    along = height / tooth.crown
    gum = smoothstep((along - 0.97 + 0.2 * tooth.across**2) / 0.06)
    luma = light.white * (1 - DARKER * warmth) * _enamel(tooth, along)
    tint = np.array([0.45, 0.5], np.float32) * light.skin_chroma
    colored = float(np.abs(light.skin_chroma).max()) > 1.5
    warm = colored * (0.3 + warmth) * (1 + 0.8 * smoothstep((along - 0.5) / 0.5)) * luma / 220
    enamel = [luma, *(tint[each] + WARMER[each] * warm for each in (0, 1))]
    flesh = 0.62 * light.skin * (1 - 0.25 * np.exp(-(((along - 1) / 0.08) ** 2))) * (0.8 + 0.2 * tooth.lit)
    fleshy = [flesh, *(np.full_like(flesh, each) for each in light.lip_chroma * (1.0, 1.1))]
    color = [one + gum * (other - one) for one, other in zip(enamel, fleshy, strict=True)]
    dark = tooth.crevice * (0.22 + 0.38 * np.exp(-np.maximum(along, 0) / 0.15)) * (1 - gum)
    color[0] = color[0] * _slope(light, x) * (1 - dark)
    opacity = smoothstep(height * scale + 0.5) * (1 - tooth.apart * (1 - gum)) * tooth.inside
    return _layer(color, opacity, scale, up, -BEYOND)


def draw_tongue(light: FaceLight, scale: float) -> Layer:
    """Draw a tongue."""
    x, y = _grid(scale, -BEYOND, ABOVE)
    rise = 0.05 * (x / 0.2) ** 2
    depth = y - rise
    groove = 1 - 0.16 * np.exp(-((x / 0.016) ** 2)) * smoothstep(depth / 0.05)
    body = 0.8 * smoothstep((depth + 0.04) / 0.08) * (1 - 0.3 * smoothstep((np.abs(x) - 0.1) / 0.14))
    grain = np.random.default_rng(5).normal(0, 1, depth.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.004 * scale * SUPERSAMPLING) * (0.004 * scale * SUPERSAMPLING) * 0.06
    luma = light.skin * body * groove * (1 + grain) * _slope(light, x)
    chroma = [np.full_like(luma, each) * (0.5 + 0.5 * smoothstep(depth / 0.05)) for each in light.lip_chroma]
    opacity = smoothstep((depth + 0.02) / 0.05) * smoothstep((0.26 - np.abs(x)) / 0.06)
    return _layer([luma, *chroma], opacity, scale, 1, -BEYOND)


@dataclass(frozen=True)
class _Tooth:
    """What is known of the tooth at each column of a layer, (columns,).

    Attributes:
        across: -1 … 1 from the side of the midline to the other.
        edge: Where it ends, from the line of the edges towards the gum; (columns,).
        crown: Height of the crown.
        lit: Share of the light that it gets.
        crevice: 1 in the line between two teeth.
        apart: 1 in a gap between two teeth.
        inside: 0 beyond the last tooth.
    """

    across: Array
    edge: Array
    crown: Array
    lit: Array
    crevice: Array
    apart: Array
    inside: Array

    @staticmethod
    def at(teeth: Teeth, x: Array) -> _Tooth:
        radius = teeth.half_width
        share = np.clip(np.abs(x) / radius, 0, 0.999)
        place = radius * np.arcsin(share)  # along the arch
        ends = np.cumsum((teeth.gap / 2, *(width + teeth.space for width in teeth.widths))).astype(np.float32)
        number = np.clip(np.searchsorted(ends, place) - 1, 0, len(teeth.widths) - 1)
        half = np.array(teeth.widths, np.float32)[number] / 2
        across = np.clip((place - ends[number]) / half - 1, -1, 1)
        random = np.random.default_rng(teeth.seed)
        uneven, tilt, tone = random.normal(0, 1, (3, 2, len(teeth.widths))).astype(np.float32)
        uneven -= uneven[:, :1] * 0.6  # the two first teeth hardly differ
        side = (x > 0).astype(int)
        shape = teeth.rounding * half * (np.abs(across) ** 5 + 0.5 * np.clip(across, 0, 1) ** 3)
        shape = shape * 2 + np.where(number == 2, CUSP * np.abs(across + 0.1) ** 1.2 - 0.6 * CUSP, 0)
        edge = shape + SMILE * x**2 + teeth.uneven * (uneven[side, number] + 0.6 * tilt[side, number] * across)
        edge += np.where(number == 1, 0.006, 0.0)  # the second tooth is a little shorter
        depth = radius * (1 - np.sqrt(1 - share**2))
        lit = (0.35 + 0.65 * np.sqrt(1 - share**2)) * np.exp(-SHADE * depth) * (1 + 0.025 * tone[side, number])
        lit = lit * np.array([1.0, 0.97, 0.93, 0.9, 0.85, 0.8], np.float32)[np.minimum(number, 5)]
        outside = ends[0] - place
        if teeth.space:
            outside = np.maximum(ends[number] - place, place - ends[number] - 2 * half)
        line = np.exp(-((half * (1 - np.abs(across)) / 0.0025) ** 2))
        return _Tooth(
            across=np.asarray(across, np.float32),
            edge=np.asarray(edge, np.float32),
            crown=np.array(teeth.heights, np.float32)[number],
            lit=np.asarray(lit, np.float32),
            crevice=np.asarray(line, np.float32),
            apart=smoothstep(outside / 0.004 + 0.5) * (teeth.gap > 0),
            inside=smoothstep((radius - np.abs(x)) / 0.03),
        )


def _enamel(tooth: _Tooth, along: Array) -> Array:
    """Return the relative luma of enamel: rounded teeth with a faint gloss, darker at the edge and at the neck."""
    rounded = 1 - 0.16 * np.abs(tooth.across) ** 3 - 0.05 * np.clip(tooth.across, 0, 1)
    edge = 1 - 0.14 * np.exp(-((along / 0.1) ** 2))
    neck = 1 - 0.12 * smoothstep((along - 0.55) / 0.45)
    gloss = 0.07 * np.exp(-(((tooth.across + 0.25) / 0.3) ** 2) - ((along - 0.45) / 0.22) ** 2)
    return np.asarray((0.96 * rounded * edge * neck + gloss) * tooth.lit, np.float32)


def _slope(light: FaceLight, x: Array) -> Array:
    return np.clip(1 + np.float32(light.slope) * x, 0.5, 1.5)


def _grid(scale: float, low: float, high: float) -> tuple[Array, Array]:
    fine = scale * SUPERSAMPLING
    columns, rows = (round(length * scale) * SUPERSAMPLING for length in (2 * HALF_WIDTH, high - low))
    x = (np.arange(columns, dtype=np.float32) + 0.5) / np.float32(fine) - np.float32(HALF_WIDTH)
    y = (np.arange(rows, dtype=np.float32) + 0.5) / np.float32(fine) + np.float32(low)
    return x, y[:, None]


def _layer(color: list[Array], opacity: Array, scale: float, up: float, low: float) -> Layer:
    offsets = (16, 128, 128)
    channels = [channel + offset for channel, offset in zip(color, offsets, strict=True)]
    channels.append(255 * opacity)
    image = cv2.merge([np.asarray(np.broadcast_to(each, opacity.shape), np.float32) for each in channels])
    size = image.shape[1] // SUPERSAMPLING, image.shape[0] // SUPERSAMPLING
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    pixels = np.clip(np.round(small), 0, 255).astype(np.uint8)
    row = -low * scale - 0.5
    if up < 0:
        pixels, row = pixels[::-1], len(pixels) - 1 - row
    return Layer(np.ascontiguousarray(pixels), scale, np.array([HALF_WIDTH * scale - 0.5, row], np.float32))
