"""The mesh engine: runs the stages of a render."""

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
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Stage
from heygem_cli.media.read import loop_frames, prefetch, read_audio, read_frames
from heygem_cli.media.types import Frame, VideoInfo
from heygem_cli.media.write import VideoWriter
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.renderer import FaceRenderer, build_renderer
from heygem_cli.options import Device
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion, load_motion_model


def _report_frames(frames: Iterable[Frame], stage: Stage, total: int, on_progress: ProgressCallback) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        yield frame
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
        self.motion_model: MotionModel = load_motion_model(device, settings)
        self.painter = Painter(device, settings)
        self.tracker = MediaPipeTracker()

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        with clock.stage("speech"):
            motion = self._predict_motion(inputs, on_progress)
        with ExitStack() as scratch:
            with clock.stage("track"):
                track, cached = self._track(job, inputs.video, len(motion.offsets), scratch, on_progress)
            check_track(job, track, inputs.video, len(motion.offsets))
            with clock.stage("prepare"):
                renderer = build_renderer(inputs.video, track, self.painter)
            with clock.stage("render"):
                counts = write_video(job, Prepared(inputs, motion, track, renderer), on_progress)
        return RenderResult(
            output=job.output,
            width=inputs.video.width,
            height=inputs.video.height,
            fps=inputs.video.fps,
            frames=len(motion.offsets),
            duration=motion.duration,
            bytes=job.output.stat().st_size,
            frames_with_face=counts.with_face,
            frames_without_face=len(motion.offsets) - counts.with_face,
            frames_turned_away=counts.turned_away,
            seconds=clock.seconds,
            track_cached=cached,
            engine=self.name,
            provider=self.motion_model.provider,
        )

    def close(self) -> None:
        """Do nothing: the engine has no background work."""

    def _predict_motion(self, inputs: Inputs, on_progress: ProgressCallback) -> MouthMotion:
        def samples() -> Iterator[Array]:
            done = 0
            with closing(read_audio(inputs.audio)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    on_progress(Progress("speech", done / 16000, inputs.audio.duration or None))

        return self.motion_model.predict(samples(), inputs.video.fps)

    def _track(
        self, job: RenderJob, video: VideoInfo, needed: int, scratch: ExitStack, on_progress: ProgressCallback
    ) -> tuple[FaceTrack, bool]:
        total = min(needed, video.frames)

        def landmarks() -> Iterator[Array | None]:
            with closing(prefetch(read_frames(video, count=needed))) as frames:
                reported = _report_frames(frames, "track", total, on_progress)
                yield from smooth(bridge_gaps(self.tracker.track(reported, job.options.person)))

        if job.options.no_cache:
            with cache_errors(Path(tempfile.gettempdir()), hint="Free some space, or name another folder with TMPDIR"):
                # An unlinked file: nothing is left behind even if the process is killed.
                file = scratch.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with ``scratch``
                return write_track(Path(f"/proc/self/fd/{file.fileno()}"), landmarks(), limit=needed), False
        key = track_key(job.face, job.options.person, self.tracker.version)
        return cached_track(default_cache_folder(), key, needed, landmarks)


@dataclass(frozen=True)
class Prepared:
    """A job that is ready to render."""

    inputs: Inputs
    motion: MouthMotion
    track: FaceTrack
    renderer: FaceRenderer


@dataclass
class FrameCounts:
    """Frames of the output with a face, and those among them in which the head is turned away."""

    with_face: int = 0
    turned_away: int = 0


def write_video(job: RenderJob, prepared: Prepared, on_progress: ProgressCallback) -> FrameCounts:
    """Render and encode every frame of a job."""
    video, audio, options = prepared.inputs.video, prepared.inputs.audio, job.options
    seconds, total = prepared.motion.duration, len(prepared.motion.offsets)
    counts = FrameCounts()
    writer = VideoWriter(job.output, video, audio, seconds=seconds, options=options.encode, overwrite=options.overwrite)
    with writer, closing(prefetch(loop_frames(video, total, options.loop))) as frames:
        rendered = _render_frames(frames, prepared, options.on_missing_face == "hold", counts)
        for frame in _report_frames(rendered, "render", total, on_progress):
            writer.write(frame)
    return counts


def _render_frames(
    frames: Iterable[tuple[int, Frame]], prepared: Prepared, hold: bool, counts: FrameCounts
) -> Iterator[Frame]:
    track = prepared.track
    last: Frame | None = None
    for (index, frame), offsets in zip(frames, prepared.motion.offsets, strict=False):
        landmarks = track.landmarks(index) if index < len(track) else None
        if landmarks is None:
            yield last if hold and last is not None else frame
            continue
        rendered = prepared.renderer.render(frame, landmarks, offsets)
        last = frame if rendered is None else rendered
        counts.with_face += 1
        counts.turned_away += rendered is None
        yield last


def check_track(job: RenderJob, track: FaceTrack, video: VideoInfo, needed: int) -> None:
    """Check that a track allows the job.

    Raises:
        InputError: There is no face at all; a frame has none and ``--on-missing-face fail`` is set; the face video is
            shorter than the audio and ``--loop none`` is set.
    """
    options = job.options
    if not track.present.any():
        raise _no_face(job, len(track))
    if options.on_missing_face == "fail" and not track.present.all():
        first = int(np.flatnonzero(~track.present)[0])
        raise InputError(
            "face-missing",
            f"face found in only {track.present.sum()} of {len(track)} frames, first missing at "
            f"{float(first / video.fps):.2f} s",
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


def _no_face(job: RenderJob, frames: int) -> InputError:
    searched = f" in {frames} frames" if frames > 1 else ""
    if str(job.options.person) == "largest":
        message = f"no face found{searched}"
        hint = "Use a face video with a real face, seen from the front and larger than 5 % of the picture"
    else:
        message = f"no face found{searched} that matches --person {job.options.person}"
        hint = "Choose another one with --person, or leave it out to use the largest"
    return InputError("no-face", message, hint=hint, path=job.face)
