"""The people who speak in a render: what each says, and where the mouth is drawn."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, get_args

import numpy as np

from heygem_cli.face.geometry import Array
from heygem_cli.face.track import Absence, FaceTrack
from heygem_cli.job import FrameState, RenderJob
from heygem_cli.media.depth import to_8_bits, with_changes
from heygem_cli.media.read import loop_frames, prefetch
from heygem_cli.media.types import Frame, Frame10, VideoInfo
from heygem_cli.mesh.idle import Idle
from heygem_cli.mesh.renderer import FaceRenderer
from heygem_cli.mesh.states import FrameStates

_Item = TypeVar("_Item")
AnyFrame = Frame | Frame10
BLOCK = 4
"""Frames that are rendered together: more take hardly less time, but more memory."""
ABSENCES = get_args(Absence)


@dataclass(frozen=True)
class MeshSpeaker:
    """A person who speaks.

    Attributes:
        number: The number of the person.
        offsets: (frames, 41, 3) the motion of the mouth in each frame of the output.
        track: Where the face is.
        states: What is drawn in each frame of the face video.
        renderer: Draws the mouth.
        idle: Moves the person in a photograph; None in a video, or where it was not asked for.
    """

    number: int
    offsets: Array
    track: FaceTrack
    states: FrameStates
    renderer: FaceRenderer
    idle: Idle | None = None

    def render(
        self, numbers: Sequence[int], indices: Sequence[int], frames: Sequence[AnyFrame]
    ) -> list[tuple[AnyFrame | None, FrameState]]:
        """Draw the mouth in some successive frames.

        Args:
            numbers: The number of each frame in the output.
            indices: Its number in the face video.
            frames: The frames; not modified.

        Returns:
            Each frame with the mouth drawn, or as it is, or None if it does not show the person; and its state.
        """
        states = [self.states.at(index)[0] for index in indices]
        results = [(None if state in ABSENCES else frame, state) for frame, state in zip(frames, states, strict=True)]
        places = [place for place, state in enumerate(states) if state == "rendered"]
        if places:
            shown = [frames[place] for place in places]
            drawn = self._draw([numbers[place] for place in places], [indices[place] for place in places], shown)
            for place, frame in zip(places, drawn, strict=True):
                results[place] = (frames[place], "covered") if frame is None else (frame, "rendered")
        return results

    def _draw(self, numbers: list[int], indices: list[int], frames: list[AnyFrame]) -> list[AnyFrame | None]:
        """Draw the mouth in frames that show it; None where it is hidden."""
        shallow = [to_8_bits(frame) for frame in frames]
        landmarks = np.array([self.track.landmarks(index) for index in indices])
        strengths = self.states.strengths[indices]
        drawn = self.renderer.render(shallow, numbers, landmarks, self.offsets[numbers], strengths)
        if self.idle is not None:
            moved = zip(drawn, numbers, strict=True)
            drawn = [None if after is None else self.idle.move(after, number) for after, number in moved]
        return [
            None if after is None else with_changes(frame, before, after)
            for frame, before, after in zip(frames, shallow, drawn, strict=True)
        ]


RenderedFrame = tuple[AnyFrame, list[FrameState], int]
"""A frame of the output, what became of each speaker in it, and the number of the shot."""


def render_frames(
    job: RenderJob, video: VideoInfo, total: int, speakers: Sequence[MeshSpeaker]
) -> Generator[RenderedFrame, None, None]:
    """Yield the frames of the output; each speaker is drawn into what the ones before have left."""
    hold = job.options.on_missing_face == "hold"
    last: AnyFrame | None = None
    with closing(prefetch(_blocks(loop_frames(video, total, job.options.loop)))) as blocks:
        start = 0
        for block in blocks:
            numbers, indices = range(start, start + len(block)), [index for index, _ in block]
            start += len(block)
            pictures, drawn = [frame for _, frame in block], [False] * len(block)
            states: list[list[FrameState]] = [[] for _ in block]
            for speaker in speakers:
                for place, (rendered, state) in enumerate(speaker.render(numbers, indices, pictures)):
                    states[place].append(state)
                    if rendered is not None:
                        pictures[place], drawn[place] = rendered, True
            for index, picture, shows, of_speakers in zip(indices, pictures, drawn, states, strict=True):
                last = picture if shows else last
                yield last if hold and last is not None else picture, of_speakers, speakers[0].states.at(index)[2]


def _blocks(frames: Generator[_Item, None, None]) -> Generator[list[_Item], None, None]:
    """Yield the frames in lists of :data:`BLOCK`, the last of which may be shorter."""
    with closing(frames):
        while block := list(islice(frames, BLOCK)):
            yield block
