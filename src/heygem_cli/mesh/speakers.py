"""The people who speak in a render: what each says, and where the mouth is drawn."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from heygem_cli.face.geometry import Array
from heygem_cli.face.track import FaceTrack
from heygem_cli.job import FrameState, RenderJob
from heygem_cli.media.depth import to_8_bits, with_changes
from heygem_cli.media.read import loop_frames, prefetch
from heygem_cli.media.types import Frame, Frame10, VideoInfo
from heygem_cli.mesh.renderer import FaceRenderer
from heygem_cli.mesh.states import FrameStates


@dataclass(frozen=True)
class MeshSpeaker:
    """A person who speaks.

    Attributes:
        number: The number of the person.
        offsets: (frames, 41, 3) the motion of the mouth in each frame of the output.
        track: Where the face is.
        states: What is drawn in each frame of the face video.
        renderer: Draws the mouth.
    """

    number: int
    offsets: Array
    track: FaceTrack
    states: FrameStates
    renderer: FaceRenderer

    def render(self, index: int, frame: Frame | Frame10, motion: Array) -> tuple[Frame | Frame10 | None, FrameState]:
        """Return a frame with the mouth drawn, or as it is, or None if it does not show the person; and its state."""
        landmarks = self.track.landmarks(index) if index < len(self.track) else None
        state, strength, _ = self.states.at(index)
        if landmarks is None or state != "rendered":
            return None if landmarks is None else frame, state
        shallow = to_8_bits(frame)
        drawn = self.renderer.render(shallow, landmarks, motion, strength)
        return (frame, "covered") if drawn is None else (with_changes(frame, shallow, drawn), state)


RenderedFrame = tuple[Frame | Frame10, list[FrameState], int]
"""A frame of the output, what became of each speaker in it, and the number of the shot."""


def render_frames(
    job: RenderJob, video: VideoInfo, total: int, speakers: Sequence[MeshSpeaker]
) -> Generator[RenderedFrame, None, None]:
    """Yield the frames of the output; each speaker is drawn into what the ones before have left."""
    hold = job.options.on_missing_face == "hold"
    last: Frame | Frame10 | None = None
    with closing(prefetch(loop_frames(video, total, job.options.loop))) as frames:
        for number, (index, frame) in enumerate(frames):
            drawn: Frame | Frame10 | None = None
            states: list[FrameState] = []
            for speaker in speakers:
                rendered, state = speaker.render(index, frame if drawn is None else drawn, speaker.offsets[number])
                drawn = drawn if rendered is None else rendered
                states.append(state)
            last = last if drawn is None else drawn
            shown = last if last is not None and (hold or drawn is not None) else frame
            yield shown, states, speakers[0].states.at(index)[2]
