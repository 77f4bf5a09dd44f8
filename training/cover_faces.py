"""Random variation of faces that must not be taken for a cover: light, skin, beard, make-up, teeth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from heygem_cli.face.geometry import INNER_LOWER, INNER_UPPER, LIPS, OUTER_LOWER, OUTER_UPPER, Array
from heygem_cli.mesh.controls import LOWER_OUTLINE
from training.cover_data import CANVAS, CANVAS_SCALE, LowerFace
from training.cover_shapes import Random, skin_color

VIEW = 192
"""Width and height in pixels of what the network sees, at twice its resolution."""
CHEEKS = (50, 280, 205, 425)


@dataclass(frozen=True)
class View:
    """A face as the network sees it.

    Attributes:
        image: float32 (VIEW, VIEW, 3) BGR.
        landmarks: (478, 2) in its pixels.
    """

    image: Array
    landmarks: Array

    @property
    def lips(self) -> Array:
        """The lip points (40, 2)."""
        return self.landmarks[list(LIPS)]

    @property
    def skin(self) -> Array:
        """The colour (3,) of the cheeks."""
        x, y = np.clip(np.round(self.landmarks[list(CHEEKS)]).astype(int), 0, VIEW - 1).T
        return np.asarray(np.maximum(self.image[y, x].mean(0), 8), np.float32)


def vary_face(face: LowerFace, random: Random) -> View:
    """Return a face at a random place, in a random light, with random skin, lips, beard and teeth."""
    view = _move(face, random)
    for change, chance in (
        (_change_skin, 0.6),
        (_change_surroundings, 0.5),
        (_open_mouth, 0.12),
        (_color_lips, 0.15),
        (_grow_beard, 0.28),
        (_cast_shadow, 0.4),
        (_shine, 0.2),
        (_cut_off, 0.12),
    ):
        if random.random() < chance:
            view = replace(view, image=np.clip(change(view, random), 0, 255).astype(np.float32))
    return replace(view, image=_change_light(view.image, random))


def _move(face: LowerFace, random: Random) -> View:
    size, angle = np.exp(random.normal(0, 0.12)), random.normal(0, 5)
    matrix = cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), angle, size)
    squeeze = random.uniform(0.7, 1.0) if random.random() < 0.4 else 1.0
    flip = -1 if random.random() < 0.5 else 1
    matrix = np.array([[squeeze * flip, 0], [0, 1]]) @ matrix
    matrix[:, 2] += VIEW / 2 - matrix @ [CANVAS / 2, CANVAS / 2, 1] + random.normal(0, 0.06, 2) * CANVAS_SCALE
    image = cv2.warpAffine(face.image, matrix, (VIEW, VIEW), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    points = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return View(image.astype(np.float32), np.asarray(points, np.float32))


def _filled(points: Array, soft: float) -> Array:
    mask = np.zeros((VIEW, VIEW), np.float32)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], [1.0])
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32)[..., None]


def _head(view: View) -> Array:
    """Return where the face is (VIEW, VIEW, 1)."""
    outline = view.landmarks[list(LOWER_OUTLINE)]
    return _filled(np.concatenate([outline, outline[[-1, 0]] - [0, VIEW]]), 4)


def _noise(random: Random, size: float) -> Array:
    side = max(2, round(VIEW / size))
    coarse = random.standard_normal((side, side), np.float32)
    return np.asarray(cv2.resize(coarse, (VIEW, VIEW), interpolation=cv2.INTER_CUBIC), np.float32)[..., None]


def _change_skin(view: View, random: Random) -> Array:
    """Give the skin another tone; lips, brows and teeth change with it."""
    gain = np.clip(skin_color(random) / view.skin, 0.2, 2.2)
    share = random.uniform(0.3, 1)
    # Teeth and highlights keep more of their own colour than skin does.
    keep = np.clip((view.image.min(-1, keepdims=True) - 150) / 80, 0, 0.7)
    changed = view.image * gain
    neck = _head(view) if random.random() < 0.3 else 1.0
    return np.asarray(view.image + (changed - view.image) * share * neck * (1 - keep))


def _change_surroundings(view: View, random: Random) -> Array:
    """Give hair, clothes and background other colours."""
    hsv = cv2.cvtColor(view.image.astype(np.uint8), cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + random.uniform(0, 180)) % 180
    hsv[..., 1] *= random.uniform(0, 1)
    hsv[..., 2] *= random.uniform(0.2, 1.3)
    other = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR).astype(np.float32)
    if random.random() < 0.4:
        other = other + random.uniform(10, 60) * _noise(random, random.uniform(4, 60))
    return np.asarray(other + (view.image - other) * _head(view))


def _open_mouth(view: View, random: Random) -> Array:
    """Draw an opening between the lips, with teeth or a tongue."""
    upper, lower = view.landmarks[list(INNER_UPPER)], view.landmarks[list(INNER_LOWER)]
    drop = np.sin(np.linspace(0, np.pi, 11))[:, None] * [0, random.uniform(0.05, 0.35) * CANVAS_SCALE]
    lip = view.landmarks[list(OUTER_LOWER)] + drop
    image = view.image
    lip_color = image[tuple(np.clip(np.round(view.landmarks[17, ::-1]).astype(int), 0, VIEW - 1))]
    image = image + (lip_color - image) * _filled(np.concatenate([view.landmarks[list(OUTER_UPPER)], lip[::-1]]), 1.5)
    opening = _filled(np.concatenate([upper, (lower + drop)[::-1]]), 1.2)
    inside = np.array([20, 18, 45]) * random.uniform(0.3, 1.5) + 0 * image
    for edge, sign in ((upper, 1), (lower + drop, -1)):
        if random.random() < 0.6:
            height = [0, sign * random.uniform(0.03, 0.14) * CANVAS_SCALE]
            teeth = _filled(np.concatenate([edge, (edge + height)[::-1]]), 1)
            inside = inside + (np.array([175, 205, 215]) * random.uniform(0.5, 1.15) - inside) * teeth
    if random.random() < 0.3:
        tongue = _filled(np.concatenate([(lower + drop), (lower + 0.4 * drop)[::-1]]), 2)
        inside = inside + (np.array([100, 95, 180]) * random.uniform(0.5, 1.2) - inside) * tongue
    return np.asarray(image + (inside - image) * opening)


def _color_lips(view: View, random: Random) -> Array:
    """Paint the lips."""
    outer = np.concatenate([view.landmarks[list(OUTER_UPPER)], view.landmarks[list(OUTER_LOWER)][::-1]])
    inner = np.concatenate([view.landmarks[list(INNER_UPPER)], view.landmarks[list(INNER_LOWER)][::-1]])
    lips = np.clip(_filled(outer, 1) - _filled(inner, 1), 0, 1)
    color = np.array([random.uniform(20, 130), random.uniform(10, 90), random.uniform(90, 220)])
    grey = view.image.mean(-1, keepdims=True) / max(float(view.skin.mean()), 20)
    return np.asarray(view.image + (color * grey - view.image) * lips * random.uniform(0.3, 0.9))


def _grow_beard(view: View, random: Random) -> Array:
    """Draw a beard, a moustache or stubble of any colour, with fuzzy edges."""
    outline = view.landmarks[list(LOWER_OUTLINE)]
    mouth = view.lips.mean(0)

    def beside(x: float, y: float) -> Array:
        return np.asarray(view.landmarks[2] + np.array([[x, y], [-x, y]], np.float32))

    shape = str(random.choice(["full", "chin", "moustache"]))
    chin = outline[6:15] + (outline[6:15] - mouth) * random.uniform(0, 0.4)
    if shape == "full":
        area = np.concatenate([chin, outline[14:17], beside(20, 8), outline[4:7]])
    elif shape == "chin":
        area = np.concatenate([chin[2:-2], view.landmarks[[291, 17, 61]] + [0, 4]])
    else:
        area = np.concatenate([view.landmarks[[61, 40, 0, 270, 291]], beside(22, 10)])
    dense = _filled(area, random.uniform(2, 7))
    bare = _filled(view.landmarks[list(OUTER_UPPER + OUTER_LOWER[::-1])], 1.5)
    strands = np.clip(random.uniform(0.5, 1) + 0.35 * _noise(random, random.uniform(1.5, 4)), 0, 1)
    hair = np.array([[18, 20, 26], [40, 60, 95], [90, 130, 165], [165, 165, 168]][random.integers(4)])
    hair = hair * (1 + 0.25 * _noise(random, 2.5))
    opacity = dense * strands * (1 - bare) * random.uniform(0.25, 1)
    return np.asarray(view.image + (hair - view.image) * opacity)


def _cast_shadow(view: View, random: Random) -> Array:
    """Darken a part of the picture with a soft or hard edge."""
    angle, place = random.uniform(0, 2 * np.pi), random.normal(0, 0.4) * CANVAS_SCALE
    rows, columns = np.mgrid[:VIEW, :VIEW] - VIEW / 2
    along = columns * np.cos(angle) + rows * np.sin(angle) + random.uniform(0, 12) * _noise(random, 40)[..., 0]
    dark = 1 / (1 + np.exp(np.clip((along - place) / random.uniform(1, 40), -30, 30)))
    return np.asarray(view.image * (1 - random.uniform(0.1, 0.7) * dark[..., None]))


def _shine(view: View, random: Random) -> Array:
    """Add soft highlights."""
    bright = np.clip(_noise(random, random.uniform(15, 50)) - 1.2, 0, 1)
    return np.asarray(view.image + random.uniform(20, 120) * bright)


def _cut_off(view: View, random: Random) -> Array:
    """End the picture below the lips or beside them; the edge is repeated, as the program does."""
    x, y = view.lips.mean(0) + random.uniform(0.15, 0.8, 2) * CANVAS_SCALE
    image = view.image.copy()
    if random.random() < 0.7:
        row = int(np.clip(y, 0, VIEW - 1))
        image[row:] = image[row]
    else:
        column = int(np.clip(x, 0, VIEW - 1))
        image[:, column:] = image[:, column, None]
    return image


def _change_light(image: Array, random: Random) -> Array:
    """Change brightness, contrast, white balance and saturation of everything."""
    gamma, gain = np.exp(random.normal(0, 0.25)), np.exp(random.normal(0, 0.2))
    levels = 255 * np.clip(np.arange(256) / 255, 0, 1) ** gamma * gain
    tints = np.exp(random.normal(0, 0.1, 3))
    table = np.clip(levels[:, None] * tints, 0, 255).astype(np.uint8)
    lit = cv2.LUT(image.astype(np.uint8), table[:, None]).astype(np.float32)
    saturation = 0.0 if random.random() < 0.06 else random.uniform(0.4, 1.3)
    grey = lit.mean(-1, keepdims=True)
    return np.asarray(np.clip(grey + (lit - grey) * saturation, 0, 255), np.float32)
