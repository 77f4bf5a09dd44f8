"""The painter: a small network that paints the inside of the mouth from the lips, the light and the person's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.field import smoothstep
from heygem_cli.mesh.interior import SHOWS, Curves, Fit, Interior, fit, fitted, fitted_luma
from heygem_cli.mesh.view import HEIGHT, SCALE, WIDTH, View, opening
from heygem_cli.mesh.warp import Box
from heygem_cli.onnx import make_session, model_path
from heygem_cli.runtime import Device, Settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "mouth_painter.onnx"
RIM = 1.2
"""Pixels of the view by which the network paints beyond the inner lip line, where the tracker may be wrong."""
ALIKE = 0.01
"""Inter-ocular distances. Inner lips that differ by this in the mean are alike."""
OWN = 3.0
"""By this power of e the mixture of the person's own pictures that are most alike counts more in the result than the
network says: the network is right in the mean, which is grey; a picture has the light and the dark of real teeth."""
SOFT = 1.2
"""Pixels of the view. What is finer comes from the person's own pictures alone, at the frame's own size."""
NOTHING = 0.01
"""A weight in a mixture up to which nobody would see it."""
REFERENCES = 2
"""How many pictures the network is shown at most: the person's mouth when it was shaped like this, and wide open."""

Mixture = Sequence[tuple[Interior, float]]
"""Interiors and their weights, which sum to 1."""
Fitting = Sequence[tuple[Interior, Fit, float]]
"""A mixture whose interiors are fitted between lips."""


def choose(interiors: Sequence[Interior], curves: Curves) -> list[Mixture]:
    """What the network is shown for given lips: up to :data:`REFERENCES` mixtures of the person's own pictures.

    The first holds the two whose inner lips are most alike, each weighing the less the nearer the third is, so that
    one takes over from another without a jump; the second is the widest.

    Args:
        interiors: by their opening, the widest last.
        curves: of the lips.
    """
    if not interiors:
        return []
    # Stacked, since calls cost more here than sums do.
    lines = np.array([(shown.top, shown.bottom) for shown in interiors]) - (curves.top, curves.bottom)
    wider = np.array([shown.along[-1] for shown in interiors]) - curves.along[-1]
    apart = np.abs(lines).mean(-1).sum(-1) + np.abs(wider)
    nearest = np.argsort(apart, kind="stable")[:3]
    alike = np.exp(-(apart[nearest] ** 2 - apart[nearest[0]] ** 2) / (2 * ALIKE**2))
    weights = alike[:2] - alike[2] if len(alike) > 2 else alike[:2]
    # Three that are all alike to the last digit.
    weights = (weights + 1e-6) / (weights + 1e-6).sum()
    told = weights > NOTHING
    first: Mixture = [
        (interiors[index], float(weight))
        for index, weight in zip(nearest[:2][told], weights[told] / weights[told].sum(), strict=True)
    ]
    return [first, [(interiors[-1], 1.0)]][: min(REFERENCES, len(interiors))]


def chosen(interiors: Sequence[Interior], lips: Array, light: float) -> list[Fitting]:
    """The same, fitted between lip points (40, 2) of a view, on which falls this ``light``, see :func:`fit`."""
    curves = Curves.of(lips, SCALE)
    return [
        [(shown, fit(shown, curves, light), weight) for shown, weight in mixture]
        for mixture in choose(interiors, curves)
    ]


def shown_by(lips: Array) -> float:
    """How much lip points (40, 2) of a view show of the inside, 0 … 1: where they hardly part it is dark, not teeth."""
    return float(smoothstep((lips[INNER_BOTTOM] - lips[INNER_TOP])[:, 1].max() / (SHOWS * SCALE)))


def hidden(lips: Array, rim: float = RIM) -> Array:
    """What the network paints: 1 inside the lips and a rim around it, 0 outside, its edge soft (HEIGHT, WIDTH).

    Args:
        lips: (40, 2) in pixels of the view.
        rim: in pixels of the view.
    """
    outline = np.round(opening(lips) * 16).astype(np.int32)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [outline], [255], cv2.LINE_AA, 4)
    if rim > 0:
        cv2.polylines(mask, [outline], isClosed=True, color=[255], thickness=max(1, round(2 * rim)), shift=4)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8), np.float32) / 255


class Painter:
    """The network, loaded once.

    Raises:
        NotCapableError: the model is missing or damaged, or ``cuda`` was asked for and is not there.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        # More threads would wait for each other between frames, on the cores that the encoder needs.
        self._session: InferenceSession = make_session(model_path(MODEL), device, replace(settings, onnx_threads=1))

    def see(self, picture: Frame, lips: Array, references: Sequence[Array | Frame]) -> tuple[Array, Array]:
        """Paint at the size of the view.

        Args:
            picture: uint8 (HEIGHT, WIDTH, 3), see :meth:`View.picture`; what lies between the lips is not looked at.
            lips: (40, 2) in pixels of the view.
            references: up to two pictures (HEIGHT, WIDTH, 3) of the person's open mouth fitted between these lips.

        Returns:
            What is painted, float32 (HEIGHT, WIDTH, 3) Y, U and V, and the shares (HEIGHT, WIDTH, 3) of it and of each
            reference in the result, see :data:`OWN`.
        """
        shown = np.zeros((1, REFERENCES, 3, HEIGHT, WIDTH), np.float32)
        known = np.zeros((1, REFERENCES), np.float32)
        for number, reference in enumerate(references):
            shown[0, number], known[0, number] = np.moveaxis(reference, -1, 0), 1
        feed = {
            "picture": np.moveaxis(picture, -1, 0)[None].astype(np.float32),
            "references": shown,
            "hidden": hidden(lips)[None, None],
            "known": known,
        }
        painted, shares = (np.moveaxis(made[0], 0, -1) for made in self._session.run(None, feed))
        preferred = shares * np.array([1, np.exp(OWN * shown_by(lips)), 1], np.float32)
        return np.ascontiguousarray(painted), np.ascontiguousarray(preferred / preferred.sum(-1, keepdims=True))

    def paint(
        self, frame: Frame, lips: Array, unit: float, *, light: float, interiors: Sequence[Interior], box: Box
    ) -> Array:
        """Paint the inside of a mouth at the frame's own size.

        Args:
            frame: I420, its lips where they shall be.
            lips: (40, 2) where that is, in pixels.
            unit: the inter-ocular distance in pixels.
            light: luma of the lips, see :func:`heygem_cli.mesh.interior.lip_light`.
            interiors: pictures of the person's open mouth by their opening, the widest last.
            box: the part of the frame to paint.

        Returns:
            float32 (height, width, 3) Y, U and V; outside the lips anything.
        """
        view = View.of(lips, unit)
        mixtures = chosen(interiors, view.lips, light)
        references = [mixed(mixture) for mixture in mixtures]
        painted, shares = self.see(view.picture(frame), view.lips, references)
        picture = view.enlarged(softened(composed(painted, shares, references), SOFT), box)
        if mixtures:
            large = [(shown, _enlarged(how, view, box), weight) for shown, how, weight in mixtures[0]]
            picture[..., 0] += shown_by(view.lips) * detail(large, SOFT * unit / SCALE)
        return picture


def composed(painted: Array, shares: Array, references: Sequence[Array | Frame]) -> Array:
    """What is painted and the references, mixed by their shares: (HEIGHT, WIDTH, 3), see :meth:`Painter.see`."""
    result = painted * shares[..., :1]
    for number, reference in enumerate(references, 1):
        result += reference * shares[..., number, None]
    return np.asarray(result)


def mixed(mixture: Fitting) -> Array:
    """Pictures (HEIGHT, WIDTH, 3) of a mixture's interiors as they fit in a view, mixed."""
    drawn = [fitted(shown, how) * np.float32(weight) for shown, how, weight in mixture]
    return np.asarray(sum(drawn[1:], drawn[0]), np.float32)


def detail(mixture: Fitting, sigma: float) -> Array:
    """What is finer than ``sigma`` pixels in the luma (rows, columns) of a mixture's interiors.

    A mean of two pictures is softer than either: it is made as strong again as they are (E. Heitz & F. Neyret,
    "High-performance by-example noise using a histogram-preserving blending operator", HPG 2018).
    """
    strength = np.sqrt(sum(weight**2 for _, _, weight in mixture))
    drawn = [fitted_luma(shown, how) * np.float32(weight) for shown, how, weight in mixture]
    together = sum(drawn[1:], drawn[0])
    return np.asarray((together - softened(together, sigma)) / np.float32(strength))


def softened(picture: Array, sigma: float) -> Array:
    """Take away what is finer than ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _enlarged(how: Fit, view: View, box: Box) -> Fit:
    return Fit(view.enlarged(how.places, box, how.top), view.enlarged(how.weights, box, how.top), how.gain)
