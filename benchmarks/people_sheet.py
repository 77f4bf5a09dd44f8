"""Contact sheet of composites: the source above the output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.people_actors import Picture, to_bgr
from benchmarks.people_render import Rendered

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
    return sorted(chosen.union(_spread(count, COLUMNS - len(chosen))))


def _spread(count: int, chosen: int) -> list[int]:
    """Return some of ``count`` indices, at equal distances."""
    chosen = min(count, chosen)
    return [round(index * (count - 1) / max(1, chosen - 1)) for index in range(chosen)]


def _pair(rendered: Rendered, index: int) -> Picture:
    frame = rendered.frames[index]
    output = to_bgr(frame.output)
    height, width = output.shape[:2]
    size = WIDTH, round(WIDTH * height / width)
    both = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (frame.scene.picture, output)]
    return np.asarray(np.vstack(both), np.uint8)


def write_sheet(strips: Sequence[Image.Image], path: Path) -> None:
    """Write the strips below each other."""
    sheet = Image.new("RGB", (max(strip.width for strip in strips), sum(strip.height + 8 for strip in strips)), "white")
    y = 0
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height + 8
    sheet.save(path)
