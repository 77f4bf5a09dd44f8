"""The pictures of the blind test: pairs of faces side by side, and a sheet of mouths."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.clips import X264, ffmpeg, reverse
from benchmarks.contact_sheets import CELL, Picture, mouth_crop
from benchmarks.mediapipe_tracker import MediaPipeTracker
from benchmarks.metrics import opening
from benchmarks.tracked_video import TrackedVideo, load_tracked, select_frames
from heygem_cli.errors import HeygemError
from heygem_cli.face.geometry import interocular
from heygem_cli.face.region import Region
from heygem_cli.job import RenderJob
from heygem_cli.media.read import read_frames
from heygem_cli.options import RenderOptions
from heygem_cli.pipeline import Pipeline, check_job

SIDE = 360
"""Pixels: width and height of a face in a pair."""
WIDTH = 2.6
"""Width of a face's picture, in inter-ocular distances."""
NOSE = 1
COLUMNS = 6
WIDEST = 12
"""Frames, those with the widest mouth, that crops are taken from: a closed mouth tells nothing."""


def render_pair(clip: Path, pipeline: Pipeline, folder: Path) -> tuple[TrackedVideo, TrackedVideo]:
    """Return a clip, encoded as often as its rendering is, and its own sound rendered onto it played backwards."""
    twice, copy, backwards, rendered = (folder / f"{clip.stem}.{name}.mp4" for name in ("2", "real", "back", "heygem"))
    reverse(clip, backwards)
    reverse(backwards, twice)
    ffmpeg("-i", twice, "-map", "0:v:0", *X264, "-crf", "18", copy)
    job = RenderJob(clip, backwards, rendered, RenderOptions(overwrite=True, no_cache=True))
    pipeline.render(job, check_job(job))
    tracker = MediaPipeTracker()
    return load_tracked(tracker, copy), load_tracked(tracker, rendered)


def faces(video: TrackedVideo) -> Iterator[Picture]:
    """Yield the face (SIDE, SIDE, 3), RGB, in every frame, from one place."""
    known = video.landmarks[np.isfinite(video.landmarks[:, 0, 0])]
    (x, y), width = np.median(known[:, NOSE, :2], 0), WIDTH * float(np.median(interocular(known)))
    region = Region(float(x), float(y), width)
    with closing(read_frames(video.video)) as frames:
        yield from (region.picture(frame, SIDE, black_outside=True) for frame in frames)


def write_pair(left: TrackedVideo, right: TrackedVideo, sound: Path, output: Path) -> None:
    """Write a video with two faces side by side, which speak the same sound.

    Raises:
        HeygemError: ffmpeg failed.
    """
    size, rate = f"{2 * SIDE}x{SIDE}", str(left.video.fps)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size]
    command += ["-r", rate, "-i", "-", "-i", str(sound), "-map", "0:v", "-map", "1:a:0", *X264, "-crf", "14"]
    both = zip(faces(left), faces(right), strict=False)
    pixels = b"".join(np.hstack(pair).tobytes() for pair in both)
    done = subprocess.run([*command, "-shortest", str(output)], input=pixels, check=False, capture_output=True)
    if done.returncode:
        raise HeygemError("ffmpeg-failed", f"ffmpeg failed: {done.stderr.decode().strip()}")


class Crops:
    """Crops of the mouth of a video, one after another, where it is open."""

    def __init__(self, video: TrackedVideo) -> None:
        widest = np.argsort(-np.nan_to_num(opening(video.landmarks), nan=-1.0), kind="stable")[:WIDEST]
        self._video = video
        self._left = widest[::-1].tolist()

    def next(self) -> Picture:
        """Return the next crop (CELL, CELL, 3), RGB."""
        index = self._left.pop()
        # Neighbouring frames look alike.
        self._left = [other for other in self._left if abs(other - index) > 2] or [index]
        return mouth_crop(select_frames(self._video.video, [index])[0], self._video.landmarks[index])


def crop_sheet(pictures: Sequence[tuple[str, Picture]]) -> Image.Image:
    """Lay out named pictures."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL + 4), rows * (CELL + 22)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for place, (name, picture) in enumerate(pictures):
        x, y = place % COLUMNS * (CELL + 4), place // COLUMNS * (CELL + 22)
        draw.text((x + 2, y + 1), name, "black", font)
        sheet.paste(Image.fromarray(picture), (x, y + 18))
    return sheet
