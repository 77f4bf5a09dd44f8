"""The mesh engine from end to end: the one place where its stages meet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.face.cache import cache_errors, cached_track, default_cache_folder, track_key
from heygem_cli.face.geometry import Array
from heygem_cli.face.smooth import bridge_gaps, smooth
from heygem_cli.face.track import FaceTrack, write_track
from heygem_cli.face.tracker import FaceTracker, MediaPipeTracker
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Stage
from heygem_cli.media.read import loop_frames, prefetch, read_audio, read_frames
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.media.write import VideoWriter
from heygem_cli.mesh.drawing import MeshFace, learn_face
from heygem_cli.mesh.painter import Painter
from heygem_cli.runtime import Device, Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion, load_motion_model


def _counted(frames: Iterable[Frame], stage: Stage, total: int, on_progress: ProgressCallback) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        yield frame
        on_progress(Progress(stage, done, total))


class MeshEngine:
    """The built-in engine, see :class:`heygem_cli.engines.Engine`.

    Args:
        device: where ONNX Runtime computes.
        settings: of the process, see :mod:`heygem_cli.runtime`.

    Raises:
        NotCapableError: a model is missing, or there is no GPU although it was asked for.
    """

    name = "mesh"

    def __init__(self, device: Device, settings: Settings) -> None:
        self.motion_model: MotionModel = load_motion_model(device, settings)
        self.painter = Painter(device, settings)
        self.tracker: FaceTracker = MediaPipeTracker()

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        with clock.stage("speech"):
            motion = self._motion(inputs, on_progress)
        with ExitStack() as scratch:
            with clock.stage("track"):
                track, cached = self._track(job, inputs.video, len(motion.offsets), scratch, on_progress)
            check_track(job, track, inputs.video, len(motion.offsets))
            with clock.stage("prepare"):
                face = learn_face(inputs.video, track, self.painter)
            with clock.stage("render"):
                seen, turned = write_video(job, Prepared(inputs, motion, track, face), on_progress)
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
            engine=self.name,
            provider=self.motion_model.provider,
        )

    def close(self) -> None:
        """There is nothing that would go on."""

    def _motion(self, inputs: Inputs, on_progress: ProgressCallback) -> MouthMotion:
        def heard() -> Iterator[Array]:
            done = 0
            with closing(read_audio(inputs.audio)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    on_progress(Progress("speech", done / 16000, inputs.audio.duration or None))

        return self.motion_model.predict(heard(), inputs.video.fps)

    def _track(
        self, job: RenderJob, video: VideoInfo, needed: int, scratch: ExitStack, on_progress: ProgressCallback
    ) -> tuple[FaceTrack, bool]:
        total = min(needed, video.frames)

        def landmarks() -> Iterator[Array | None]:
            with closing(prefetch(read_frames(video, count=needed))) as frames:
                counted = _counted(frames, "track", total, on_progress)
                yield from smooth(bridge_gaps(self.tracker.track(counted, job.options.face)))

        if not job.options.cache:
            with cache_errors(Path(tempfile.gettempdir()), hint="Free some space, or name another folder with TMPDIR"):
                # It has no name in the folder, so that nothing stays behind even if the process is killed.
                file = scratch.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the job closes it
                return write_track(Path(f"/proc/self/fd/{file.fileno()}"), landmarks(), limit=needed), False
        key = track_key(job.face, job.options.face, self.tracker.version)
        return cached_track(default_cache_folder(), key, needed, landmarks)


@dataclass(frozen=True)
class Prepared:
    """All that is needed to draw the frames of a job."""

    inputs: Inputs
    motion: MouthMotion
    track: FaceTrack
    face: MeshFace


def write_video(job: RenderJob, prepared: Prepared, on_progress: ProgressCallback) -> tuple[int, int]:
    """Draw and write every frame of a job.

    Returns:
        The number of frames with a face, and of those of them in which it is turned away.
    """
    inputs, motion, track = prepared.inputs, prepared.motion, prepared.track
    total = len(motion.offsets)
    hold = job.options.on_missing_face == "hold"
    seen = turned = 0
    last: Frame | None = None
    writer = VideoWriter(
        job.output,
        inputs.video,
        inputs.audio,
        seconds=motion.duration,
        options=job.options.encode,
        overwrite=job.overwrite,
    )
    with writer, closing(prefetch(loop_frames(inputs.video, total, job.options.loop))) as frames:
        for number, (index, frame) in enumerate(frames):
            landmarks = track.landmarks(index) if index < len(track) else None
            if landmarks is not None:
                drawn = prepared.face.draw(frame, landmarks, motion.offsets[number])
                last = frame if drawn is None else drawn
                seen += 1
                turned += drawn is None
            writer.write(last if last is not None and (hold or landmarks is not None) else frame)
            on_progress(Progress("render", number + 1, total))
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
