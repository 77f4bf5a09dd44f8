"""The mesh engine: runs the stages of a render."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from heygem_cli.errors import InputError, plural, printable
from heygem_cli.face.box import face_box
from heygem_cli.face.follow import track_faces
from heygem_cli.face.geometry import Array
from heygem_cli.face.people import SeenPerson, find_people, person_track
from heygem_cli.face.select import choose
from heygem_cli.face.track import FaceTrack
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.face.video_track import VideoTrack
from heygem_cli.job import Clock, FrameState, Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Stage
from heygem_cli.media.depth import to_8_bits, with_changes
from heygem_cli.media.read import fit_length, loop_frames, prefetch, read_audio, read_frames
from heygem_cli.media.types import Frame, Frame10, Samples, VideoInfo
from heygem_cli.media.write import encode_video
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.renderer import FaceRenderer, build_renderer
from heygem_cli.mesh.states import FrameStates, frame_states
from heygem_cli.onnx import session_provider
from heygem_cli.options import Device
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion
from heygem_cli.timeline import Timeline

_Item = TypeVar("_Item")


def _speech(inputs: Inputs) -> Generator[Samples, None, None]:
    """Read what the mouth follows, as long as the audio."""
    if inputs.drive is None:
        return read_audio(inputs.audio)
    with closing(read_audio(inputs.audio)) as chunks:
        length = sum(map(len, chunks))
    return fit_length(read_audio(inputs.drive), length)


def _report(items: Iterable[_Item], stage: Stage, total: int, on_progress: ProgressCallback) -> Iterator[_Item]:
    for done, item in enumerate(items, 1):
        yield item
        on_progress(Progress(stage, done, total))


class MeshEngine:
    """The built-in engine, see :class:`heygem_cli.engines.Engine`.

    Args:
        device: Where ONNX Runtime runs the networks.
        settings: See :mod:`heygem_cli.runtime`.

    Raises:
        NotCapableError: A model is missing, or ``cuda`` is not available.
    """

    name = "mesh"

    def __init__(self, device: Device, settings: Settings) -> None:
        self.motion_model = MotionModel(device, settings)
        self.painter = Painter(device, settings)
        self.tracker = FaceTracker(device, settings)

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        with clock.stage("speech"):
            motion = self._predict_motion(inputs, on_progress)
        video, audio, options, total = inputs.video, inputs.audio, job.options, len(motion.offsets)
        warnings: list[str] = []
        with ExitStack() as scratch:
            with clock.stage("track"):
                faces, cached = track_faces(
                    video,
                    self.tracker,
                    total,
                    no_cache=options.no_cache,
                    on_frame=lambda done: on_progress(Progress("track", done, min(total, video.frames))),
                    on_damage=warnings.append,
                )
                scratch.enter_context(closing(faces))
            people = find_people(faces)
            person = self._choose(job, inputs, faces, people)
            track = person_track(faces, person)
            check_track(job, track, video, total)
            with clock.stage("prepare"):
                speaker = _Speaker(track, frame_states(track, video), build_renderer(video, track, self.painter))
            timeline = Timeline(person.number)
            source = replace(video, bits=10) if options.encode.pixel_format == "10bit" else video
            rendered = _render_frames(job, source, options.mouth * motion.offsets, speaker)
            encoder = encode_video(
                job.output,
                source,
                audio,
                seconds=motion.duration,
                options=options.encode,
                overwrite=options.overwrite,
                own=job.own,
            )
            with clock.stage("render"), encoder as writer, closing(rendered):
                for frame, state, shot in _report(rendered, "render", total, on_progress):
                    writer.write(frame)
                    timeline.add(state, shot)
        frames = timeline.counts
        frames_without_face = frames["no face"] + frames["other person"]
        return RenderResult(
            output=job.output,
            width=video.width,
            height=video.height,
            fps=video.fps,
            frames=total,
            duration=motion.duration,
            bytes=job.output.stat().st_size,
            frames_with_face=total - frames_without_face,
            frames_without_face=frames_without_face,
            frames_turned_away=frames["turned away"],
            frames_covered=frames["covered"],
            frames_outside=frames["outside"],
            frames_other_person=frames["other person"],
            shots=len(faces.cuts),
            people=len(people),
            seconds=clock.seconds,
            track_cached=cached,
            engine=self.name,
            provider=session_provider(self.motion_model.session),
            warnings=tuple(warnings),
            spans=tuple(timeline.spans),
        )

    def close(self) -> None:
        """Do nothing: the engine has no background work."""

    def _predict_motion(self, inputs: Inputs, on_progress: ProgressCallback) -> MouthMotion:
        def samples() -> Generator[Array, None, None]:
            done = 0
            with closing(_speech(inputs)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    on_progress(Progress("speech", done / 16000, inputs.audio.duration or None))

        with closing(samples()) as chunks:
            return self.motion_model.predict(chunks, inputs.video.fps)

    def _choose(self, job: RenderJob, inputs: Inputs, track: VideoTrack, people: Sequence[SeenPerson]) -> SeenPerson:
        """Return the person who speaks.

        Raises:
            InputError: There is no face at all, or not the one that was asked for.
        """
        person, video = job.options.person, inputs.video
        if not people:
            raise _no_face(job, len(track))
        reference = None if inputs.picture is None else self._appearance(inputs.picture)
        if person.point is not None and job.half_size and not video.is_converted:
            person = replace(person, point=(person.point[0] / 2, person.point[1] / 2))
        chosen = choose(track, people, person, video.width, reference)
        if chosen is None:
            raise _no_such_person(job, len(people))
        return chosen

    def _appearance(self, picture: VideoInfo) -> Array | None:
        """Return the appearance of the largest face in a picture.

        Raises:
            InputError: It cannot be read, or shows no face.
        """
        with closing(read_frames(picture, count=1)) as frames:
            for tracked in self.tracker.follow(frames):
                if tracked.faces:
                    return max(tracked.faces, key=lambda face: face_box(face.landmarks).size).appearance
        hint = "Use a picture with a real face, seen from the front and larger than 5 % of the picture"
        raise InputError("no-face", "no face found", hint=hint, path=picture.path)


@dataclass(frozen=True)
class _Speaker:
    """The person who speaks."""

    track: FaceTrack
    states: FrameStates
    renderer: FaceRenderer

    def render(self, index: int, frame: Frame | Frame10, motion: Array) -> Frame | Frame10 | None:
        """Return a frame of the face video with the mouth drawn, or as it is; None if it does not show the person."""
        landmarks = self.track.landmarks(index) if index < len(self.track) else None
        state, strength, _ = self.states.at(index)
        if landmarks is None or state != "rendered":
            return None if landmarks is None else frame
        shallow = to_8_bits(frame)
        return with_changes(frame, shallow, self.renderer.render(shallow, landmarks, motion, strength))


def _render_frames(
    job: RenderJob, video: VideoInfo, offsets: Array, speaker: _Speaker
) -> Generator[tuple[Frame | Frame10, FrameState, int], None, None]:
    """Yield the frames of the output, each with what became of the person and the number of the shot."""
    hold = job.options.on_missing_face == "hold"
    last: Frame | Frame10 | None = None
    with closing(prefetch(loop_frames(video, len(offsets), job.options.loop))) as frames:
        for (index, frame), motion in zip(frames, offsets, strict=False):
            state, _, shot = speaker.states.at(index)
            rendered = speaker.render(index, frame, motion)
            if rendered is not None:
                last = rendered
            yield last if last is not None and (hold or rendered is not None) else frame, state, shot


def check_track(job: RenderJob, track: FaceTrack, video: VideoInfo, needed: int) -> None:
    """Check that a track allows the job.

    Raises:
        InputError: A frame does not show the person and ``--on-missing-face fail`` is set; the face video is shorter
            than the audio and ``--loop none`` is set.
    """
    options = job.options
    if options.on_missing_face == "fail" and not track.present.all():
        seconds = float(np.flatnonzero(~track.present)[0] / video.fps)
        found = f"face found in only {track.present.sum()} of {plural(len(track), 'frame')}"
        hint = "Cut the face video there, or use --on-missing-face pass"
        raise InputError("face-missing", f"{found}, first missing at {seconds:.2f} s", hint=hint, path=job.face)
    if options.loop == "none" and len(track) < needed and not video.is_still:
        message = f"the face video has {plural(len(track), 'frame')}, the audio needs {needed}"
        hint = "Use --loop pingpong, or a longer face video"
        raise InputError("video-too-short", message, hint=hint, path=job.face)


def _no_face(job: RenderJob, frames: int) -> InputError:
    searched = f" in {frames} frames" if frames > 1 else ""
    hint = "Use a face video with a real face, seen from the front and larger than 5 % of the picture"
    return InputError("no-face", f"no face found{searched}", hint=hint, path=job.face)


def _no_such_person(job: RenderJob, people: int) -> InputError:
    shown = f"{people} people" if people > 1 else "1 person"
    message = f"--person {job.options.person}: the video shows {shown}"
    hint = f"See who there is with: heygem faces {printable(job.face)}"
    return InputError("no-such-person", message, hint=hint, path=job.face)
