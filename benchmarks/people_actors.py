"""People of real clips, whom :mod:`benchmarks.people` puts together in composites."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from mediapipe.python.solutions import selfie_segmentation

from benchmarks.mediapipe_tracker import MediaPipeTracker
from heygem_cli.errors import InputError
from heygem_cli.face.geometry import Array
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame

Picture = npt.NDArray[np.uint8]
"""BGR (height, width, 3)."""

HEIGHT = 360
"""Largest height of a composite in pixels; larger clips are made smaller."""

CASTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "tuned": (
        ("grid/train/s1_bbal8p.mpg", "grid/train/s26_bgbsza.mpg", "grid/train/s31_bgiq6p.mpg"),
        ("grid/train/sx5_bbab8n.mpg", "grid/train/sx2_826b5db2.mpg", "grid/train/s4_bbaf2a.mpg"),
        ("wild/Age_19-30_1.mp4", "wild/Ethnicity_African_2.mp4", "wild/Gender_female_3.mp4"),
    ),
    "held-out": (
        ("grid/dev/s30_bwwy5n.mpg", "grid/dev/pwij3p.mpg", "grid/dev/lbax4n.mpg"),
        ("grid/dev/brbk7n.mpg", "grid/dev/s33_bwwy3s.mpg", "grid/dev/s30_pbbm3n.mpg"),
        ("wild/Ethnicity_Asian_1.mp4", "wild/Gender_male_2.mp4", "wild/Age_46-60_2.mp4"),
    ),
}
"""Clips of people who are seen together, in folders of the data. Those of ``held-out`` were never tuned on."""
VOICE = "wild/Language_hi.mp4"
"""The clip whose sound is spoken; nobody in :data:`CASTS` is in it."""


@dataclass(frozen=True)
class Actor:
    """A person in a clip.

    Attributes:
        name: Name of the clip.
        fps: Frames per second.
        frames: The pictures.
        landmarks: (frames, 478, 2) in pixels.
    """

    name: str
    fps: float
    frames: tuple[Picture, ...]
    landmarks: Array

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        height, width = self.frames[0].shape[:2]
        return width, height

    @cached_property
    def center(self) -> Array:
        """The middle (2,) of the face over all frames."""
        return np.asarray(np.median((self.landmarks.min(1) + self.landmarks.max(1)) / 2, 0), np.float32)

    @cached_property
    def cutouts(self) -> tuple[Array, ...]:
        """How much of each pixel is the person, 0 … 1."""
        return tuple(cut_out(self.frames))


def load_actor(path: Path, frames: int) -> Actor:
    """Load the first frames of a clip, made smaller if it is higher than :data:`HEIGHT`.

    Raises:
        InputError: A frame has no face.
    """
    pictures, fps = read_pictures(path, frames)
    rows = list(MediaPipeTracker().track([to_i420(picture) for picture in pictures]))
    found = [row[:, :2] for row in rows if row is not None]
    if len(found) < len(pictures):
        raise InputError("no-face", "a frame has no face", hint="Choose another clip", path=path)
    return Actor(path.stem, fps, tuple(pictures), np.stack(found))


def read_pictures(path: Path, frames: int | None) -> tuple[list[Picture], float]:
    """Read the first frames of a clip or all, made smaller if it is higher than :data:`HEIGHT`, and its frame rate."""
    video = probe_video(path)
    with closing(read_frames(video, count=frames)) as decoded:
        return [_resized(to_bgr(frame)) for frame in decoded], float(video.fps)


def _resized(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    if height <= HEIGHT:
        return picture
    size = round(width * HEIGHT / height / 2) * 2, HEIGHT
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_i420(picture: Picture) -> Frame:
    """Convert a picture to a frame of :mod:`heygem_cli.media`."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)


def to_bgr(frame: Frame) -> Picture:
    """Convert a frame of :mod:`heygem_cli.media` to a picture."""
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420), np.uint8)


def cut_out(pictures: Sequence[Picture]) -> list[Array]:
    """Return for each picture how much of each pixel (height, width) is a person, 0 … 1."""
    with selfie_segmentation.SelfieSegmentation(model_selection=0) as network:
        masks = [network.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).segmentation_mask for picture in pictures]
    return [np.clip((np.asarray(mask, np.float32) - 0.3) / 0.5, 0, 1) for mask in masks]
