"""The mesh engine: runs the stages of a render."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.face.cache import cache_errors, cached_track, default_cache_folder, track_key
from heygem_cli.face.geometry import Array
from heygem_cli.face.smooth import bridge_gaps, smooth
from heygem_cli.face.track import FaceTrack, write_track
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.files import temporary_folder
from heygem_cli.job import Clock, FrameState, Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Stage
from heygem_cli.media.arguments import decoding_key
from heygem_cli.media.depth import to_8_bits, with_changes
from heygem_cli.media.read import loop_frames, prefetch, read_audio, read_frames
from heygem_cli.media.types import Frame, Frame10, VideoInfo
from heygem_cli.media.write import encode_video
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.renderer import FaceRenderer, build_renderer
from heygem_cli.onnx import session_provider
from heygem_cli.options import Device, Person
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MotionModel, MouthMotion
from heygem_cli.timeline import Timeline

_Item = TypeVar("_Item")
REACH = 8
"""Picture sides from the upper left corner within which the tracker finds points, with much to spare."""


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
        timeline = Timeline(person=1)
        warnings: list[str] = []
        with ExitStack() as scratch:
            with clock.stage("track"):
                track, cached = self._track(job, video, total, on_progress, warnings.append)
                scratch.enter_context(closing(track))
            check_track(job, track, video, total)
            with clock.stage("prepare"):
                renderer = build_renderer(video, track, self.painter)
            source = replace(video, bits=10) if options.encode.pixel_format == "10bit" else video
            rendered = _render_frames(job, source, motion.offsets, track, renderer)
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
                for frame, state in _report(rendered, "render", total, on_progress):
                    writer.write(frame)
                    timeline.add(state, shot=1)
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
            seconds=clock.seconds,
            track_cached=cached,
            engine=self.name,
            provider=session_provider(self.motion_model.session),
            warnings=tuple(warnings),
            frames_covered=frames["covered"],
            frames_outside=frames["outside"],
            frames_other_person=frames["other person"],
            spans=tuple(timeline.spans),
        )

    def close(self) -> None:
        """Do nothing: the engine has no background work."""

    def _predict_motion(self, inputs: Inputs, on_progress: ProgressCallback) -> MouthMotion:
        def samples() -> Generator[Array, None, None]:
            done = 0
            with closing(read_audio(inputs.audio)) as chunks:
                for chunk in chunks:
                    yield chunk
                    done += len(chunk)
                    on_progress(Progress("speech", done / 16000, inputs.audio.duration or None))

        with closing(samples()) as chunks:
            return self.motion_model.predict(chunks, inputs.video.fps)

    def _track(
        self,
        job: RenderJob,
        video: VideoInfo,
        needed: int,
        on_progress: ProgressCallback,
        on_damage: Callable[[str], object],
    ) -> tuple[FaceTrack, bool]:
        total = min(needed, video.frames)

        def landmarks() -> Generator[Array | None, None, None]:
            with closing(prefetch(read_frames(video, count=needed))) as frames:
                reported = _report(frames, "track", total, on_progress)
                yield from smooth(bridge_gaps(self.tracker.track(reported, job.options.person)))

        # Left to the garbage collector, it would wait for its thread at any moment, even while another thread starts.
        with closing(landmarks()) as rows:
            if job.options.no_cache:
                folder = temporary_folder()
                hint = "Free some space, or name another folder with TMPDIR"
                # An unlinked file: nothing is left behind even if the process is killed.
                with cache_errors(folder, hint), tempfile.TemporaryFile(dir=folder) as file:
                    return write_track(Path(f"/proc/self/fd/{file.fileno()}"), rows, limit=needed), False
            return cached_track(
                default_cache_folder(),
                track_key(job.face, decoding_key(video), job.options.person, self.tracker.version),
                needed,
                lambda: rows,
                lambda: on_progress(Progress("track", 0, total)),
                reach=REACH * max(video.width, video.height),
                on_damage=on_damage,
            )


def _render_frames(
    job: RenderJob, video: VideoInfo, offsets: Array, track: FaceTrack, renderer: FaceRenderer
) -> Generator[tuple[Frame | Frame10, FrameState], None, None]:
    hold = job.options.on_missing_face == "hold"
    last: Frame | Frame10 | None = None
    with closing(prefetch(loop_frames(video, len(offsets), job.options.loop))) as frames:
        for (index, frame), motion in zip(frames, offsets, strict=False):
            landmarks = track.landmarks(index) if index < len(track) else None
            if landmarks is None:
                yield last if hold and last is not None else frame, "no face"
                continue
            shallow = to_8_bits(frame)
            rendered = renderer.render(shallow, landmarks, motion)
            last = frame if rendered is None else with_changes(frame, shallow, rendered)
            yield last, "turned away" if rendered is None else "rendered"


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
        seconds = float(np.flatnonzero(~track.present)[0] / video.fps)
        found = f"face found in only {track.present.sum()} of {len(track)} frames"
        hint = "Cut the face video there, or use --on-missing-face pass"
        raise InputError("face-missing", f"{found}, first missing at {seconds:.2f} s", hint=hint, path=job.face)
    if options.loop == "none" and len(track) < needed and not video.is_still:
        message = f"the face video has {len(track)} frames, the audio needs {needed}"
        hint = "Use --loop pingpong, or a longer face video"
        raise InputError("video-too-short", message, hint=hint, path=job.face)


def _no_face(job: RenderJob, frames: int) -> InputError:
    searched = f" in {frames} frames" if frames > 1 else ""
    if job.options.person == Person():
        message = f"no face found{searched}"
        hint = "Use a face video with a real face, seen from the front and larger than 5 % of the picture"
    else:
        message = f"no face found{searched} that matches --person {job.options.person}"
        hint = "Choose another one with --person, or leave it out: heygem faces lists who there is"
    return InputError("no-face", message, hint=hint, path=job.face)
