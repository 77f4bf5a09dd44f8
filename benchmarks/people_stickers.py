"""Draw what can be in front of a face: captions, bars, microphones, hands, cloth masks, hair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from heygem_cli.face.geometry import Array

FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
"""Fonts of matplotlib, which mediapipe brings."""
UNIT = 100
"""Pixels of a drawing per inter-ocular distance."""
Color = tuple[float, float, float]
"""Blue, green, red, 0 … 255."""
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sticker:
    """A drawing.

    Attributes:
        picture: BGR, float32 (height, width, 3).
        matte: How much of each pixel it covers, 0 … 1, (height, width).
        anchor: The pixel that is placed somewhere.
        unit: Its pixels per inter-ocular distance of the face.
    """

    picture: Array
    matte: Array
    anchor: tuple[float, float]
    unit: float = UNIT

    def place(self, size: tuple[int, int], at: Array, eye_distance: float, degrees: float = 0) -> tuple[Array, Array]:
        """Return picture and matte in a frame of this width and height.

        Args:
            size: Width and height of the frame.
            at: Where the anchor is, in pixels of the frame.
            eye_distance: Inter-ocular distance in pixels.
            degrees: Rotation, clockwise.
        """
        turn = cv2.getRotationMatrix2D((0, 0), -degrees, eye_distance / self.unit)[:, :2]
        matrix = np.column_stack([turn, at - turn @ np.array(self.anchor)])
        picture = cv2.warpAffine(self.picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        matte = cv2.warpAffine(self.matte, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(picture, np.float32), np.asarray(matte, np.float32)


def _blank(width: int, height: int, color: Color) -> Array:
    return np.full((height, width, 3), color, np.float32)


def _grain(picture: Array, strength: float, seed: int = 1) -> Array:
    noise = np.random.default_rng(seed).normal(0, strength, picture.shape[:2])
    return np.asarray((picture + cv2.GaussianBlur(noise, (0, 0), 1.0)[..., None] * 2).clip(0, 255), np.float32)


def blur(values: Array, sigma: float) -> Array:
    """Return values averaged with a Gaussian."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)


def _scaled(color: Color, factor: float | Array) -> Array:
    return np.asarray(np.array(color, np.float32) * factor, np.float32)


@dataclass(frozen=True)
class CaptionStyle:
    """How a caption looks.

    Attributes:
        font: Name of a file in :data:`FONTS`.
        fill: Colour of the letters.
        outline: Colour of their outline.
        box: Colour of the box behind them.
        opacity: Of the box.
    """

    font: str
    fill: Color
    outline: Color | None = None
    box: Color | None = None
    opacity: float = 0.0


def draw_caption(text: str, style: CaptionStyle, height: float) -> Sticker:
    """Draw one or more lines of text with letters of a height in pixels of the frame."""
    letters = ImageFont.truetype(str(FONTS / f"{style.font}.ttf"), max(8, round(height)))
    stroke = max(1, round(height / 12)) if style.outline else 0
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = measure.multiline_textbbox((0, 0), text, letters, stroke_width=stroke, align="center")
    margin = round(height / 3)
    size = round(right - left) + 2 * margin, round(bottom - top) + 2 * margin

    def mask(thickness: int) -> Array:
        drawing = Image.new("L", size)
        place = margin - left, margin - top
        ImageDraw.Draw(drawing).multiline_text(place, text, 255, letters, align="center", stroke_width=thickness)
        return np.asarray(drawing, np.float32) / 255

    picture = _blank(*size, style.box or style.outline or style.fill)
    fill, around = mask(0), mask(stroke)
    picture += fill[..., None] * (_scaled(style.fill, 1) - picture)
    return Sticker(picture, np.maximum(around, style.opacity), (size[0] / 2, size[1] / 2), unit=1)


def draw_bar(size: tuple[int, int], top: Color, bottom: Color, opacity: float) -> Sticker:
    """Draw a bar with a gradient, in pixels of the frame; the anchor is in the middle of its upper edge."""
    width, height = size
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = np.repeat(_scaled(top, 1 - share) + _scaled(bottom, share), width, 1)
    return Sticker(
        np.asarray(picture, np.float32), np.full((height, width), opacity, np.float32), (width / 2, 0), unit=1
    )


def draw_ball_microphone(color: Color = (45, 42, 40)) -> Sticker:
    """Draw a microphone that is held below: a ball of wire mesh and a handle; the anchor is the middle of the ball."""
    width, height, radius, x, y = 160, 700, 34, 80, 60
    picture = _blank(width, height, color)
    rows, columns = np.indices((height, width), np.float32)
    across = (columns - x) / 17
    picture *= np.clip(1.25 - 0.7 * np.abs(across + 0.3), 0.3, 1.6)[..., None]
    distance = np.hypot(columns - x, rows - y) / radius
    light = np.clip(1.6 - np.hypot(columns - x + 12, rows - y + 14) / radius, 0.35, 1.6)
    wires = 1 + 0.35 * np.sign(np.sin(columns * 0.9) * np.sin(rows * 0.9))
    ball = (distance <= 1)[..., None]
    picture = np.where(ball, _scaled((110, 112, 115), (light * wires)[..., None]), picture)
    matte = np.zeros((height, width), np.float32)
    cv2.circle(matte, (x, y), radius, (1.0,), -1, cv2.LINE_AA)
    cv2.fillPoly(
        matte, [np.array([[x - 16, y + 20], [x + 16, y + 20], [x + 11, height], [x - 11, height]], np.int32)], (1.0,)
    )
    return Sticker(_grain(picture, 3), blur(matte, 1.2), (x, y))


def draw_rod_microphone() -> Sticker:
    """Draw a thin microphone on a bent rod that comes from below; the anchor is its tip."""
    width, height = 200, 700
    points = np.array([[60, 40], [75, 90], [110, 200], [125, 360], [130, 700]], np.int32)
    matte = np.zeros((height, width), np.float32)
    cv2.polylines(matte, [points], False, (1.0,), 9, cv2.LINE_AA)
    cv2.line(matte, (60, 40), (75, 90), (1.0,), 20, cv2.LINE_AA)
    return Sticker(_grain(_blank(width, height, (38, 36, 36)), 4), blur(matte, 1), (60, 40))


def draw_headset() -> Sticker:
    """Draw the arm of a headset from the ear to the corner of the mouth; the anchor is the foam at its end."""
    width, height = 200, 160
    matte = np.zeros((height, width), np.float32)
    points = np.array([[40, 100], [80, 102], [120, 88], [160, 40], [170, 10]], np.int32)
    cv2.polylines(matte, [points], False, (1.0,), 5, cv2.LINE_AA)
    cv2.ellipse(matte, (40, 100), (17, 12), 0, 0, 360, (1.0,), -1, cv2.LINE_AA)
    return Sticker(_grain(_blank(width, height, (30, 30, 32)), 4), blur(matte, 1), (40, 100))


FINGERS = ((-0.35, 0.62), (-0.12, 0.8), (0.12, 0.85), (0.35, 0.72))
"""Where fingers begin on the palm and how long they are, in inter-ocular distances."""


def draw_hand(skin: Color, *, fingers: Sequence[tuple[float, float]] = FINGERS) -> Sticker:
    """Draw a hand that comes from below, in a colour of skin; the anchor is the middle of the fingers."""
    width, height, x, y = 260, 900, 130, 240
    picture, matte = _blank(width, height, skin), np.zeros((height, width), np.float32)
    palm = np.zeros((height, width), np.uint8)
    cv2.ellipse(palm, (x, y + 40), (50, 62), 0, 0, 360, (255,), -1)
    wrist = np.array([[x - 46, y + 50], [x + 46, y + 50], [x + 33, height], [x - 33, height]], np.int32)
    cv2.fillPoly(palm, [wrist], (255,))
    tips = [(x + round(offset * UNIT), y - round(length * UNIT)) for offset, length in fingers]
    parts = [palm, _finger((x - 42, y + 50), (x - 86, y - 22), 12, palm)]
    parts += [_finger((x + round(0.8 * (tip[0] - x)), y + 15), tip, 11, palm) for tip in tips]
    for part in parts:
        depth = cv2.distanceTransform(part, cv2.DIST_L2, 5)
        shade = 0.62 + 0.4 * np.clip(depth / 11, 0, 1) ** 0.6
        share = blur(part.astype(np.float32) / 255, 0.8)
        picture += share[..., None] * (_scaled(skin, shade[..., None]) - picture)
        matte = np.maximum(matte, share)
    for tip in tips:
        _draw_nail_and_joints(picture, skin, tip, y)
    return Sticker(_grain(blur(picture, 0.8), 2.5), matte, (x, y - 35))


def _draw_nail_and_joints(picture: Array, skin: Color, tip: tuple[int, int], base: int) -> None:
    nail = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(nail, (tip[0], tip[1] + 2), (6, 8), 0, 0, 360, (0.6,), -1, cv2.LINE_AA)
    picture += nail[..., None] * (_scaled(skin, 1.08) - picture)
    for joint in (0.35, 0.65):
        row = round(base + joint * (tip[1] - base))
        cv2.line(picture, (tip[0] - 7, row), (tip[0] + 7, row), _scaled(skin, 0.8).tolist(), 1, cv2.LINE_AA)


def _finger(base: tuple[int, int], tip: tuple[int, int], radius: int, like: Mask) -> Mask:
    part = np.zeros_like(like)
    cv2.line(part, base, tip, (255,), 2 * radius)
    return part
