"""Features to mouth motion: our network, joined over windows, closed in silence, at the video's frame rate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import Array
from heygem_cli.media.types import Samples
from heygem_cli.onnx import Provider, make_session, model_path, session_provider
from heygem_cli.runtime import Device, Settings
from heygem_cli.speech.encoder import BLOCK, OVERLAP, SpeechEncoder, SpeechWindow, find_whisper
from heygem_cli.speech.mel import SAMPLE_RATE
from heygem_cli.speech.silence import levels, openness

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOTION_RATE = SAMPLE_RATE // BLOCK
"""Frames of mouth motion a second, before they are brought to the video's rate."""
POINTS = 41
"""The 40 points of :data:`heygem_cli.face.geometry.LIPS`, in that order, and the chin."""
MODEL = "mouth_motion.onnx"


@dataclass(frozen=True)
class MouthMotion:
    """What the mouth does in every frame of a video.

    Attributes:
        offsets: (frames, 41, 3) of the 40 lip points and the chin from the person's closed mouth
            (:func:`heygem_cli.face.neutral.closed_mouth`), in the canonical frame in inter-ocular distances. The
            third column is 0: speech moves the lips in depth too, but no more than the tracker's noise.
        duration: of the audio in seconds.
    """

    offsets: Array
    duration: float


@dataclass(frozen=True)
class MotionModel:
    """From speech to mouth motion, loaded once; make it with :func:`load_motion_model`."""

    encoder: SpeechEncoder
    session: InferenceSession

    @property
    def provider(self) -> Provider:
        """What ONNX Runtime runs the network on."""
        return session_provider(self.session)

    def predict(self, chunks: Iterable[Samples], fps: Fraction) -> MouthMotion:
        """Predict the mouth motion of a whole audio; memory holds one window of it at a time.

        Args:
            chunks: mono at 16 kHz, in order.
            fps: of the video; it gets ``round(duration * fps)`` frames, but at least one.

        Raises:
            InputError: the audio is empty.
        """
        heard = 0

        def windows() -> Iterator[tuple[int, Array]]:
            nonlocal heard
            for window in self.encoder.windows(chunks):
                heard = window.start * BLOCK // 2 + len(window.samples)
                yield window.start // 2, self._run(window)

        joined = join_windows(windows(), OVERLAP // BLOCK)
        if not heard:
            raise InputError("no-samples", "the audio is empty", hint="Give audio with sound in it")
        offsets, level = joined[:, :-1], joined[:, -1]
        at_rest = resample(offsets * openness(level)[:, None], frame_count(heard, fps), fps)
        points = at_rest.reshape(len(at_rest), POINTS, 2)
        return MouthMotion(np.pad(points, ((0, 0), (0, 0), (0, 1))), heard / SAMPLE_RATE)

    def _run(self, window: SpeechWindow) -> Array:
        """Offsets and, in the last column, the level of each frame of a window: (frames, 41 * 2 + 1)."""
        (offsets,) = self.session.run(None, {"features": window.features[None]})
        flat = np.asarray(offsets).reshape(-1, POINTS * 2)
        return np.concatenate([flat, levels(window.samples)[:, None]], axis=1)


def load_motion_model(device: Device, settings: Settings) -> MotionModel:
    """Load the speech encoder and the mouth-motion network.

    Args:
        device: of the network; the encoder always runs on the CPU, where it takes about 2 % of the audio's length.
        settings: of the process.

    Raises:
        NotCapableError: a model is missing or cannot be used, or ``cuda`` was asked for and is not there.
    """
    session = make_session(model_path(MODEL), device, settings)
    return MotionModel(SpeechEncoder(find_whisper(os.environ), settings), session)


def frame_count(samples: int, fps: Fraction) -> int:
    """How many frames of a video last as long as the audio, to the nearest; at least one."""
    return max(1, round(Fraction(samples, SAMPLE_RATE) * fps))


def join_windows(windows: Iterable[tuple[int, Array]], overlap: int) -> Array:
    """Join overlapping windows into one stretch.

    Across an overlap the later window fades in linearly over the middle third, where both know what is around.

    Args:
        windows: the first row's number and rows (rows, columns), in order; each but the first begins ``overlap``
            rows before the end of the one before it.
        overlap: in rows.
    """
    share = np.clip(np.linspace(-1, 2, overlap), 0, 1)[:, None].astype(np.float32)
    pieces: list[Array] = []
    for start, rows in windows:
        if start:
            pieces[-1][-overlap:] += share * (rows[:overlap] - pieces[-1][-overlap:])
        pieces.append(rows[overlap:] if start else rows)
    return np.concatenate(pieces) if pieces else np.zeros((0, 0), np.float32)


def resample(rows: Array, frames: int, fps: Fraction) -> Array:
    """Bring motion (rows, columns) from 25 Hz to ``frames`` frames at any rate, linearly, at the frames' middles."""
    seconds = (np.arange(frames) + 0.5) / float(fps)
    place = np.clip(seconds * MOTION_RATE - 0.5, 0, len(rows) - 1)
    before = place.astype(np.intp)
    after = np.minimum(before + 1, len(rows) - 1)
    share = (place - before)[:, None].astype(np.float32)
    return np.asarray((1 - share) * rows[before] + share * rows[after], np.float32)
