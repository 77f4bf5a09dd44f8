"""A picture of which every output frame tells where it is, which frame it is, and what its colours are.

Each quarter has a colour of its own, a black frame runs around all of them, and a row of black and white cells in the
middle counts the frames in binary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLORS = (
    (200, 60, 50), (60, 170, 70), (50, 80, 190), (205, 190, 70),
    (150, 60, 170), (70, 170, 180), (220, 130, 60), (120, 120, 120),
)  # fmt: skip
"""RGB, all of them inside every limited range, and each far from what a wrong matrix would make of another."""

BLACK, WHITE = 50, 205
INSET, THICKNESS = 12, 6
"""The black frame: its distance from the edges of the picture, and how thick it is, in pixels."""
CELLS = 8
BLUR = 4
"""Pixels around an edge in which subsampled chroma and lossy codecs mix the colours."""


@dataclass(frozen=True)
class Picture:
    """What a player shows: the size in pixels, and the RGB colours of the quarters in reading order."""

    width: int
    height: int
    colors: tuple[tuple[int, int, int], ...]

    def draw(self, index: int) -> np.ndarray:
        """Return frame ``index``, RGB (height, width, 3)."""
        frame = self._background()
        top, bottom, edges = self._cells()
        for bit in range(CELLS):
            frame[top:bottom, edges[bit] : edges[bit + 1]] = WHITE if index >> bit & 1 else BLACK
        return frame

    def mask(self, transparent: int) -> np.ndarray:
        """Return the alpha channel that makes one quarter transparent, but not what is drawn on it: (height, width)."""
        top, bottom, edges = self._cells()
        alpha = np.where((self._background() == self.colors[transparent]).all(axis=2), 0, 255).astype(np.uint8)
        alpha[top:bottom, edges[0] : edges[-1]] = 255
        return alpha

    def index_of(self, frame: np.ndarray) -> int:
        """Return which frame an RGB image shows."""
        top, bottom, edges = self._cells()
        index = 0
        for bit in range(CELLS):
            left, right = edges[bit], edges[bit + 1]
            third = (right - left) // 3
            cell = frame[top + 4 : bottom - 4, left + third : right - third]
            index |= int(cell.mean() > (BLACK + WHITE) / 2) << bit
        return index

    def color_error(self, frame: np.ndarray) -> float:
        """Return the mean difference of an RGB image from the colours of the quarters, in levels, away from edges."""
        expected = self._background()
        flat = self._flat()[: frame.shape[0], : frame.shape[1]]
        return float(np.abs(frame[flat] - expected[: frame.shape[0], : frame.shape[1]][flat].astype(float)).mean())

    def geometry_error(self, frame: np.ndarray) -> float:
        """Return by how many pixels a side of the black frame in an RGB image is away from its place, at most."""
        height, width = frame.shape[:2]
        luma = frame.mean(axis=2)
        quarters = self.width // 4, self.height // 4
        column = luma[:, quarters[0] - 6 : quarters[0] + 6].mean(axis=1)
        row = luma[quarters[1] - 6 : quarters[1] + 6].mean(axis=0)
        middle = INSET + THICKNESS / 2 - 0.5
        return max(
            abs(_dark(column[: self.height // 3], 0) - middle),
            abs(_dark(row[: self.width // 3], 0) - middle),
            abs(_dark(column, height * 2 // 3) - (self.height - 1 - middle)),
            abs(_dark(row, width * 2 // 3) - (self.width - 1 - middle)),
        )

    def _background(self) -> np.ndarray:
        frame = np.empty((self.height, self.width, 3), np.uint8)
        y, x = self.height // 2, self.width // 2
        frame[:y, :x], frame[:y, x:], frame[y:, :x], frame[y:, x:] = self.colors
        inner = INSET + THICKNESS
        ring = np.zeros(frame.shape[:2], bool)
        ring[INSET : self.height - INSET, INSET : self.width - INSET] = True
        ring[inner : self.height - inner, inner : self.width - inner] = False
        frame[ring] = BLACK
        return frame

    def _cells(self) -> tuple[int, int, list[int]]:
        """Return the top, the bottom, and the vertical edges of the cells."""
        top, bottom = self.height * 2 // 5, self.height * 3 // 5
        return top, bottom, [round(self.width * (1 + i * 6 / CELLS) / 8) for i in range(CELLS + 1)]

    def _flat(self) -> np.ndarray:
        """Return the pixels around which the picture has one colour that never changes: (height, width)."""
        background = self._background().astype(int)
        top, bottom, edges = self._cells()
        background[top:bottom, edges[0] : edges[-1]] = 999
        flat = np.ones(background.shape[:2], bool)
        for axis in (0, 1):
            for step in range(1, BLUR + 1):
                same = (background == np.roll(background, step, axis)).all(axis=2)
                flat &= same & np.roll(same, -step, axis)
        flat &= (background != 999).any(axis=2)
        flat[:2], flat[-2:], flat[:, :2], flat[:, -2:] = False, False, False, False
        return flat


def _dark(profile: np.ndarray, start: int) -> float:
    """Return the centre of the dark part of a profile, from ``start`` on."""
    part = profile[start:]
    weight = np.clip(np.median(part) - part - 15, 0, None)
    return start + float((weight * np.arange(len(part))).sum() / max(weight.sum(), 1e-9))
