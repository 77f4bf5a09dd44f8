"""The real pipeline with the built-in engine, of which the networks see and draw nothing: all frames are passed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from heygem_cli.face.geometry import canonical_face
from heygem_cli.face.video_track import TrackedFrame
from heygem_cli.job import RenderJob
from heygem_cli.media.types import Frame
from heygem_cli.mesh import engine as mesh
from heygem_cli.options import EncodeOptions, EngineOptions, RenderOptions
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import SAMPLE_RATE, MouthMotion, frame_count
from tracks import frames_of

ENCODE = EncodeOptions(encoder="libx264", crf=4, preset="ultrafast", threads=1)
OPTIONS = RenderOptions(overwrite=True, no_cache=True, encode=ENCODE)


class SilentMouth:
    """A motion model that keeps the samples that it is given, and never moves the mouth."""

    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    samples = np.zeros(0, np.float32)

    def predict(self, chunks: Iterable[np.ndarray], fps: Fraction) -> MouthMotion:
        self.samples = np.concatenate(list(chunks))
        frames = frame_count(len(self.samples), fps)
        return MouthMotion(
            np.zeros((frames, 41, 3), np.float32), np.full(frames, -120, np.float32), len(self.samples) / SAMPLE_RATE
        )


class SomebodyOutside:
    """A tracker that looks at one frame and finds a face outside the picture, which is left unchanged."""

    version = "none"

    def follow_in_shots(self, frames: Iterable[tuple[Frame, bool]]) -> Iterator[TrackedFrame]:
        next(iter(frames))
        yield from frames_of([100 * canonical_face() - 1000])


class PassingEngine(mesh.MeshEngine):
    """The engine without its networks."""

    def __init__(self) -> None:
        self.motion_model = SilentMouth()
        self.tracker = SomebodyOutside()
        self.painter = None
        self.covers = None


class PassingPipeline(Pipeline):
    """A pipeline whose frames arrive in the output as they were decoded."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(EngineOptions(), Settings())
        patch.setattr(mesh, "build_renderer", lambda *_: None)
        self.mouth = PassingEngine()
        self._engines["mesh"] = self.mouth

    def run(self, face: Path, audio: Path, output: Path, bits: int) -> np.ndarray:
        """Render, and return the samples that the mouth follows, 16 kHz mono."""
        encode = replace(ENCODE, pixel_format="10bit") if bits == 10 else ENCODE
        job = RenderJob(audio, face, output, replace(OPTIONS, encode=encode))
        self.render(job, check_job(job))
        return self.mouth.motion_model.samples
