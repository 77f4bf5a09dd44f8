"""Contact sheet of composites: the source above the output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.people_actors import Picture, to_bgr
from benchmarks.people_render import Rendered
from benchmarks.people_scenes import Appearance

COLUMNS = 8
WIDTH = 200
"""Of a picture, in pixels."""
TOP = 20


def draw_strip(title: str, rendered: Rendered, wrong: Sequence[int]) -> Image.Image:
    """Draw frames of a composite, source above output; the numbers of wrong frames are red."""
    chosen = choose_frames(len(rendered.frames), wrong)
    pictures = [_pair(rendered, index) for index in chosen]
    height = pictures[0].shape[0]
    strip = Image.new("RGB", (COLUMNS * (WIDTH + 4), height + 2 * TOP), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    draw.text((4, 2), title, "black", font)
    for column, (index, picture) in enumerate(zip(chosen, pictures, strict=True)):
        x = column * (WIDTH + 4)
        draw.text((x + 4, TOP), f"frame {index}", "red" if index in wrong else "black", font)
        strip.paste(Image.fromarray(picture[..., ::-1]), (x, 2 * TOP))
    return strip


def choose_frames(count: int, wrong: Sequence[int]) -> list[int]:
    """Choose frames: some at equal distances, and as many wrong ones."""
    chosen = {wrong[i] for i in _spread(len(wrong), COLUMNS // 2)}
    rest = [index for index in range(count) if index not in chosen]
    return sorted(chosen.union(rest[i] for i in _spread(len(rest), COLUMNS - len(chosen))))


def _spread(count: int, chosen: int) -> list[int]:
    """Return some of ``count`` indices, at equal distances."""
    chosen = min(count, chosen)
    return [round(index * (count - 1) / max(1, chosen - 1)) for index in range(chosen)]


def _pair(rendered: Rendered, index: int) -> Picture:
    frame = rendered.frames[index]
    both = [frame.scene.picture, to_bgr(frame.output)]
    if frame.scene.covered is not None:
        both = [_face(picture, frame.scene.people[0]) for picture in both]
    height, width = both[0].shape[:2]
    size = WIDTH, round(WIDTH * height / width)
    return np.asarray(np.vstack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in both]), np.uint8)


def _face(picture: Picture, person: Appearance) -> Picture:
    """Return the part of a picture around a face, twice as large as the face, as far as there is one."""
    low, high = person.landmarks.min(0), person.landmarks.max(0)
    center, half = (low + high) / 2, float((high - low).max())
    left, top = np.maximum(center - half, 0).astype(int)
    right, bottom = np.minimum(center + half, picture.shape[1::-1]).astype(int)
    part = picture[top:bottom, left:right]
    return np.asarray(cv2.copyMakeBorder(part, 0, max(0, right - left - bottom + top), 0, 0, cv2.BORDER_CONSTANT))


def write_sheet(strips: Sequence[Image.Image], path: Path) -> None:
    """Write the strips below each other."""
    sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height + 8 for strip in strips)), "white")
    y = 0
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height + 8
    sheet.save(path)
