"""Measure what is lost where nothing is in front of the face: mouths that are taken for covered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.mediapipe_tracker import MediaPipeTracker
from benchmarks.metrics import Curve, correlation, opening
from benchmarks.people_actors import Actor
from benchmarks.people_render import Rendered, render_composite
from benchmarks.people_scenes import Composite, Layer, Shot
from heygem_cli.face.geometry import LANDMARKS, Array
from heygem_cli.media.types import Frame
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.engine import MeshEngine
from heygem_cli.pipeline import Pipeline

DRAWN = 2.0
"""Levels of luma by which a drawn pixel differs from the source."""


@dataclass(frozen=True)
class CleanScores:
    """A clip without anything in front of the face, with and without the search for it.

    Attributes:
        name: The clip.
        pixels: Pixels of the mouth that are drawn if nothing can be covered, in all frames together.
        covered: Those of them that are the source's own otherwise.
        r: Correlation of the opening of the mouth with that of the clip.
        r_uncovered: The same if nothing can be covered.
    """

    name: str
    pixels: int
    covered: int
    r: float
    r_uncovered: float


class NothingCovered(CoverNetwork):
    """Takes nothing for covered."""

    def __init__(self) -> None:
        """Load nothing."""

    def predict_image(self, image: Frame) -> Array:
        """Return zeros for an image (height, width, 3)."""
        return np.zeros(image.shape[:2], np.float32)


@contextmanager
def nothing_covered(engine: MeshEngine) -> Iterator[None]:
    """Let an engine take nothing for covered within the block."""
    network = engine.covers
    engine.covers = NothingCovered()
    try:
        yield
    finally:
        engine.covers = network


def score_clean(actor: Actor, voice: Path, pipeline: Pipeline, folder: Path) -> CleanScores:
    """Render a clip's own sound onto the clip played backwards, with and without the search for covers.

    Args:
        actor: Who is in the clip.
        voice: The clip.
        pipeline: A loaded pipeline.
        folder: Folder for sources and outputs.
    """
    backwards = replace(actor, frames=actor.frames[::-1], landmarks=actor.landmarks[::-1])
    composite = Composite("clean", (Shot((Layer(backwards),), len(actor.frames)),), actor.name)
    engine = pipeline.engine("mesh")
    assert isinstance(engine, MeshEngine)  # noqa: S101 - for the type checker
    searched = render_composite(composite, voice, pipeline, folder)
    with nothing_covered(engine):
        uncovered = render_composite(composite, voice, pipeline, folder)
    pixels = covered = 0
    for one, other in zip(searched.frames, uncovered.frames, strict=True):
        drawn = (other.change > DRAWN) & (other.scene.people[0].mouth > 0)
        pixels += int(drawn.sum())
        covered += int((drawn & (one.change == 0)).sum())
    depth = np.zeros((*actor.landmarks.shape[:2], 1), np.float32)
    real = opening(np.concatenate([actor.landmarks, depth], -1))
    r, r_uncovered = (correlation(_opening(each, len(real)), real) for each in (searched, uncovered))
    return CleanScores(actor.name, pixels, covered, r, r_uncovered)


def _opening(rendered: Rendered, count: int) -> Curve:
    missing = np.full((LANDMARKS, 3), np.nan, np.float32)
    rows = MediaPipeTracker().track([frame.output for frame in rendered.frames])
    curve = np.full(count, np.nan)
    found = opening(np.stack([missing if row is None else row for row in rows]))[:count]
    curve[: len(found)] = found
    return curve
