"""What an engine is: it learns one person once, then draws frames of that person speaking."""

from __future__ import annotations

from typing import Protocol

from heygem_cli.face.geometry import Array
from heygem_cli.face.track import FaceTrack
from heygem_cli.media.types import Frame, VideoInfo


class Face(Protocol):
    """One person of one face video, ready to be drawn."""

    def draw(self, frame: Frame, landmarks: Array, motion: Array) -> Frame | None:
        """Draw one frame.

        Args:
            frame: I420; left as it is.
            landmarks: (478, 3) of the person in this frame, in pixels.
            motion: (41, 3) offsets of the lip points and the chin from the person's closed mouth, in the canonical
                frame in inter-ocular distances, see :mod:`heygem_cli.speech.motion`.

        Returns:
            A new frame; None where the head is turned away too far to be drawn.
        """
        ...


class Engine(Protocol):
    """Makes faces."""

    name: str

    def prepare(self, video: VideoInfo, track: FaceTrack) -> Face:
        """Learn the person of a track: the closed mouth, what the inside of the mouth looks like."""
        ...
