"""From a displacement field to pixels: I420 planes in a box, everything outside untouched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Frame, planes

SHARPEN = 1.8
"""How much of the detail that a cubic kernel takes is put back; a little more, since encoding takes some too."""


@dataclass(frozen=True)
class Box:
    """A part of a frame in pixels; all four are even, so that it is a part of the chroma planes too."""

    left: int
    top: int
    width: int
    height: int

    @staticmethod
    def around(points: Array, frame: Frame, step: int) -> Box:
        """The part of a frame that holds points (points, 2); its sides are multiples of ``step``, an even number."""
        rows, columns = frame.shape[0] * 2 // 3, frame.shape[1]
        left, top = (max(0, int(low) // 2 * 2) for low in points.min(0))
        right, bottom = (int(np.ceil(high)) for high in points.max(0))
        width, height = (min(right, columns) - left, min(bottom, rows) - top)
        return Box(left, top, max(0, width // step * step), max(0, height // step * step))

    @property
    def corner(self) -> Array:
        """Upper left corner (2,)."""
        return np.array([self.left, self.top], np.float32)


def warp_box(frame: Frame, target: Frame, box: Box, displacement: Array, cover: Array | None = None) -> None:
    """Draw the box of ``frame`` into ``target``, each pixel taken from where the displacement says.

    Args:
        frame: I420.
        target: I420, changed inside the box.
        box: what to draw.
        displacement: (height, width, 2) in pixels. Where it is 0 the pixel stays bit-identical.
        cover: (height, width) 0 … 1, how much of it to lay over what is there; all of it if left out.
    """
    halved = cv2.resize(displacement, (box.width // 2, box.height // 2), interpolation=cv2.INTER_AREA) / 2
    covers = {
        1: cover,
        2: None if cover is None else cv2.resize(cover, halved.shape[1::-1], interpolation=cv2.INTER_AREA),
    }
    for source, drawn, step in zip(planes(frame), planes(target), (1, 2, 2), strict=True):
        field = displacement if step == 1 else halved
        rows, columns = field.shape[:2]
        x = field[..., 0] + np.arange(box.left // step, box.left // step + columns, dtype=np.float32)
        y = field[..., 1] + np.arange(box.top // step, box.top // step + rows, dtype=np.float32)[:, None]
        # Colour is soft: what a finer kernel would gain there, nobody sees.
        values = _resampled(source, x, y) if step == 1 else _linear(source, x, y)
        part = drawn[box.top // step :, box.left // step :][:rows, :columns]
        weight = covers[step]
        part[:] = values if weight is None else np.rint(part + weight * (values.astype(np.float32) - part))


def _linear(source: Frame, x: Array, y: Array) -> Frame:
    return np.asarray(cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _resampled(source: Frame, x: Array, y: Array) -> Frame:
    """Luma from between pixels, made as sharp again as it was.

    A cubic kernel blurs the more, the farther from a pixel's middle it takes; that much is sharpened.
    """
    rows, columns = (_needed(places, length) for places, length in zip((y, x), source.shape, strict=True))
    # Grain is a level or two: it would be lost if it were rounded before it is sharpened.
    part = source[rows, columns].astype(np.float32)
    values = cv2.remap(part, x - columns.start, y - rows.start, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    off = (x - np.rint(x)) ** 2 + (y - np.rint(y)) ** 2
    detail = values - cv2.GaussianBlur(values, (3, 3), 0.6)
    return np.asarray(np.clip(np.rint(values + SHARPEN * off * detail), 0, 255), np.uint8)


def _needed(places: Array, length: int) -> slice:
    """What part of a side of ``length`` pixels a cubic kernel reads at some places, and at least one pixel."""
    low, high = (int(np.clip(place, 0, length - 1)) for place in (places.min() - 2, places.max() + 3))
    return slice(low, high + 1)


def polygon(points: Array, box: Box) -> Array:
    """Coverage 0 … 1 (height, width) of a polygon (points, 2) in pixels of the frame, its edge smooth."""
    mask = np.zeros((box.height, box.width), np.uint8)
    fixed = np.round((points - box.corner) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], [255], cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def blend_box(target: Frame, box: Box, picture: Array, cover: Array) -> None:
    """Lay a picture over the box of a frame.

    Args:
        target: I420, changed inside the box.
        box: where.
        picture: float32 (height, width, 3) Y, U and V at full size.
        cover: (height, width) 0 … 1.
    """
    halved = cv2.resize(picture, (box.width // 2, box.height // 2), interpolation=cv2.INTER_AREA)
    cover_halved = cv2.resize(cover, (box.width // 2, box.height // 2), interpolation=cv2.INTER_AREA)
    luma, blue, red = planes(target)
    for plane, values, weight, step in (
        (luma, picture[..., 0], cover, 1),
        (blue, halved[..., 1], cover_halved, 2),
        (red, halved[..., 2], cover_halved, 2),
    ):
        rows, columns = weight.shape
        part = plane[box.top // step :, box.left // step :][:rows, :columns]
        part[:] = np.clip(np.rint(part + weight * (values - part)), 0, 255)
