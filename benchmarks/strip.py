"""Make the picture of the README: frames of a rendered face, its mouth in close-up, and the waveform below.

Run ``python -m benchmarks.strip``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont
from training.clips import read_samples

from benchmarks.clips import AUDIO, FACE
from benchmarks.contact_sheets import face_crop, mouth_crop
from benchmarks.metrics import lip_shapes
from benchmarks.tracked_video import TrackedVideo, load_tracked, select_frames
from heygem_cli.cli.output import report_errors
from heygem_cli.face.geometry import Array
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.job import RenderJob
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import hide_native_output, read_settings

PICTURE = Path(__file__).parents[1] / "docs" / "strip.png"
COLUMNS = 7
CELL, GAP, SOURCE, MOUTH, WAVEFORM = 196, 4, 140, 120, 56
"""In pixels: size of a frame, gap, size of the source frame, height of a mouth, height of the waveform."""
TEXT_COLOR, WAVEFORM_COLOR = "#1f2328", "#0e7490"


def choose_frames(shapes: Array) -> list[int]:
    """Choose a frame from each of :data:`COLUMNS` equal parts of the video, with lips as different as possible.

    Args:
        shapes: Lips (frames, points, 2), NaN without a face.
    """
    # Leave out the edges of each part so that every frame is above its position in the waveform.
    parts = [
        part[len(part) // 6 : len(part) - len(part) // 6] for part in np.array_split(np.arange(len(shapes)), COLUMNS)
    ]
    flat = np.nan_to_num(shapes).reshape(len(shapes), -1)
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    distance[np.isnan(shapes[:, 0, 0])] = -1
    chosen = [int(part[np.argmax(distance[part].sum(1))]) for part in parts]
    for _ in range(COLUMNS):
        for index, part in enumerate(parts):
            others = chosen[:index] + chosen[index + 1 :]
            chosen[index] = int(part[np.argmax(distance[np.ix_(part, others)].min(1))])
    return chosen


def draw_strip(source: TrackedVideo, output: TrackedVideo, samples: Array, names: tuple[str, str]) -> Image.Image:
    """Draw the picture.

    Args:
        source: The face video.
        output: The rendered video.
        samples: Mono at 16 kHz, as long as the output.
        names: Names of the face video and of the audio.
    """
    left, bottom = SOURCE + 5 * GAP, CELL + MOUTH + 2 * GAP
    strip = Image.new("RGB", (left + COLUMNS * (CELL + GAP) - GAP, bottom + WAVEFORM), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(17)
    first = face_crop(select_frames(source.video, [0])[0], source.landmarks[0], SOURCE)
    strip.paste(Image.fromarray(first), (0, (CELL - SOURCE) // 2))
    draw.text((SOURCE / 2, (CELL + SOURCE) // 2 + 6), names[0], TEXT_COLOR, font, anchor="mt")
    draw.text((SOURCE / 2, bottom + WAVEFORM / 2), names[1], TEXT_COLOR, font, anchor="mm")
    chosen = choose_frames(lip_shapes(output.landmarks))
    width = strip.width - left
    _draw_waveform(draw, samples, left, bottom, width)
    for column, (index, frame) in enumerate(zip(chosen, select_frames(output.video, chosen), strict=True)):
        x = left + column * (CELL + GAP)
        strip.paste(Image.fromarray(face_crop(frame, output.landmarks[index], CELL)), (x, 0))
        mouth = mouth_crop(frame, output.landmarks[index], CELL)[(CELL - MOUTH) // 2 :][:MOUTH]
        strip.paste(Image.fromarray(mouth), (x, CELL + GAP))
        time_x = left + width * (index + 0.5) / len(output.landmarks)
        draw.line([(time_x, bottom), (time_x, bottom + WAVEFORM)], TEXT_COLOR, 2)
    return strip.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)


def _draw_waveform(draw: ImageDraw.ImageDraw, samples: Array, left: int, top: int, width: int) -> None:
    bars = np.array([np.abs(part).max(initial=0) for part in np.array_split(samples, width // 4)])
    for index, bar in enumerate(bars / max(bars.max(), 1e-6)):
        x, half = left + 4 * index, max(1, round(bar * (WAVEFORM - 8) / 2))
        draw.rectangle([x, top + WAVEFORM // 2 - half, x + 2, top + WAVEFORM // 2 + half], WAVEFORM_COLOR)


def main(
    *,
    face: Annotated[Path, typer.Option(help="Face video or picture.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech.")] = AUDIO,
    out: Annotated[Path, typer.Option(help="Picture to write.")] = PICTURE,
) -> None:
    """Make the picture of the README."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        hide_native_output()
        rendered = Path(temporary) / "rendered.mp4"
        settings = read_settings(os.environ)
        pipeline, tracker = Pipeline(EngineOptions(), settings), FaceTracker("cpu", settings)
        job = RenderJob(audio, face, rendered, options=RenderOptions(no_cache=True))
        pipeline.render(job, check_job(job))
        source, output = (load_tracked(tracker, path) for path in (face, rendered))
        out.parent.mkdir(parents=True, exist_ok=True)
        draw_strip(source, output, read_samples(audio), (face.name, audio.name)).save(out, optimize=True)
    typer.echo(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    typer.run(main)
