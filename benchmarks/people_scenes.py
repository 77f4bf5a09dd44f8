"""Composites of several people: cuts, two-shots, crossings. Who is where in each frame is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.people_actors import Actor, Picture
from heygem_cli.face.geometry import LIPS, Array

Matte = npt.NDArray[np.floating[Any]]
"""(height, width), 0 … 1."""
Place = tuple[float, float, float]
"""Where the middle of a face is, as shares of a panel's width and height, and its size relative to the clip's."""

SHOT = 26
"""Frames of a usual shot."""


@dataclass(frozen=True)
class Appearance:
    """A person in a frame of a composite.

    Attributes:
        name: Who it is.
        landmarks: (478, 2) in pixels.
        visible: How much of each pixel of the frame shows the person's picture, (height, width).
    """

    name: str
    landmarks: Array
    visible: Matte

    @property
    def mouth(self) -> Matte:
        """The pixels of the mouth, 0 or 1."""
        mask = np.zeros(self.visible.shape, np.uint8)
        hull = cv2.convexHull(np.round(self.landmarks[list(LIPS)]).astype(np.int32))
        return np.asarray(cv2.fillConvexPoly(mask, hull, (1,)), np.float32)


@dataclass(frozen=True)
class Scene:
    """A frame of a composite.

    Attributes:
        picture: The frame.
        people: Who is in it, the nearest last.
        certain: Whether it shows one shot, rather than two that dissolve.
        covered: How much of each pixel is in front of the people; None if nothing is.
    """

    picture: Picture
    people: tuple[Appearance, ...]
    certain: bool = True
    covered: Matte | None = None


@dataclass(frozen=True)
class Layer:
    """A person in a shot.

    Attributes:
        actor: Who it is.
        panel: The part of the frame that shows the clip: left, top, right, bottom as shares.
        start: Where the face is at the beginning of the shot; None: the clip fills the panel.
        stop: Where it is at the end; None: the same.
        cutout: Whether the person stands before what is there, instead of covering the panel.
        mirrored: Whether left and right are exchanged.
        name: Who it is if not ``actor.name``.
    """

    actor: Actor
    panel: tuple[float, float, float, float] = (0, 0, 1, 1)
    start: Place | None = None
    stop: Place | None = None
    cutout: bool = False
    mirrored: bool = False
    name: str = ""


@dataclass(frozen=True)
class Shot:
    """Frames without a cut, and how many of them dissolve into the next shot."""

    layers: tuple[Layer, ...]
    frames: int = SHOT
    dissolve: int = 0


@dataclass(frozen=True)
class Composite:
    """A video of several people.

    Attributes:
        name: What happens in it.
        shots: What it shows.
        speaker: Who shall speak.
        point: Whether the speaker is chosen by the point where the face is, instead of being there most of the time.
    """

    name: str
    shots: tuple[Shot, ...]
    speaker: str
    point: bool = False
    effect: Callable[[int, Scene], Scene] | None = field(default=None, compare=False)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.shots[0].layers[0].actor.fps if self.shots[0].layers else self.shots[1].layers[0].actor.fps

    def scenes(self) -> Iterator[Scene]:
        """Draw the frames."""
        size = next(shot.layers[0].actor.size for shot in self.shots if shot.layers)
        drawn = 0
        for shot, following in zip(self.shots, (*self.shots[1:], Shot(())), strict=True):
            for index in range(shot.frames):
                scene = draw(shot.layers, size, index / max(1, shot.frames - 1), drawn)
                left = shot.frames - index
                if left <= shot.dissolve:
                    share = 1 - left / (shot.dissolve + 1)
                    scene = _dissolved(scene, draw(following.layers, size, 0, drawn), share)
                yield self.effect(drawn, scene) if self.effect else scene
                drawn += 1


def _dissolved(one: Scene, other: Scene, share: float) -> Scene:
    picture = cv2.addWeighted(one.picture, 1 - share, other.picture, share, 0)
    return Scene(np.asarray(picture, np.uint8), (*one.people, *other.people), certain=False)


def draw(layers: Sequence[Layer], size: tuple[int, int], progress: float, time: int) -> Scene:
    """Draw a frame: the layers one above the other, before a grey wall.

    Args:
        layers: The farthest first.
        size: Width and height in pixels.
        progress: How much of the shot is over, 0 … 1.
        time: The frame of the composite; clips are played back and forth.
    """
    width, height = size
    wall = np.linspace(70, 130, width, dtype=np.float32)[None, :, None] * np.array([1, 0.95, 0.9], np.float32)
    picture = np.repeat(wall, height, 0)
    people: list[Appearance] = []
    for layer in layers:
        index = _back_and_forth(time, len(layer.actor.frames))
        matrix = _matrix(layer, size, progress)
        frame = cv2.warpAffine(layer.actor.frames[index], matrix, size, flags=cv2.INTER_LINEAR, borderMode=1)
        matte = _matte(layer, index, matrix, size)
        picture += matte[..., None] * (frame - picture)
        landmarks = layer.actor.landmarks[index] @ matrix[:, :2].T + matrix[:, 2]
        people = [Appearance(each.name, each.landmarks, each.visible * (1 - matte)) for each in people]
        people.append(Appearance(layer.name or layer.actor.name, np.asarray(landmarks, np.float32), matte))
    return Scene(np.asarray(np.round(picture).clip(0, 255), np.uint8), tuple(people))


def _back_and_forth(time: int, count: int) -> int:
    period = max(1, 2 * count - 2)
    return min(time % period, period - time % period)


def _pixels(layer: Layer, size: tuple[int, int]) -> tuple[int, int, int, int]:
    scale = (size[0], size[1], size[0], size[1])
    left, top, right, bottom = (round(share * length) for share, length in zip(layer.panel, scale, strict=True))
    return left, top, right, bottom


def _matrix(layer: Layer, size: tuple[int, int], progress: float) -> Array:
    """Return the transform (2, 3) from the actor's pictures to the frame."""
    left, top, right, bottom = _pixels(layer, size)
    fit = max((right - left) / layer.actor.size[0], (bottom - top) / layer.actor.size[1])
    scale, center = fit, np.array(layer.actor.size, np.float32) / 2
    target = np.array([(left + right) / 2, (top + bottom) / 2])
    if layer.start is not None:
        x, y, zoom = np.array(layer.start) + progress * (np.array(layer.stop or layer.start) - layer.start)
        scale, center = fit * zoom, layer.actor.center
        target = np.array([left + x * (right - left), top + y * (bottom - top)])
    turn = np.diag([-scale if layer.mirrored else scale, scale])
    return np.column_stack([turn, target - turn @ center]).astype(np.float32)


def _matte(layer: Layer, index: int, matrix: Array, size: tuple[int, int]) -> Matte:
    left, top, right, bottom = _pixels(layer, size)
    matte = np.zeros(size[::-1], np.float32)
    matte[top:bottom, left:right] = 1
    if layer.cutout:
        cutout = layer.actor.cutouts[index]
        mode = cv2.BORDER_CONSTANT
        # The person goes on below the clip.
        longer = np.concatenate([cutout, np.repeat(cutout[-1:], len(cutout), 0)])
        matte *= cv2.warpAffine(longer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode)
    return matte


LEFT, RIGHT = (0, 0, 0.5, 1), (0.5, 0, 1, 1)
CORNER = (0.6, 0.5, 0.98, 0.96)


def _centered(actor: Actor) -> Place:
    """Return the place in the middle of a narrow panel, as large and high as in the clip."""
    return 0.5, float(actor.center[1]) / actor.size[1], 1.0


def make_composites(cast: Sequence[Actor]) -> list[Composite]:
    """Return the composites of three people, of whom the first shall speak."""
    first, second, third = cast[:3]
    one, other, another = Shot((Layer(first),)), Shot((Layer(second),)), Shot((Layer(third),))
    two = Shot((Layer(first, LEFT, _centered(first)), Layer(second, RIGHT, _centered(second))))
    swapped = Shot((Layer(second, LEFT, _centered(second)), Layer(first, RIGHT, _centered(first))))
    return [
        Composite("cut to a listener", (one, other, one), first.name),
        Composite("listener first", (Shot(other.layers, 14), one, Shot(other.layers, 12), one), first.name),
        Composite("three people", (one, other, one, another, Shot(other.layers, 14), one), first.name),
        Composite("two-shot", (one, two, one), first.name),
        Composite("two-shot, other side", (one, swapped, Shot(other.layers, 14), swapped), first.name),
        Composite("two-shot only", (two, other, two), first.name, point=True),
        Composite("jump cuts", _jumps(first, second), first.name),
        Composite("crossing in front", (_crossing(second, first),), first.name, point=True),
        Composite("crossing behind", (_crossing(first, second),), first.name, point=True),
        Composite("leaving and coming back", _leaving(first, second), first.name, point=True),
        Composite("dissolves", _dissolves(first, second), first.name),
        Composite("picture in picture", (one, _inset(first, second), _inset(second, first)), first.name),
    ]


def _jumps(first: Actor, second: Actor) -> tuple[Shot, ...]:
    places: tuple[Place, ...] = ((0.5, 0.55, 1.05), (0.4, 0.55, 1.5), (0.6, 0.5, 1.25))
    jumps = [Shot((Layer(first, start=place),), 16) for place in places]
    zoom = Shot((Layer(first, start=(0.5, 0.55, 1), stop=(0.5, 0.55, 1.5)),), 26)
    return (*jumps, Shot((Layer(second),), 14), zoom)


def _crossing(back: Actor, front: Actor) -> Shot:
    """Both walk through the picture; whoever is in front goes to the right."""
    left, right = (0.24, 0.55, 0.7), (0.76, 0.55, 0.7)
    layers = Layer(back, start=right, stop=left, cutout=True), Layer(front, start=left, stop=right, cutout=True)
    return Shot(layers, 70)


def _leaving(first: Actor, second: Actor) -> tuple[Shot, ...]:
    stays = Layer(second, start=(0.74, 0.55, 0.7), cutout=True)
    here, away = (0.28, 0.55, 0.7), (-0.3, 0.55, 0.7)
    leaves = Shot((stays, Layer(first, start=here, stop=away, cutout=True)), 22)
    returns = Shot((stays, Layer(first, start=away, stop=here, cutout=True)), 22)
    both = Shot((stays, Layer(first, start=here, cutout=True)), 14)
    return both, leaves, Shot((stays,), 20), returns, both


def _dissolves(first: Actor, second: Actor) -> tuple[Shot, ...]:
    one, other = (Layer(first),), (Layer(second),)
    return Shot(one, 30, 10), Shot(other, 30, 10), Shot(one, 24)


def _inset(large: Actor, small: Actor) -> Shot:
    return Shot((Layer(large), Layer(small, CORNER, (0.5, 0.5, 1.2))), 26)
