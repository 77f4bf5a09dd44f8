"""The one place where the stages meet: load once, then render one job after another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from heygem_cli.choices import LoopMode, MissingFace
from heygem_cli.engines.protocol import Face
from heygem_cli.engines.registry import make_engine
from heygem_cli.errors import InputError
from heygem_cli.face.cache import cached_track, default_folder, errors_worded, track_key
from heygem_cli.face.geometry import Array
from heygem_cli.face.select import FaceChoice
from heygem_cli.face.smooth import bridge_gaps, smooth
from heygem_cli.face.track import FaceTrack, write_track
from heygem_cli.face.tracker import FaceTracker, MediaPipeTracker
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.media.read import ahead, loop_frames, read_audio, read_frames
from heygem_cli.media.types import AudioInfo, Frame, VideoInfo
from heygem_cli.media.write import EncodeOptions, VideoWriter, check_output, choose_encoder
from heygem_cli.runtime import Device, Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion, load_motion_model

Stage = Literal["speech", "track", "prepare", "render"]


@dataclass(frozen=True)
class RenderOptions:
    """How a job is rendered; the same words as the command line's."""

    engine: str = "mesh"
    face: FaceChoice = field(default_factory=FaceChoice)
    loop: LoopMode = "pingpong"
    on_missing_face: MissingFace = "pass"
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    cache: bool = True


@dataclass(frozen=True)
class RenderJob:
    """One video to make."""

    audio: Path
    face: Path
    output: Path
    overwrite: bool = False
    options: RenderOptions = field(default_factory=RenderOptions)


@dataclass(frozen=True)
class Progress:
    """How far a stage is; ``total`` is None while it is not known. The unit is frames, of speech it is seconds."""

    stage: Stage
    done: float
    total: float | None


@dataclass(frozen=True)
class RenderResult:
    """What a job made.

    Attributes:
        frames_turned_away: of those with the face; the head is turned too far to the side there, and they passed.
        seconds: wall-clock time of each stage.
        track_cached: whether the track came from the cache.
        provider: what ONNX Runtime really ran the mouth-motion network on.
    """

    output: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    duration: float
    frames_with_face: int
    frames_without_face: int
    frames_turned_away: int
    seconds: dict[str, float]
    track_cached: bool
    engine: str
    provider: str

    @property
    def real_time_factor(self) -> float:
        """Seconds of work a second of video."""
        return sum(self.seconds.values()) / self.duration


Report = Callable[[Progress], None]


@dataclass
class _Clock:
    """Adds up the seconds of each stage of one job."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def _counted(frames: Iterable[Frame], stage: Stage, total: int, report: Report) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        yield frame
        report(Progress(stage, done, total))


@dataclass(frozen=True)
class Inputs:
    """The probed inputs of a job."""

    audio: AudioInfo
    video: VideoInfo


def check_job(job: RenderJob) -> Inputs:
    """Probe the inputs of a job and see whether its output can be made; nothing is written.

    Raises:
        InputError: something cannot be used.
        NotCapableError: the encoder that was asked for does not work on this machine.
    """
    check_current_folder()
    make_engine(job.options.engine)
    audio, video = probe_audio(job.audio), probe_video(job.face)
    check_output(job.output, (job.audio, job.face))
    if job.output.exists() and not job.overwrite:
        raise InputError("output-exists", "the output exists", hint="Use --overwrite to replace it", path=job.output)
    choose_encoder(job.options.encode.encoder, video)
    return Inputs(audio, video)


def check_current_folder() -> None:
    """Make sure that the current folder exists: Intel's MKL ends a process that loads it without one.

    Raises:
        InputError: it has been deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        message = "the current folder has been deleted"
        raise InputError("no-current-folder", message, hint="Change into one that exists: cd ~") from error


class Pipeline:
    """Everything that costs time to load, loaded once; it renders one job after another.

    Args:
        device: where ONNX Runtime computes.
        settings: of the process, see :mod:`heygem_cli.runtime`.
    """

    def __init__(self, device: Device, settings: Settings) -> None:
        self.motion_model: MotionModel = load_motion_model(device, settings)
        self.tracker: FaceTracker = MediaPipeTracker()

    def render(self, job: RenderJob, report: Report = lambda _: None) -> RenderResult:
        """Render one job.

        Args:
            job: what to make.
            report: is told how far the job is, often.

        Raises:
            InputError: an input cannot be used; nothing was written.
            HeygemError: it failed on the way; nothing stays behind.
        """
        inputs = check_job(job)
        engine = make_engine(job.options.engine)
        clock = _Clock()
        with clock.stage("speech"):
            motion = self._motion(inputs, report)
        with ExitStack() as scratch:
            with clock.stage("track"):
                track, cached = self._track(job, inputs.video, len(motion.offsets), scratch, report)
            check_track(job, track, inputs.video, len(motion.offsets))
            with clock.stage("prepare"):
                face = engine.prepare(inputs.video, track)
            with clock.stage("render"):
                seen, turned = write_video(job, Prepared(inputs, motion, track, face), report)
        return RenderResult(
            output=job.output,
            width=inputs.video.width,
            height=inputs.video.height,
            fps=inputs.video.fps,
            frames=len(motion.offsets),
            duration=motion.duration,
            frames_with_face=seen,
            frames_without_face=len(motion.offsets) - seen,
            frames_turned_away=turned,
            seconds=clock.seconds,
            track_cached=cached,
            engine=engine.name,
            provider=self.motion_model.provider,
        )

    def _motion(self, inputs: Inputs, report: Report) -> MouthMotion:
        def heard() -> Iterator[Array]:
            done = 0
            with closing(read_audio(inputs.audio)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    report(Progress("speech", done / 16000, inputs.audio.duration or None))

        return self.motion_model.predict(heard(), inputs.video.fps)

    def _track(
        self, job: RenderJob, video: VideoInfo, needed: int, scratch: ExitStack, report: Report
    ) -> tuple[FaceTrack, bool]:
        total = min(needed, video.frames)

        def landmarks() -> Iterator[Array | None]:
            with closing(ahead(read_frames(video, count=needed))) as frames:
                counted = _counted(frames, "track", total, report)
                yield from smooth(bridge_gaps(self.tracker.track(counted, job.options.face)))

        if not job.options.cache:
            with errors_worded(Path(tempfile.gettempdir()), hint="Free some space, or name another folder with TMPDIR"):
                # It has no name in the folder, so that nothing stays behind even if the process is killed.
                file = scratch.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the job closes it
                return write_track(Path(f"/proc/self/fd/{file.fileno()}"), landmarks(), limit=needed), False
        key = track_key(job.face, job.options.face, self.tracker.version)
        return cached_track(default_folder(), key, needed, landmarks)


@dataclass(frozen=True)
class Prepared:
    """All that is needed to draw the frames of a job."""

    inputs: Inputs
    motion: MouthMotion
    track: FaceTrack
    face: Face


def write_video(job: RenderJob, prepared: Prepared, report: Report) -> tuple[int, int]:
    """Draw and write every frame of a job.

    Returns:
        The number of frames with a face, and of those of them in which it is turned away.
    """
    inputs, motion, track = prepared.inputs, prepared.motion, prepared.track
    total = len(motion.offsets)
    hold = job.options.on_missing_face == "hold"
    seen = turned = 0
    last: Frame | None = None
    writer = VideoWriter(job.output, inputs.video, inputs.audio, seconds=motion.duration, options=job.options.encode)
    with writer, closing(ahead(loop_frames(inputs.video, total, job.options.loop))) as frames:
        for number, (index, frame) in enumerate(frames):
            landmarks = track.landmarks(index) if index < len(track) else None
            if landmarks is not None:
                drawn = prepared.face.draw(frame, landmarks, motion.offsets[number])
                last = frame if drawn is None else drawn
                seen += 1
                turned += drawn is None
            writer.write(last if last is not None and (hold or landmarks is not None) else frame)
            report(Progress("render", number + 1, total))
    return seen, turned


def check_track(job: RenderJob, track: FaceTrack, video: VideoInfo, needed: int) -> None:
    """See whether a track allows the job.

    Raises:
        InputError: no face at all; a frame without one and ``--on-missing-face fail``; the face video is shorter than
            the audio and ``--loop none``.
    """
    options = job.options
    share = f"the face was found in {track.present.sum()} of {len(track)} frames"
    if not track.present.any():
        chosen = str(options.face) != "largest"
        which = f" that --face {options.face} could mean" if chosen else ""
        raise InputError(
            "no-face",
            f"no face{which}: {share} ({track.present.mean():.0%})",
            hint="Choose another one with --face, or the largest by leaving it out"
            if chosen
            else "Use a face video that shows a real face, larger than 5 % of the picture, from the front",
            path=job.face,
        )
    if options.on_missing_face == "fail" and not track.present.all():
        first = int(np.flatnonzero(~track.present)[0])
        raise InputError(
            "face-missing",
            f"{share}; it is missing first at {float(first / video.fps):.2f} s",
            hint="Cut the face video there, or use --on-missing-face pass",
            path=job.face,
        )
    if options.loop == "none" and len(track) < needed and not video.is_still:
        raise InputError(
            "video-too-short",
            f"the face video has {len(track)} frames, the audio needs {needed}",
            hint="Use --loop pingpong, or a longer face video",
            path=job.face,
        )
