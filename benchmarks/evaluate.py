"""Evaluation of one clip: its own sound is rendered onto the clip played backwards and compared with the real mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from training.clips import read_samples

from benchmarks import metrics
from benchmarks.clips import make_silence, reverse
from benchmarks.image_quality import image_quality
from benchmarks.mediapipe_tracker import MediaPipeTracker
from benchmarks.tracked_video import TrackedVideo, load_tracked
from heygem_cli.errors import InputError
from heygem_cli.job import RenderJob
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.options import RenderOptions
from heygem_cli.pipeline import Pipeline, check_job

MAX_LAG = 3


@dataclass(frozen=True)
class Scores:
    """A mouth compared with the real one. Lags are in frames, lengths in inter-ocular distances.

    Attributes:
        correlation: Correlation of the inner lip opening at lag 0.
        lag: The lag within :data:`MAX_LAG` with the highest correlation; positive if the mouth is late.
        best: Correlation at that lag.
        velocity: Correlation of the first difference of the opening at lag 0.
        amplitude: Standard deviation of the opening over the real one.
        distance: Mean distance of lip landmarks (LMD).
        silent: Number of silent frames.
        closure: Share of them in which the mouth is open, NaN without silence.
        real_closure: The same share for the real mouth.
        bilabials: Number of p, b and m in the clip, 0 if it is not known.
        bilabials_closed: Share of those in which the real lips touch for which the mouth's do within one frame, or NaN.
        real_bilabials: Share of all of them in which the real lips touch, or NaN.
        sharpness: Sharpness of the mouth over that of the source video.
        jitter: Jitter of points that speech does not move, over that of the source video.
        flicker: Flicker around the mouth over that of the source video.
        seam: Gradient along the outline of the rendered region over that of the source video.
        found: Share of frames with a face.
        leak: Standard deviation of the opening that is left when the source speaks silence, over the source's own.
    """

    correlation: float
    lag: int
    best: float
    velocity: float
    amplitude: float
    distance: float
    silent: int
    closure: float
    real_closure: float
    bilabials: int
    bilabials_closed: float
    real_bilabials: float
    sharpness: float
    jitter: float
    flicker: float
    seam: float
    found: float
    leak: float


@dataclass(frozen=True)
class ClipResult:
    """The evaluation of a clip.

    Attributes:
        name: Name of the clip.
        group: Group of the clip.
        real: The clip.
        source: The clip played backwards.
        output: The rendered video.
        unmodified: Scores of the source.
        heygem: Scores of the output.
    """

    name: str
    group: str
    real: TrackedVideo
    source: TrackedVideo
    output: TrackedVideo
    unmodified: Scores
    heygem: Scores


def evaluate_clip(
    clip: Path, group: str, pipeline: Pipeline, folder: Path, bilabials: Sequence[float] = ()
) -> ClipResult:
    """Render and evaluate one clip.

    Args:
        clip: A person speaking, with sound.
        group: Group of the clip.
        pipeline: A loaded pipeline.
        folder: Folder for the clip played backwards and the output.
        bilabials: Times in seconds at which the clip has p, b and m, as far as they are known.

    Raises:
        InputError: The sound and the picture of the clip do not start together, so frames cannot be compared.
    """
    video = probe_video(clip)
    if abs(probe_audio(clip).start - video.start) > 0.5 / video.fps:
        raise InputError("sound-apart", "sound and picture do not start together", path=clip)
    silence = make_silence(folder / f"{clip.stem}.silence.wav", seconds=video.frames / float(video.fps))
    paths = [clip, *(folder / f"{clip.stem}{suffix}.mp4" for suffix in (".backwards", "", ".silent"))]
    reverse(clip, paths[1])
    for audio, rendered in ((clip, paths[2]), (silence, paths[3])):
        job = RenderJob(audio, paths[1], rendered, RenderOptions(overwrite=True, no_cache=True))
        pipeline.render(job, check_job(job))
    tracker = MediaPipeTracker()
    tracked = [load_tracked(tracker, path) for path in paths]
    count = min(len(each.landmarks) for each in tracked)
    real, source, output, hushed = (TrackedVideo(each.video, each.landmarks[:count]) for each in tracked)
    silent = metrics.silent_frames(read_samples(clip), 16000, float(video.fps), count)
    unmodified = replace(score(source, real, source, silent, bilabials), leak=1.0)
    heygem = replace(score(output, real, source, silent, bilabials), leak=leak(hushed, source))
    return ClipResult(clip.stem, group, real, source, output, unmodified, heygem)


def leak(hushed: TrackedVideo, source: TrackedVideo) -> float:
    """Return how much of the source's mouth still moves in silence, see :class:`Scores`."""
    return metrics.amplitude_ratio(metrics.opening(hushed.landmarks), metrics.opening(source.landmarks))


def score(
    generated: TrackedVideo,
    real: TrackedVideo,
    source: TrackedVideo,
    silent: metrics.Mask,
    bilabials: Sequence[float],
) -> Scores:
    """Compare a generated mouth with the real one.

    Args:
        generated: The output, or the source itself.
        real: The real clip.
        source: The video that the output was rendered from.
        silent: Which frames are silent, bool (frames,).
        bilabials: Times of p, b and m in seconds.
    """
    generated_opening, real_opening = metrics.opening(generated.landmarks), metrics.opening(real.landmarks)
    lag, best = metrics.best_lag(generated_opening, real_opening, MAX_LAG)
    closures = metrics.closing_frames(real_opening, bilabials, float(real.video.fps))
    quality = image_quality(generated, source)
    return Scores(
        correlation=metrics.correlation(generated_opening, real_opening),
        lag=lag,
        best=best,
        velocity=metrics.correlation(np.diff(generated_opening), np.diff(real_opening)),
        amplitude=metrics.amplitude_ratio(generated_opening, real_opening),
        distance=metrics.landmark_distance(generated.landmarks, real.landmarks),
        silent=int(silent.sum()),
        closure=metrics.open_in_silence(generated_opening, real_opening, silent),
        real_closure=metrics.open_in_silence(real_opening, real_opening, silent),
        bilabials=len(bilabials),
        bilabials_closed=metrics.closed_share(generated_opening, real_opening, closures),
        real_bilabials=len(closures) / len(bilabials) if bilabials else float("nan"),
        sharpness=quality.sharpness,
        jitter=metrics.jitter(generated.landmarks) / metrics.jitter(source.landmarks),
        flicker=quality.flicker,
        seam=quality.seam,
        found=float(np.isfinite(generated_opening).mean()),
        leak=float("nan"),
    )
