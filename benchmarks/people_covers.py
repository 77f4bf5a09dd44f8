"""Composites of one person with something in front of the face, whose pixels are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from benchmarks import people_stickers as stickers
from benchmarks.people_actors import Actor
from benchmarks.people_scenes import Composite, Layer, Matte, Scene, Shot
from benchmarks.people_stickers import CaptionStyle, Color, Sticker, blur
from heygem_cli.face.geometry import CHIN, LIPS, Array, interocular

FRAMES = 50


@dataclass(frozen=True)
class Moment:
    """The number of a frame, and the landmarks (478, 2) of the face in it."""

    time: int
    landmarks: Array


Drawing = Callable[[Moment], tuple[Array, Matte]]
"""Draws what is in front in a frame: picture and matte."""

MASK = (93, 116, 117, 118, 197, 347, 346, 345, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150)
MASK_OUTLINE = (*MASK, 136, 172, 58, 132)
"""Landmarks around what a cloth mask covers."""
CHEEKS = (50, 280, 205, 425)
WHITE, BLACK, YELLOW, RED, BLUE = (245, 245, 245), (12, 12, 12), (40, 225, 250), (50, 45, 215), (150, 70, 20)


@dataclass(frozen=True)
class Cover:
    """Something in front of a face.

    Attributes:
        name: What it is.
        make: Returns what draws it before an actor.
    """

    name: str
    make: Callable[[Actor], Drawing]


def cover_composite(cover: Cover, actor: Actor) -> Composite:
    """Return the composite of an actor, with a cover in front."""
    drawing = cover.make(actor)

    def effect(time: int, scene: Scene) -> Scene:
        picture, matte = drawing(Moment(time, scene.people[0].landmarks))
        blended = scene.picture + matte[..., None] * (picture - scene.picture)
        return Scene(np.asarray(np.round(blended).clip(0, 255), np.uint8), scene.people, covered=matte)

    return Composite(cover.name, (Shot((Layer(actor),), FRAMES),), actor.name, effect=effect)


def _vector(x: float, y: float) -> Array:
    return np.array([x, y], np.float32)


def _eyes(actor: Actor) -> float:
    return float(np.median(interocular(actor.landmarks)))


def _still(sticker: Sticker, actor: Actor, landmark: int, shift: tuple[float, float] = (0, 0)) -> Drawing:
    """Place a sticker in the picture: relative to a landmark of the first frame, in inter-ocular distances."""
    eyes = _eyes(actor)
    at = np.round(actor.landmarks[0, landmark] + eyes * _vector(*shift))
    drawn = sticker.place(actor.size, at, 1 if sticker.unit == 1 else eyes)
    return lambda _: drawn


def _following(sticker: Sticker, actor: Actor, landmark: int, shift: tuple[float, float]) -> Drawing:
    """Place a sticker on the face, on which it stays."""
    eyes = _eyes(actor)
    offset = eyes * _vector(*shift)
    return lambda moment: sticker.place(actor.size, moment.landmarks[landmark] + offset, eyes)


def _moving(sticker: Sticker, actor: Actor, path: Callable[[int], tuple[float, float, float]]) -> Drawing:
    """Move a sticker: ``path`` gives its place relative to the mouth, in inter-ocular distances, and degrees."""
    eyes, mouth = _eyes(actor), np.asarray(actor.landmarks[:, list(LIPS)].mean((0, 1)), np.float32)

    def draw(moment: Moment) -> tuple[Array, Matte]:
        x, y, degrees = path(moment.time)
        return sticker.place(actor.size, mouth + eyes * _vector(x, y), eyes, degrees)

    return draw


def _caption(actor: Actor, *, text: str, style: CaptionStyle, size: float, shift: float) -> Drawing:
    """Place a caption at the chin: its size, and how much lower it is, in inter-ocular distances."""
    return _still(stickers.draw_caption(text, style, size * _eyes(actor)), actor, CHIN, (0.0, shift))


def _words(actor: Actor) -> Drawing:
    """Return a caption that shows one word after another, and nothing in between."""
    words = [
        _caption(actor, text=word, style=CaptionStyle("DejaVuSans-Bold", YELLOW, BLACK), size=0.34, shift=-0.08)
        for word in ("EVERY", "WORD", "IS", "BIG", "NOW")
    ]
    empty = (np.zeros((*actor.size[::-1], 3), np.float32), np.zeros(actor.size[::-1], np.float32))
    return lambda moment: empty if moment.time % 12 == 11 else words[moment.time // 12 % len(words)](moment)


def _bar(actor: Actor, *, top: Color, bottom: Color, opacity: float, text: str) -> Drawing:
    width, height = actor.size
    chin = float(actor.landmarks[0, CHIN, 1])
    start = round(chin - 0.22 * _eyes(actor))
    bar = stickers.draw_bar((width, max(2, height - start)), top, bottom, opacity)
    caption = stickers.draw_caption(text, CaptionStyle("STIXGeneralBol", WHITE), 0.26 * _eyes(actor))
    picture, matte = bar.place(actor.size, _vector(width / 2, start), 1)
    words, letters = caption.place(actor.size, _vector(width / 2, start + 0.3 * _eyes(actor)), 1)
    together = picture + letters[..., None] * (words - picture), np.maximum(matte, letters)
    return lambda _: together


def skin_color(actor: Actor) -> Color:
    """Return the colour of the cheeks."""
    points = np.round(actor.landmarks[0, list(CHEEKS)]).astype(int)
    blue, green, red = np.percentile([actor.frames[0][y, x] for x, y in points], 30, 0)
    return float(blue), float(green), float(red)


def _hand(path: Callable[[int], tuple[float, float, float]], actor: Actor) -> Drawing:
    return _moving(stickers.draw_hand(skin_color(actor)), actor, path)


def _two_fingers(actor: Actor) -> Drawing:
    hand = stickers.draw_hand(skin_color(actor), fingers=((-0.1, 0.85), (0.12, 0.8)))
    return _moving(hand, actor, lambda time: (0.12, 0.55 + 0.02 * np.sin(time / 5), -12.0))


def _passing(start: int, frames: int, time: int) -> tuple[float, float, float]:
    """Return the path of a hand that passes the mouth from left to right within some frames."""
    progress = np.clip((time - start) / frames, -0.2, 1.2)
    return -2.6 + 5.2 * float(progress), 0.15, -35.0 + 70 * float(progress)


def _cloth(color: Color, actor: Actor, *, stripes: bool = False, pulled_down: bool = False) -> Drawing:
    """Return a mask of cloth that follows the face; pulled down, it covers only the chin."""
    size = actor.size

    def draw(moment: Moment) -> tuple[Array, Matte]:
        landmarks = moment.landmarks
        eyes = float(interocular(landmarks))
        outline = landmarks[list(MASK_OUTLINE)].copy()
        if pulled_down:
            outline = outline[outline[:, 1] > landmarks[17, 1] + 0.14 * eyes]
        center = outline.mean(0)
        outline = center + _vector(1.06, 1.8 if pulled_down else 1.06) * (outline - center)
        matte = np.zeros(size[::-1], np.float32)
        cv2.fillPoly(matte, [np.round(outline * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, 4)
        return _cloth_picture(color, moment.landmarks, size, stripes=stripes), blur(matte, 0.8)

    return draw


def _cloth_picture(color: Color, landmarks: Array, size: tuple[int, int], *, stripes: bool) -> Array:
    eyes = float(interocular(landmarks))
    rows, columns = np.indices(size[::-1]).astype(np.float32)
    across = (columns - landmarks[164, 0]) / eyes
    down = (rows - landmarks[164, 1]) / eyes
    light = 1.08 - 0.45 * across**2 - 0.12 * down
    for fold in (-0.1, 0.12, 0.34):
        light -= 0.22 * np.exp(-(((down - fold - 0.1 * across**2) / 0.018) ** 2))
    if stripes:
        light *= 1 - 0.45 * (np.sin(across * 26) > 0.3)
    grain = np.random.default_rng(2).normal(0, 2, size[::-1])
    picture = np.array(color, np.float32) * light[..., None].clip(0.2, 1.3) + grain[..., None]
    return np.asarray(picture.clip(0, 255), np.float32)


def _hair(actor: Actor) -> Drawing:
    """Return strands of hair from the temple over the cheek to the corner of the mouth, which follow the face."""
    size, strands = actor.size, np.random.default_rng(4).random((24, 2))

    def draw(moment: Moment) -> tuple[Array, Matte]:
        landmarks = moment.landmarks
        eyes = float(interocular(landmarks))
        matte = np.zeros(size[::-1], np.uint8)
        picture = np.full((*size[::-1], 3), (22, 28, 38), np.uint8)
        for number, (across, light) in enumerate(strands):
            start = landmarks[162] + eyes * _vector(0.2 * across - 0.05, -0.2)
            stop = landmarks[212] + eyes * _vector(0.4 * across - 0.15, 0.1 + 0.4 * light)
            middle = (start + stop) / 2 + eyes * _vector(0.25 * across - 0.2, 0.1)
            t = np.linspace(0, 1, 24)[:, None]
            curve = np.round(((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop) * 16).astype(np.int32)
            thickness = max(1, round(eyes * (0.04 if number % 3 == 0 else 0.015)))
            cv2.polylines(matte, [curve], False, (255,), thickness, cv2.LINE_AA, 4)
            color = tuple((15 + 35 * light) * float(share) for share in (1, 1.2, 1.6))
            cv2.polylines(picture, [curve], False, color, thickness + 1, cv2.LINE_AA, 4)
        return picture.astype(np.float32), blur(matte.astype(np.float32) / 255, 0.5)

    return draw


def _sway(time: int) -> tuple[float, float, float]:
    return 0.1 + 0.25 * float(np.sin(time / 7)), 0.32 + 0.06 * float(np.sin(time / 4)), 12 * float(np.sin(time / 7))


OUTLINED = CaptionStyle("DejaVuSans-Bold", WHITE, BLACK)
BOXED = CaptionStyle("DejaVuSans", YELLOW, box=BLACK, opacity=0.75)
SERIF = CaptionStyle("DejaVuSerif-Bold", RED)
THIN = CaptionStyle("STIXGeneral", WHITE, BLACK)

COVERS: Sequence[Cover] = (
    Cover(
        "caption, white with an outline",
        partial(_caption, text="so this is what\nI wanted to say", style=OUTLINED, size=0.2, shift=0.02),
    ),
    Cover(
        "caption, yellow on a dark box",
        partial(_caption, text="this is what I mean", style=BOXED, size=0.2, shift=-0.1),
    ),
    Cover("caption, red, over the mouth", partial(_caption, text="BREAKING NEWS", style=SERIF, size=0.26, shift=-0.42)),
    Cover("caption, small and thin", partial(_caption, text="only a few words", style=THIN, size=0.17, shift=-0.12)),
    Cover("caption, word by word", _words),
    Cover("bar", partial(_bar, top=BLUE, bottom=(90, 40, 10), opacity=1.0, text="Professor of Something")),
    Cover("bar, translucent", partial(_bar, top=BLACK, bottom=(60, 20, 20), opacity=0.75, text="A name, and a job")),
    Cover("ball microphone, still", lambda actor: _still(stickers.draw_ball_microphone(), actor, 17, (0.05, 0.22))),
    Cover("ball microphone, moving", lambda actor: _moving(stickers.draw_ball_microphone(), actor, _sway)),
    Cover("rod microphone", lambda actor: _still(stickers.draw_rod_microphone(), actor, 17, (-0.05, 0.02))),
    Cover("headset", lambda actor: _following(stickers.draw_headset(), actor, 57, (0.02, 0.1))),
    Cover("hand at the chin", partial(_hand, lambda time: (0.25, 0.95 + 0.02 * np.sin(time / 6), -25.0))),
    Cover("fingers on the lips", _two_fingers),
    Cover("hand that passes", partial(_hand, partial(_passing, 12, 22))),
    Cover("hand that passes quickly", partial(_hand, partial(_passing, 20, 7))),
    Cover("hand over the mouth", partial(_hand, lambda time: (0.03, 0.05 + 0.02 * np.sin(time / 5), -8.0))),
    Cover("cloth mask, blue", partial(_cloth, (205, 170, 110))),
    Cover("cloth mask, white", partial(_cloth, (225, 225, 225))),
    Cover("cloth mask, striped", partial(_cloth, (70, 60, 150), stripes=True)),
    Cover("cloth mask, pulled down", partial(_cloth, (60, 60, 60), pulled_down=True)),
    Cover("hair", _hair),
)
