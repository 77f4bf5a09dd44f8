"""Compare the face tracker with MediaPipe's face mesh: landmarks, frames with a face, and time.

Usage: python -m benchmarks.tracker --data DIR

DIR contains clips of one person each in grid/dev and wild, whose landmarks are compared, and optionally grid/train.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.mediapipe_tracker import MediaPipeTracker
from benchmarks.posed_faces import resized, turned
from benchmarks.report import Target, number, print_table, print_targets, write_json
from heygem_cli.face.geometry import LIPS, Array, interocular
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames
from heygem_cli.media.types import Frame
from heygem_cli.runtime import Settings

POSES: dict[str, Callable[[Frame, Array], Frame]] = {
    "small: 90 pixels": lambda frame, landmarks: resized(frame, landmarks, 90),
    "small, tilted by 30°": lambda frame, landmarks: resized(frame, landmarks, 90, 30),
    "tilted by 30°": lambda frame, landmarks: resized(frame, landmarks, 250, 30),
    "tilted by -30°": lambda frame, landmarks: resized(frame, landmarks, 250, -30),
    "turned by 45°": lambda frame, landmarks: turned(frame, landmarks, 45),
    "turned by -45°": lambda frame, landmarks: turned(frame, landmarks, -45),
}
POSED_FRAMES = 12
"""Frames of each clip that are posed, and that begin with a search for the face."""
TIMED_FRAMES = 60
"""Frames of each clip that are timed, so many that the search for the face counts little."""
LIMITS = {"lips": 0.004, "all": 0.006}
CPU_LIMIT = 4.0


@dataclass(frozen=True)
class Tracked:
    """Landmarks of both trackers for the same frames, None without a face, and CPU milliseconds for each frame."""

    ours: list[Array | None]
    mediapipe: list[Array | None]
    milliseconds: tuple[float, float]

    def distances(self) -> tuple[float, float]:
        """Return the mean distance on the lips and on the face, in inter-ocular distances; NaN without faces."""
        pairs = [(ours, theirs) for ours, theirs in zip(self.ours, self.mediapipe, strict=True)]
        both = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
        if not both:
            return float("nan"), float("nan")
        ours, theirs = (np.stack(rows) for rows in zip(*both, strict=True))
        distances = np.linalg.norm((ours - theirs)[..., :2], axis=-1) / interocular(theirs)[:, None]
        return float(distances[:, LIPS].mean()), float(distances[:, :468].mean())


class Trackers:
    """Both trackers, each on one thread as far as it can be told to."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self.ours, self.mediapipe = FaceTracker("cpu", Settings(onnx_threads=1)), MediaPipeTracker()

    def track(self, frames: Sequence[Frame]) -> Tracked:
        """Track the same frames with both."""
        results, milliseconds = [], []
        for tracker in (self.ours, self.mediapipe):
            started = time.process_time()
            results.append(list(tracker.track(frames)))
            milliseconds.append((time.process_time() - started) / len(frames) * 1000)
        return Tracked(results[0], results[1], (milliseconds[0], milliseconds[1]))


def compare_clips(clips: Sequence[Path], trackers: Trackers) -> tuple[list[Target], dict[str, object]]:
    """Print the distances between the landmarks for every clip, and the time."""
    rows, distances, costs = [], [], []
    for clip in clips:
        tracked = trackers.track(_read(clip, None))
        distances.append(tracked.distances())
        costs.append(trackers.track([resized(*pose, 250) for pose in _poses(clip, tracked, TIMED_FRAMES)]).milliseconds)
        values = (*(number(value, 4) for value in distances[-1]), *map(number, costs[-1]))
        rows.append((clip.name, str(len(tracked.ours)), *values))
    lips, every = np.nanmean(distances, axis=0).tolist()
    ours, theirs = np.median(costs, axis=0).tolist()
    rows.append(("mean; median", "", number(lips, 4), number(every, 4), number(ours), number(theirs)))
    columns = ("", "frames", "lips", "all", "CPU ms", "MediaPipe's")
    print_table("Distance from MediaPipe's landmarks, in inter-ocular distances; CPU time at 720p", columns, rows)
    targets = [
        Target("lips", lips, LIMITS["lips"]),
        Target("all", every, LIMITS["all"]),
        Target("CPU ms a frame at 720p", ours, CPU_LIMIT),
    ]
    return targets, {"distances": distances, "milliseconds": costs}


def compare_presence(
    clips: Sequence[Path], posed: Sequence[Path], trackers: Trackers
) -> tuple[list[Target], dict[str, object]]:
    """Print in which share of the frames each tracker finds a face."""
    found: dict[str, list[tuple[bool, bool]]] = {}
    for clip in clips:
        tracked = trackers.track(_read(clip, None))
        found.setdefault("as recorded", []).extend(_present(tracked))
        for name, pose in POSES.items() if clip in posed else ():
            frames = [pose(frame, landmarks) for frame, landmarks in _poses(clip, tracked, POSED_FRAMES)]
            found.setdefault(name, []).extend(_present(trackers.track(frames)))
    shares = {name: np.mean(pairs, axis=0).tolist() for name, pairs in found.items()}
    rows = [(name, str(len(found[name])), *(number(share, 4) for share in pair)) for name, pair in shares.items()]
    print_table("Share of the frames in which the face is found", ("", "frames", "heygem", "MediaPipe"), rows)
    targets = [Target(name, ours, theirs, at_least=True) for name, (ours, theirs) in shares.items()]
    return targets, {"found": shares}


def _present(tracked: Tracked) -> list[tuple[bool, bool]]:
    pairs = zip(tracked.ours, tracked.mediapipe, strict=True)
    return [(ours is not None, theirs is not None) for ours, theirs in pairs]


def _poses(clip: Path, tracked: Tracked, count: int) -> Iterator[tuple[Frame, Array]]:
    """Yield the first frames of a clip in which MediaPipe finds the face, with its landmarks."""
    pairs = zip(_read(clip, count), tracked.mediapipe, strict=False)
    return ((frame, landmarks) for frame, landmarks in pairs if landmarks is not None)


def _read(clip: Path, count: int | None) -> list[Frame]:
    with closing(read_frames(probe_video(clip))) as frames:
        return [frame.copy() for frame in islice(frames, count)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with grid/dev, wild and, optionally, grid/train"
    )
    parser.add_argument("--step", type=int, default=1, help="use only every Nth clip of grid/train")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    options = parser.parse_args(arguments)
    test, wild, train = (sorted((options.data / name).glob("*.mp*")) for name in ("grid/dev", "wild", "grid/train"))
    compared, trackers = [*test, *wild], Trackers()
    targets, distances = compare_clips(compared, trackers)
    more, presence = compare_presence([*compared, *train[:: options.step]], compared, trackers)
    print_targets([*targets, *more])
    if options.json:
        write_json(options.json, {**distances, **presence}, [*targets, *more])


if __name__ == "__main__":
    main()
