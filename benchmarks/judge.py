"""One clip, judged: its own sound is rendered onto the clip played backwards and held against the real mouth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import metrics
from benchmarks.clips import reverse
from benchmarks.observe import Observed, listen, observe
from benchmarks.pixels import looks
from heygem_cli.errors import InputError
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.job import RenderJob
from heygem_cli.media.probe import probe_audio, probe_video
from heygem_cli.options import RenderOptions
from heygem_cli.pipeline import Pipeline, check_job

REACH = 3
"""Frames of lag that are looked at on each side."""


@dataclass(frozen=True)
class Scores:
    """How a mouth compares with the real one of the same sound. Lags are in frames, lengths in inter-ocular distances.

    Attributes:
        correlation: of the inner lip opening, at lag 0.
        lag: with the highest correlation within :data:`REACH` frames; positive when the mouth is late.
        best: the correlation there.
        velocity: correlation of the opening's first difference, at lag 0.
        amplitude: the opening's standard deviation over the real one's.
        distance: mean distance of lip landmarks (LMD).
        silent: how many frames are silent.
        closure: share of them in which the mouth is open, NaN without silence.
        real_closure: the same of the real mouth.
        sharpness: of the mouth, over that of the video it was rendered onto.
        jitter: of points that speech does not move, over that of the video it was rendered onto.
        flicker: of the light around the mouth, over that of the video it was rendered onto.
        seam: gradient along the edge of what was changed, over that of the video it was rendered onto.
        found: share of frames with a face.
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
    sharpness: float
    jitter: float
    flicker: float
    seam: float
    found: float


@dataclass(frozen=True)
class Verdict:
    """A clip: the real one, the one played backwards and the output; scores of doing nothing and of heygem."""

    name: str
    group: str
    real: Observed
    source: Observed
    output: Observed
    nothing: Scores
    heygem: Scores


def judge(clip: Path, group: str, pipeline: Pipeline, folder: Path) -> Verdict:
    """Render and judge one clip.

    Args:
        clip: a person who speaks, with sound.
        group: what the clip belongs to.
        pipeline: loaded.
        folder: for the clip played backwards and the output.

    Raises:
        InputError: sound and picture of the clip do not begin together, so that frames could not be compared.
    """
    if abs(probe_audio(clip).start - (video := probe_video(clip)).start) > 0.5 / video.fps:
        raise InputError("sound-apart", "its sound and its picture do not begin together", path=clip)
    backwards, made = folder / f"{clip.stem}.backwards.mp4", folder / f"{clip.stem}.mp4"
    reverse(clip, backwards)
    job = RenderJob(clip, backwards, made, RenderOptions(overwrite=True, no_cache=True))
    pipeline.render(job, check_job(job))
    tracker = MediaPipeTracker()
    real, source, output = (observe(tracker, path) for path in (clip, backwards, made))
    count = min(len(seen.landmarks) for seen in (real, source, output))
    real, source, output = (Observed(seen.video, seen.landmarks[:count]) for seen in (real, source, output))
    silent = metrics.silent_frames(listen(clip), 16000, float(video.fps), count)
    return Verdict(
        name=clip.stem,
        group=group,
        real=real,
        source=source,
        output=output,
        nothing=score(source, real, source, silent),
        heygem=score(output, real, source, silent),
    )


def score(generated: Observed, real: Observed, source: Observed, silent: metrics.Mask) -> Scores:
    """Compare a generated mouth with the real one.

    Args:
        generated: the output, or the source itself.
        real: the real clip.
        source: what the output was rendered onto.
        silent: bool (frames,).
    """
    ours, theirs = metrics.opening(generated.landmarks), metrics.opening(real.landmarks)
    lag, best = metrics.best_lag(ours, theirs, REACH)
    pixels = looks(generated, source)
    return Scores(
        correlation=metrics.correlation(ours, theirs),
        lag=lag,
        best=best,
        velocity=metrics.correlation(np.diff(ours), np.diff(theirs)),
        amplitude=metrics.spread_ratio(ours, theirs),
        distance=metrics.landmark_distance(generated.landmarks, real.landmarks),
        silent=int(silent.sum()),
        closure=metrics.open_in_silence(ours, theirs, silent),
        real_closure=metrics.open_in_silence(theirs, theirs, silent),
        sharpness=pixels.sharpness,
        jitter=metrics.jitter(generated.landmarks) / metrics.jitter(source.landmarks),
        flicker=pixels.flicker,
        seam=pixels.seam,
        found=float(np.isfinite(ours).mean()),
    )
