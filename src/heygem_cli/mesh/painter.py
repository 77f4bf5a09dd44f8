"""The painter: a small network that paints the inside of the mouth from the lips and images of the person's mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.crop import HEIGHT, SCALE, WIDTH, MouthCrop, opening_outline
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.interior import MIN_OPENING, InteriorFit, LipLines, fit_interiors
from heygem_cli.mesh.open_mouths import REFERENCES, Mixture
from heygem_cli.mesh.warp import Box
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device
from heygem_cli.runtime import Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "mouth_painter.onnx"
RIM = 1.2
"""Pixels of the crop painted beyond the inner lip line, to allow for tracking errors."""
REFERENCE_BIAS = 3.0
"""Logit added to the share of the first reference: the network, trained on the mean error, prefers a blurry grey over
the contrast of real teeth."""
DETAIL_SIGMA = 1.2
"""Finer detail than this, in pixels of the crop, is taken from the person's own images at full resolution."""

FittedMixture = Sequence[tuple[InteriorFit, float]]


def fit_references(mixtures: Sequence[Mixture], lips: Array, brightness: float) -> list[FittedMixture]:
    """Fit references between lip points (40, 2) of a crop, see :func:`fit_interiors`."""
    lines = LipLines.from_lips(lips, SCALE)
    chosen = [interior for mixture in mixtures for interior, _ in mixture]
    fits = iter(fit_interiors(chosen, lines, brightness) if chosen else ())
    return [[(next(fits), weight) for _, weight in mixture] for mixture in mixtures]


def visibility(lips: Array) -> float:
    """Return how visible the teeth are, 0 … 1, between lip points (40, 2) of a crop: a narrow opening is dark."""
    return float(smoothstep((lips[INNER_BOTTOM] - lips[INNER_TOP])[:, 1].max() / (MIN_OPENING * SCALE)))


def paint_mask(lips: Array, rim: float = RIM) -> Array:
    """Return the region to paint (HEIGHT, WIDTH), 0 … 1: the opening between the lips of a crop and a rim around it."""
    outline = np.round(opening_outline(lips) * 16).astype(np.int32)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [outline], [255], cv2.LINE_AA, 4)
    if rim > 0:
        cv2.polylines(mask, [outline], isClosed=True, color=[255], thickness=max(1, round(2 * rim)), shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8), np.float32) / 255


@dataclass(frozen=True)
class Opening:
    """An opening between lips that is painted.

    Attributes:
        frame: I420, with the lips at their target positions.
        lips: (40, 2) target positions in pixels.
        eye_distance: The inter-ocular distance in pixels.
        brightness: See :func:`heygem_cli.mesh.interior.lip_brightness`.
        references: Mixtures of the person's interiors, see :meth:`heygem_cli.mesh.open_mouths.OpenMouths.choose`.
        box: The region of the frame to paint.
        mask: (height, width) in 0 … 1, how much of each pixel of the box is painted.
    """

    frame: Frame
    lips: Array
    eye_distance: float
    brightness: float
    references: Sequence[Mixture]
    box: Box
    mask: Array

    @cached_property
    def crop(self) -> MouthCrop:
        """The crop of the mouth."""
        return MouthCrop.from_lips(self.lips, self.eye_distance)


class Painter:
    """The network, loaded once.

    Raises:
        NotCapableError: The model is missing or damaged, or ``cuda`` is not available.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        # Between frames, more threads would only spin on the cores that the encoder needs.
        self._session: InferenceSession = make_session(model_path(MODEL), device, replace(settings, onnx_threads=1))

    def predict(self, image: Frame, lips: Array, references: Sequence[Array | Frame]) -> Array:
        """Run the network on one crop, and mix its painting with the references by the shares that it returns.

        Args:
            image: uint8 (HEIGHT, WIDTH, 3), see :meth:`MouthCrop.sample`; what lies between the lips is ignored.
            lips: (40, 2) in pixels of the crop.
            references: Up to two images (HEIGHT, WIDTH, 3) of the person's open mouth fitted between these lips.

        Returns:
            float32 (HEIGHT, WIDTH, 3) Y, U and V.
        """
        stacked = np.zeros((1, REFERENCES, 3, HEIGHT, WIDTH), np.float32)
        known = np.zeros((1, REFERENCES), np.float32)
        for number, reference in enumerate(references):
            stacked[0, number], known[0, number] = np.moveaxis(reference, -1, 0), 1
        feed = {
            "picture": np.moveaxis(image, -1, 0)[None].astype(np.float32),
            "references": stacked,
            "hidden": paint_mask(lips)[None, None],
            "known": known,
        }
        painted, shares = (output[0] for output in self._session.run(None, feed))
        shares[1] *= np.exp(REFERENCE_BIAS * visibility(lips))
        shares /= shares.sum(0)
        mixed = painted * shares[0]
        for number in range(len(references)):
            mixed += stacked[0, number] * shares[number + 1]
        return np.asarray(cv2.merge([*mixed]), np.float32)

    def paint(self, openings: Sequence[Opening]) -> list[Array]:
        """Paint the inside of mouths at full resolution.

        Returns:
            float32 (height, width, 3) Y, U and V of the box of each, meaningful between the lips only.
        """
        fitted = [fit_references(each.references, each.crop.lips, each.brightness) for each in openings]
        references = [[render_mixture(mixture) for mixture in mixtures] for mixtures in fitted]
        samples = [each.crop.sample(each.frame) for each in openings]
        mixed = [
            self.predict(sample, each.crop.lips, rendered)
            for each, sample, rendered in zip(openings, samples, references, strict=True)
        ]
        return [_place(*each) for each in zip(openings, mixed, fitted, strict=True)]


class DraftPainter:
    """Paints with the person's own pictures alone: without the network, and without their finest detail."""

    def paint(self, openings: Sequence[Opening]) -> list[Array]:
        """Do what :meth:`Painter.paint` does."""
        fitted = [fit_references(each.references, each.crop.lips, each.brightness) for each in openings]
        return [
            each.crop.to_frame(render_mixture(mixtures[0]), each.box)
            for each, mixtures in zip(openings, fitted, strict=True)
        ]


def _place(opening: Opening, mixed: Array, mixtures: Sequence[FittedMixture]) -> Array:
    """Enlarge a painted crop to the box of its opening, and add the finest detail of the most similar interiors."""
    crop, box = opening.crop, opening.box
    image = crop.to_frame(blur(mixed, DETAIL_SIGMA), box)
    if mixtures:
        upscaled = [(_to_frame(fit, crop, box), weight) for fit, weight in mixtures[0]]
        detail = extract_detail(upscaled, DETAIL_SIGMA * opening.eye_distance / SCALE)
        image[..., 0] += visibility(crop.lips) * detail
    return image


def render_mixture(mixture: FittedMixture) -> Array:
    """Render a mixture: (HEIGHT, WIDTH, 3)."""
    images = [fit.render() * np.float32(weight) for fit, weight in mixture]
    return np.asarray(sum(images[1:], images[0]), np.float32)


def extract_detail(mixture: FittedMixture, sigma: float) -> Array:
    """Return the luma detail (rows, columns) of a mixture that is finer than ``sigma`` pixels.

    Averaging images weakens their detail; it is scaled back to its original strength (E. Heitz & F. Neyret,
    "High-performance by-example noise using a histogram-preserving blending operator", HPG 2018).
    """
    strength = np.sqrt(sum(weight**2 for _, weight in mixture))
    images = [fit.render_luma() * np.float32(weight) for fit, weight in mixture]
    total = sum(images[1:], images[0])
    return np.asarray((total - blur(total, sigma)) / np.float32(strength))


def blur(image: Array, sigma: float) -> Array:
    """Remove detail that is finer than ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _to_frame(fit: InteriorFit, crop: MouthCrop, box: Box) -> InteriorFit:
    positions, weights = (crop.to_frame(values, box, fit.top) for values in (fit.positions, fit.weights))
    return replace(fit, positions=positions, weights=weights, top=0)
