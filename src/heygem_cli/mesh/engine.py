"""The mesh engine: runs the stages of a render."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TypeVar

import numpy as np

from heygem_cli.errors import InputError, plural, printable
from heygem_cli.face.box import face_box
from heygem_cli.face.follow import track_faces
from heygem_cli.face.geometry import Array
from heygem_cli.face.people import SeenPerson, find_people, likeness, person_track
from heygem_cli.face.select import SAME_AS_PICTURE, choose
from heygem_cli.face.track import FaceTrack
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.face.video_track import VideoTrack
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Speaker, Stage
from heygem_cli.media.read import fit_length, read_audio, read_frames
from heygem_cli.media.types import AudioInfo, Samples, VideoInfo
from heygem_cli.media.write import encode_video
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.idle import make_idle
from heygem_cli.mesh.painter import DraftPainter, Painter
from heygem_cli.mesh.preview import Preview
from heygem_cli.mesh.renderer import build_renderer
from heygem_cli.mesh.speakers import MeshSpeaker, render_frames
from heygem_cli.mesh.states import frame_states, mouth_region
from heygem_cli.onnx import session_provider
from heygem_cli.options import Device
from heygem_cli.person import Person
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion
from heygem_cli.timeline import Timelines

_Item = TypeVar("_Item")
MAX_LISTED = 8
"""People that an error lists."""
_NOT_UPRIGHT = "the face lies on its side or is upside down, so that few frames can be used: turn the picture first"


def _speech(followed: AudioInfo, sound: AudioInfo) -> Generator[Samples, None, None]:
    """Read what a mouth follows, as long as the sound."""
    if followed is sound:
        return read_audio(sound)
    with closing(read_audio(sound)) as chunks:
        length = sum(map(len, chunks))
    return fit_length(read_audio(followed), length)


def _part(on_progress: ProgressCallback, index: int, count: int) -> ProgressCallback:
    """Return a callback for the progress of one of several parts that take equally long."""

    def report(progress: Progress) -> None:
        total = progress.total and count * progress.total
        on_progress(replace(progress, done=progress.done + index * (progress.total or 0), total=total))

    return report


def _report(items: Iterable[_Item], stage: Stage, total: int, on_progress: ProgressCallback) -> Iterator[_Item]:
    for done, item in enumerate(items, 1):
        yield item
        on_progress(Progress(stage, done, total))


def _draw(
    job: RenderJob, inputs: Inputs, speakers: Sequence[MeshSpeaker], motion: MouthMotion, on_progress: ProgressCallback
) -> Timelines:
    """Draw and encode all frames.

    Returns:
        What became of the speakers in every frame.
    """
    encode, total = job.options.encode, len(motion.offsets)
    video = replace(inputs.video, bits=10) if encode.pixel_format == "10bit" else inputs.video
    timelines = Timelines([speaker.number for speaker in speakers])
    rendered = render_frames(job, video, total, speakers)
    encoder = encode_video(
        job.output,
        video,
        inputs.audio,
        seconds=motion.duration,
        options=encode,
        interest=[region for each in speakers if (region := mouth_region(each.track, each.states, video))],
        overwrite=job.options.overwrite,
        own=job.own,
    )
    preview = Preview(job.preview)
    with encoder as writer, closing(rendered):
        for frame, states, shot in _report(rendered, "render", total, on_progress):
            writer.write(frame)
            preview.show(frame)
            timelines.add(states, shot)
    return timelines


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
        self.covers = CoverNetwork(device, settings)
        self.tracker = FaceTracker(device, settings)

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        video, options = inputs.video, job.options
        with clock.stage("speech"):
            motions = self._predict_motions(inputs, on_progress)
        total = len(motions[0].offsets)
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
            with clock.stage("prepare"):
                people = find_people(faces)
                speakers = self._prepare(job, inputs, faces, people, motions)
            if not all(speaker.track.is_upright() for speaker in speakers):
                warnings.append(f"{printable(job.face)}: {_NOT_UPRIGHT}")
            with clock.stage("render"):
                timelines = _draw(job, inputs, speakers, motions[0], on_progress)
        return RenderResult(
            output=job.output,
            width=video.width,
            height=video.height,
            fps=video.fps,
            duration=motions[0].duration,
            bytes=job.output.stat().st_size,
            shots=len(faces.cuts),
            people=len(people),
            seconds=clock.seconds,
            track_cached=cached,
            blinks=_blinks(speakers),
            engine=self.name,
            provider=session_provider(self.motion_model.session),
            warnings=tuple(warnings),
            **timelines.figures(),
        )

    def close(self) -> None:
        """Do nothing: the engine has no background work."""

    def _predict_motions(self, inputs: Inputs, on_progress: ProgressCallback) -> list[MouthMotion]:
        """Predict the motion of each speaker."""
        followed = [each.audio for each in inputs.speakers] or [inputs.drive or inputs.audio]
        return [
            self._predict_motion(audio, inputs, _part(on_progress, index, len(followed)))
            for index, audio in enumerate(followed)
        ]

    def _predict_motion(self, followed: AudioInfo, inputs: Inputs, on_progress: ProgressCallback) -> MouthMotion:
        def samples() -> Generator[Array, None, None]:
            done = 0
            with closing(_speech(followed, inputs.audio)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    on_progress(Progress("speech", done / 16000, inputs.audio.duration or None))

        with closing(samples()) as chunks:
            return self.motion_model.predict(chunks, inputs.video.fps)

    def _prepare(
        self,
        job: RenderJob,
        inputs: Inputs,
        faces: VideoTrack,
        people: Sequence[SeenPerson],
        motions: Sequence[MouthMotion],
    ) -> list[MeshSpeaker]:
        """Prepare to draw the people who speak.

        Raises:
            InputError: There is no face at all, or not the one that was asked for; two speakers are the same person; or
                the track does not allow the job.
        """
        video = inputs.video
        if not people:
            raise _no_face(job, len(faces))
        wanted = inputs.speakers or (Speaker(job.options.person, inputs.audio, inputs.picture),)
        chosen = [self._choose(job, video, faces, people, speaker) for speaker in wanted]
        if twice := next((one for one in chosen if chosen.count(one) > 1), None):
            message = f"--speak names person {twice.number} twice"
            hint = f"See who there is with: heygem faces {printable(job.face)}"
            raise InputError("same-person", message, hint=hint, path=job.face)
        speakers = []
        for person, motion in zip(chosen, motions, strict=True):
            track = person_track(faces, person)
            check_track(job, track, video, len(motion.offsets))
            painter = DraftPainter() if job.options.encode.quality == "draft" else self.painter
            renderer = build_renderer(video, track, motion.offsets, painter, self.covers)
            offsets, states = job.options.mouth * motion.offsets, frame_states(track, video)
            idle = make_idle(video, track, states, motion.levels, job.options.idle)
            speakers.append(MeshSpeaker(person.number, offsets, track, states, renderer, idle))
        return speakers

    def _choose(
        self, job: RenderJob, video: VideoInfo, track: VideoTrack, people: Sequence[SeenPerson], speaker: Speaker
    ) -> SeenPerson:
        """Return the person who is meant.

        Raises:
            InputError: The person is not among those who are shown.
        """
        person = speaker.person
        reference = None if speaker.picture is None else self._appearance(speaker.picture)
        if person.point is not None and job.half_size and not video.is_converted:
            person = replace(person, point=(person.point[0] / 2, person.point[1] / 2))
        chosen = choose(track, people, person, video.width, reference)
        if chosen is None:
            if reference is not None:
                raise _not_like(job, speaker.person, [(likeness(track, each, reference), each) for each in people])
            raise _no_such_person(job, speaker.person, people, video)
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
        hint = "Use a picture with a real face, upright, seen from the front and larger than 5 % of the picture"
        raise InputError("no-face", "no face found", hint=hint, path=picture.path)


def _blinks(speakers: Sequence[MeshSpeaker]) -> int | None:
    """Return how often the people of a photograph blink; None if nobody in it has idle motion."""
    blinks = [speaker.idle.blinks for speaker in speakers if speaker.idle is not None]
    return sum(blinks) if blinks else None


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
    hint = "Use a face video with a real face, upright, seen from the front and larger than 5 % of the picture"
    return InputError("no-face", f"no face found{searched}", hint=hint, path=job.face)


def _no_such_person(job: RenderJob, person: Person, people: Sequence[SeenPerson], video: VideoInfo) -> InputError:
    missing = f"there is nobody at {person}" if person.point else f"there is no person {person}"
    shown = ", ".join(f"{each.number} ({each.box.third(video.width)})" for each in people[:MAX_LISTED])
    more = f" and {len(people) - MAX_LISTED} more" if len(people) > MAX_LISTED else ""
    hint = f"See who there is with: heygem faces {printable(job.face)}"
    return InputError("no-such-person", f"{missing}; it shows {shown}{more}", hint=hint, path=job.face)


def _not_like(job: RenderJob, person: Person, people: Sequence[tuple[float, SeenPerson]]) -> InputError:
    """Return the error for a picture that certainly matches no person, with the difference of each."""
    nearest = sorted(people, key=lambda pair: pair[0])[:MAX_LISTED]
    listed = ", ".join(f"person {each.number} differs by {difference:.2f}" for difference, each in nearest)
    message = f"nobody surely looks like {person}: {listed}; up to {SAME_AS_PICTURE} it is the same person"
    number = nearest[0][1].number
    instead = f"--speak {number}=AUDIO" if job.options.speak else f"--person {number}"
    hint = f"Use a frame of the video, or a number, such as {instead} of: heygem faces {printable(job.face)}"
    return InputError("no-such-person", message, hint=hint, path=job.face)
