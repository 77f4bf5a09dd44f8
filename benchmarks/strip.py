"""The picture of README: a rendered face speaking, its mouth close up, and what it says under it.

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

from benchmarks.clips import AUDIO, FACE
from benchmarks.metrics import lip_shapes
from benchmarks.observe import Observed, listen, observe, pick_frames
from benchmarks.sheets import face_crop, mouth_crop
from heygem_cli.cli.output import report_errors
from heygem_cli.face.geometry import Array
from heygem_cli.face.tracker import MediaPipeTracker
from heygem_cli.job import RenderJob
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import hide_native_output, read_settings

PICTURE = Path(__file__).parents[1] / "docs" / "strip.png"
COLUMNS = 7
CELL, GAP, SOURCE, WAVE = 196, 4, 140, 56
"""Pixels: side of a frame, space between two, side of the source's frame, height of the waveform."""
MOUTH = 120
"""Pixels: height of a mouth."""
INK, FAINT, VOICE = "#1f2328", "#8b949e", "#0e7490"


def choose_frames(shapes: Array) -> list[int]:
    """Choose a frame from each of :data:`COLUMNS` equal parts of the video, the lips of all as different as can be.

    Args:
        shapes: lips (frames, points, 2), NaN where there is no face.
    """
    # Not from the edges of a part, so that each frame stands above its moment.
    parts = [
        part[len(part) // 6 : len(part) - len(part) // 6] for part in np.array_split(np.arange(len(shapes)), COLUMNS)
    ]
    flat = np.nan_to_num(shapes).reshape(len(shapes), -1)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    apart[np.isnan(shapes[:, 0, 0])] = -1
    chosen = [int(part[np.argmax(apart[part].sum(1))]) for part in parts]
    for _ in range(COLUMNS):
        for number, part in enumerate(parts):
            others = chosen[:number] + chosen[number + 1 :]
            chosen[number] = int(part[np.argmax(apart[np.ix_(part, others)].min(1))])
    return chosen


def draw_strip(source: Observed, output: Observed, samples: Array, names: tuple[str, str]) -> Image.Image:
    """Draw the picture.

    Args:
        source: the face video.
        output: what was rendered.
        samples: mono at 16 kHz, as long as the output.
        names: of the face video and of the audio.
    """
    left, bottom = SOURCE + 5 * GAP, CELL + MOUTH + 2 * GAP
    made = Image.new("RGB", (left + COLUMNS * (CELL + GAP) - GAP, bottom + WAVE), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(17)
    first = face_crop(pick_frames(source.video, [0])[0], source.landmarks[0], SOURCE)
    made.paste(Image.fromarray(first), (0, (CELL - SOURCE) // 2))
    draw.text((SOURCE / 2, (CELL + SOURCE) // 2 + 6), names[0], INK, font, anchor="mt")
    draw.text((SOURCE / 2, bottom + WAVE / 2), names[1], INK, font, anchor="mm")
    chosen = choose_frames(lip_shapes(output.landmarks))
    width = made.width - left
    _draw_voice(draw, samples, left, bottom, width)
    for column, (index, frame) in enumerate(zip(chosen, pick_frames(output.video, chosen), strict=True)):
        x = left + column * (CELL + GAP)
        made.paste(Image.fromarray(face_crop(frame, output.landmarks[index], CELL)), (x, 0))
        mouth = mouth_crop(frame, output.landmarks[index], CELL)[(CELL - MOUTH) // 2 :][:MOUTH]
        made.paste(Image.fromarray(mouth), (x, CELL + GAP))
        moment = left + width * (index + 0.5) / len(output.landmarks)
        draw.line([(moment, bottom), (moment, bottom + WAVE)], INK, 2)
    return made.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)


def _draw_voice(draw: ImageDraw.ImageDraw, samples: Array, left: int, top: int, width: int) -> None:
    bars = np.array([np.abs(part).max(initial=0) for part in np.array_split(samples, width // 4)])
    for number, bar in enumerate(bars / max(bars.max(), 1e-6)):
        x, half = left + 4 * number, max(1, round(bar * (WAVE - 8) / 2))
        draw.rectangle([x, top + WAVE // 2 - half, x + 2, top + WAVE // 2 + half], VOICE)


def main(
    *,
    face: Annotated[Path, typer.Option(help="A video or a picture of a face.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech.")] = AUDIO,
    out: Annotated[Path, typer.Option(help="The picture to make.")] = PICTURE,
) -> None:
    """Make the picture of README."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        hide_native_output()
        made = Path(temporary) / "rendered.mp4"
        pipeline, tracker = Pipeline(EngineOptions(), read_settings(os.environ)), MediaPipeTracker()
        job = RenderJob(audio, face, made, options=RenderOptions(no_cache=True))
        pipeline.render(job, check_job(job))
        source, output = (observe(tracker, path) for path in (face, made))
        out.parent.mkdir(parents=True, exist_ok=True)
        draw_strip(source, output, listen(audio), (face.name, audio.name)).save(out, optimize=True)
    typer.echo(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    typer.run(main)
