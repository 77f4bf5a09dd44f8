"""Write a composite, render it, and compare output and source, neither of which loses anything when it is encoded."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from benchmarks.clips import ffmpeg
from benchmarks.people_actors import to_i420
from benchmarks.people_scenes import Appearance, Composite, Scene
from heygem_cli.errors import HeygemError
from heygem_cli.face.geometry import Array
from heygem_cli.job import RenderJob
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from heygem_cli.media.types import Frame, planes
from heygem_cli.mesh.controls import INNER_BOTTOM, INNER_TOP
from heygem_cli.mesh.engine import MeshEngine
from heygem_cli.options import EncodeOptions, RenderOptions
from heygem_cli.person import Person
from heygem_cli.pipeline import Pipeline, check_job

LOSSLESS = EncodeOptions(crf=0, preset="ultrafast", encoder="libx264")
OPEN = 0.04
"""Opening in inter-ocular distances from which the mouth should be open."""


@dataclass(frozen=True)
class RenderedFrame:
    """A frame of a composite, and what became of it.

    Attributes:
        scene: The frame, and who is in it.
        output: The frame of the output, I420.
        change: How much it differs from the source, in levels of luma, (height, width).
        opening: How far the mouth should be open, in inter-ocular distances.
    """

    scene: Scene
    output: Frame
    change: Array
    opening: float


@dataclass(frozen=True)
class Rendered:
    """A rendered composite, its frames, and the number of frames that the program counts as covered."""

    composite: Composite
    frames: tuple[RenderedFrame, ...]
    frames_covered: int = 0


def write_voice(clip: Path, output: Path, seconds: float) -> None:
    """Write the sound of a clip, repeated for ``seconds``."""
    ffmpeg("-stream_loop", "-1", "-i", clip, "-vn", "-ac", "1", "-ar", "16000", "-t", f"{seconds}", output)


def write_scenes(scenes: Sequence[Scene], output: Path, fps: float) -> None:
    """Encode the frames of a composite without any loss.

    Raises:
        HeygemError: ffmpeg failed.
    """
    height, width = scenes[0].picture.shape[:2]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]
    command += ["-s", f"{width}x{height}", "-r", f"{Fraction(fps).limit_denominator(1001)}", "-i", "-"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p", str(output)]
    content = b"".join(to_i420(scene.picture).tobytes() for scene in scenes)
    done = subprocess.run(command, check=False, input=content, capture_output=True)
    if done.returncode:
        raise HeygemError("ffmpeg-failed", f"ffmpeg failed: {done.stderr.decode().strip()}")


def choose_point(scenes: Sequence[Scene], speaker: str) -> Person:
    """Return the point of the speaker's face in the first frame that shows it well."""
    for scene in scenes:
        for each in scene.people:
            if each.name == speaker and visible_share(each) > 0.9:
                x, y = each.landmarks.mean(0)
                return Person(None, point=(round(float(x)), round(float(y))))
    raise ValueError(speaker)


def visible_share(person: Appearance) -> float:
    """Return how much of the mouth is in the frame and in front."""
    mouth = person.mouth
    return float((mouth * person.visible).sum() / mouth.sum()) if mouth.sum() else 0.0


def render_composite(composite: Composite, voice: Path, pipeline: Pipeline, folder: Path) -> Rendered:
    """Render a composite, and compare the frames.

    Args:
        composite: What the source shows.
        voice: Speech that is at least as long.
        pipeline: A loaded pipeline.
        folder: Folder for the source and the output.
    """
    scenes = list(composite.scenes())
    name = f"{composite.speaker}-{composite.name}".replace(" ", "-").replace(",", "")
    source, output, sound = (folder / f"{name}{suffix}" for suffix in (".source.mp4", ".mp4", ".wav"))
    write_scenes(scenes, source, composite.fps)
    write_voice(voice, sound, len(scenes) / composite.fps)
    options = RenderOptions(overwrite=True, no_cache=True, encode=LOSSLESS)
    if composite.point:
        options = replace(options, person=choose_point(scenes, composite.speaker))
    job = RenderJob(sound, source, output, options)
    result = pipeline.render(job, check_job(job))
    openings = mouth_openings(pipeline, sound, result.fps)
    frames = tuple(
        RenderedFrame(scene, after, luma_change(before, after), float(opening))
        for scene, (before, after), opening in zip(scenes, _pairs(source, output), openings, strict=False)
    )
    return Rendered(composite, frames, result.frames_covered or 0)


def mouth_openings(pipeline: Pipeline, sound: Path, fps: Fraction) -> npt.NDArray[Any]:
    """Return how far the mouth should be open in each frame, in inter-ocular distances."""
    engine = pipeline.engine("mesh")
    assert isinstance(engine, MeshEngine)  # noqa: S101 - for the type checker
    with closing(read_audio(probe_audio(sound))) as chunks:
        offsets = engine.motion_model.predict(chunks, fps).offsets
    return np.asarray((offsets[:, INNER_BOTTOM, 1] - offsets[:, INNER_TOP, 1]).max(1))


def luma_change(before: Frame, after: Frame) -> Array:
    """Return the absolute difference of the luma of two frames, (height, width)."""
    return cv2.absdiff(planes(before)[0], planes(after)[0]).astype(np.float32)


def _pairs(source: Path, output: Path) -> Iterator[tuple[Frame, Frame]]:
    with ExitStack() as stack:
        both = [stack.enter_context(closing(read_frames(probe_video(path)))) for path in (source, output)]
        yield from zip(*both, strict=False)
