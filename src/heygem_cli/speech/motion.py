"""Predict mouth motion from speech, at the frame rate of the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import Array
from heygem_cli.face.neutral import close_mouth
from heygem_cli.media.types import Samples
from heygem_cli.onnx import make_session, model_path
from heygem_cli.options import Device
from heygem_cli.runtime import Settings
from heygem_cli.speech.silence import speech_gate, speech_levels
from heygem_cli.speech.windows import OVERLAP, SAMPLE_RATE, SAMPLES_PER_FRAME, join_windows, split_windows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOTION_RATE = SAMPLE_RATE // SAMPLES_PER_FRAME
"""Motion frames per second, before they are resampled to the frame rate of the video."""
POINTS = 41
"""The 40 points of :data:`heygem_cli.face.geometry.LIPS`, in that order, and the chin."""
MODEL = "mouth_motion.onnx"
CLOSING = 0.3, 0.5
"""Probabilities of a closure from which the lips move together, and at which they touch. The network's motion alone is
the average over what is likely, which leaves a gap where the sound is not quite certain."""


@dataclass(frozen=True)
class MouthMotion:
    """The mouth motion in every frame of a video.

    Attributes:
        offsets: (frames, 41, 3) offsets of the 40 lip points and the chin from the closed mouth of the person
            (:func:`heygem_cli.face.neutral.closed_mouth`), in the canonical frame. The third column is 0: how
            the lips move in depth follows from their opening (:func:`heygem_cli.mesh.targets.swing_jaw`).
        levels: (frames,) level of the speech, see :func:`heygem_cli.speech.silence.speech_levels`.
        duration: Length of the audio in seconds.
    """

    offsets: Array
    levels: Array
    duration: float


class MotionModel:
    """The mouth-motion network, loaded once.

    Raises:
        NotCapableError: The model is missing or damaged, or ``cuda`` is not available.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        self.session: InferenceSession = make_session(model_path(MODEL), device, settings)

    def predict(self, chunks: Iterable[Samples], fps: Fraction) -> MouthMotion:
        """Predict the mouth motion of a whole audio, of which one window is in memory at a time.

        Args:
            chunks: Mono samples at 16 kHz.
            fps: Frame rate of the video, which has :func:`frame_count` frames.

        Raises:
            InputError: The audio is empty.
        """
        count = 0

        def windows() -> Iterator[tuple[int, Array]]:
            nonlocal count
            for start, samples in split_windows(chunks):
                count = start + len(samples)
                yield start // SAMPLES_PER_FRAME, self._run(samples)

        joined = join_windows(windows(), OVERLAP // SAMPLES_PER_FRAME)
        if not count:
            raise InputError("no-samples", "the audio is empty", hint="Give audio that contains speech")
        joined[:, :-2] *= speech_gate(joined[:, -1])[:, None]
        resampled = resample(joined, frame_count(count, fps), fps)
        # At the rate of the video: between two frames of the motion, an interpolated closure would not be one.
        points = press_lips(resampled[:, :-2].reshape(-1, POINTS, 2), resampled[:, -2])
        return MouthMotion(np.pad(points, ((0, 0), (0, 0), (0, 1))), resampled[:, -1], count / SAMPLE_RATE)

    def _run(self, samples: Samples) -> Array:
        """Return offsets, closure and, in the last column, speech level of each frame: (frames, 41 * 2 + 2)."""
        offsets, closures = (np.asarray(output)[0] for output in self.session.run(None, {"samples": samples[None]}))
        flat = offsets.reshape(-1, POINTS * 2)
        return np.concatenate([flat, closures[:, None], speech_levels(samples)[:, None]], axis=1)


def press_lips(offsets: Array, closures: Array) -> Array:
    """Bring the lips together where they close for p, b or m.

    Args:
        offsets: (frames, 41, 2) from the closed mouth.
        closures: (frames,) probability of a closure.
    """
    first, full = CLOSING
    return close_mouth(offsets, np.clip((closures - first) / (full - first), 0, 1))


def frame_count(samples: int, fps: Fraction) -> int:
    """Return the number of frames that last as long as the audio, rounded, and at least one."""
    return max(1, round(Fraction(samples, SAMPLE_RATE) * fps))


def resample(rows: Array, frames: int, fps: Fraction) -> Array:
    """Resample motion (rows, columns) from 25 Hz to ``frames`` frames at another rate, by linear interpolation."""
    seconds = (np.arange(frames) + 0.5) / float(fps)
    position = np.clip(seconds * MOTION_RATE - 0.5, 0, len(rows) - 1)
    before = position.astype(np.intp)
    after = np.minimum(before + 1, len(rows) - 1)
    weight = (position - before)[:, None].astype(np.float32)
    return np.asarray((1 - weight) * rows[before] + weight * rows[after], np.float32)
