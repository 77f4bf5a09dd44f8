"""Warping and blending of I420 planes inside a box of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heygem_cli.face.geometry import Array, bounds
from heygem_cli.media.types import Frame, planes

SHARPEN = 1.8
"""Strength of the sharpening that compensates for cubic interpolation, and a little for the encoder's losses."""


@dataclass(frozen=True)
class Box:
    """A rectangle of a frame in pixels. All values are even, so that it also covers whole chroma samples."""

    left: int
    top: int
    width: int
    height: int

    @staticmethod
    def around(points: Array, frame: Frame, step: int) -> Box:
        """Return the box of a frame around points (points, 2), its sides multiples of ``step``, an even number."""
        rows, columns = frame.shape[0] * 2 // 3, frame.shape[1]
        low, high = bounds(points)
        left, top = (max(0, int(place) // 2 * 2) for place in low)
        right, bottom = (int(np.ceil(place)) for place in high)
        width, height = (min(right, columns) - left, min(bottom, rows) - top)
        return Box(left, top, max(0, width // step * step), max(0, height // step * step))

    @property
    def corner(self) -> Array:
        """Upper left corner (2,)."""
        return np.array([self.left, self.top], np.float32)


def warp_box(source: Frame, target: Frame, box: Box, displacement: Array, mask: Array | None = None) -> None:
    """Warp a box of ``source`` into ``target``.

    Args:
        source: I420.
        target: I420, changed inside the box.
        box: The region to write.
        displacement: (2, height, width) x and y in pixels, from each target pixel to its source. Zero leaves a pixel
            bit-identical.
        mask: (height, width) in 0 … 1, opacity over the target; opaque if omitted.
    """
    half = box.width // 2, box.height // 2
    halved = np.array([cv2.resize(values, half, interpolation=cv2.INTER_AREA) for values in displacement]) / 2
    mask_halved = None if mask is None else cv2.resize(mask, half, interpolation=cv2.INTER_AREA)
    for plane, output, step in zip(planes(source), planes(target), (1, 2, 2), strict=True):
        field, weight = (displacement, mask) if step == 1 else (halved, mask_halved)
        _, rows, columns = field.shape
        x = field[0] + np.arange(box.left // step, box.left // step + columns, dtype=np.float32)
        y = field[1] + np.arange(box.top // step, box.top // step + rows, dtype=np.float32)[:, None]
        # Chroma is smooth: a cubic kernel would make no visible difference there.
        values = _remap_sharp(plane, x, y) if step == 1 else _remap_linear(plane, x, y)
        part = output[box.top // step :, box.left // step :][:rows, :columns]
        part[:] = values if weight is None else np.rint(part + weight * (values.astype(np.float32) - part))


def _remap_linear(plane: Frame, x: Array, y: Array) -> Frame:
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _remap_sharp(plane: Frame, x: Array, y: Array) -> Frame:
    """Resample with a cubic kernel, whose blur grows with the distance from the pixel centre, and undo that blur."""
    rows, columns = (_kernel_range(places, length) for places, length in zip((y, x), plane.shape, strict=True))
    # Film grain is one or two levels: rounding before sharpening would destroy it.
    part = plane[rows, columns].astype(np.float32)
    values = cv2.remap(part, x - columns.start, y - rows.start, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    offset = (x - np.rint(x)) ** 2 + (y - np.rint(y)) ** 2
    detail = values - cv2.GaussianBlur(values, (3, 3), 0.6)
    return np.asarray(cv2.add(values, SHARPEN * offset * detail, dtype=cv2.CV_8U), np.uint8)


def _kernel_range(places: Array, length: int) -> slice:
    """Return the pixels that a cubic kernel reads, at least one, along a side of ``length`` pixels."""
    low, high = (int(min(max(place, 0), length - 1)) for place in (places.min() - 2, places.max() + 3))
    return slice(low, high + 1)


def polygon_mask(points: Array, box: Box) -> Array:
    """Return the anti-aliased coverage (height, width), 0 … 1, of a polygon (points, 2) in pixels of the frame."""
    mask = np.zeros((box.height, box.width), np.uint8)
    fixed = np.round((points - box.corner) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], [255], cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def blend_box(target: Frame, box: Box, image: Array, mask: Array) -> None:
    """Blend an image into a box of a frame.

    Args:
        target: I420, changed inside the box.
        box: The region to write.
        image: float32 (height, width, 3) Y, U and V at full resolution.
        mask: (height, width) in 0 … 1, opacity.
    """
    half = box.width // 2, box.height // 2
    halved, mask_halved = (cv2.resize(values, half, interpolation=cv2.INTER_AREA) for values in (image, mask))
    for channel, (plane, step) in enumerate(zip(planes(target), (1, 2, 2), strict=True)):
        values, weight = (image, mask) if step == 1 else (halved, mask_halved)
        rows, columns = weight.shape
        part = plane[box.top // step :, box.left // step :][:rows, :columns]
        part[:] = np.clip(np.rint(part + weight * (values[..., channel] - part)), 0, 255)
