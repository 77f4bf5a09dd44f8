"""Contact sheets: faces and mouths in rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks.evaluate import ClipResult
from benchmarks.metrics import opening
from benchmarks.tracked_video import TrackedVideo, select_frames
from heygem_cli.face.geometry import LEFT_EYE, LIPS, RIGHT_EYE, Array, interocular
from heygem_cli.face.region import Region
from heygem_cli.media.types import Frame

Picture = npt.NDArray[np.uint8]

CELL = 200
"""Size of a picture in pixels."""
LABEL_WIDTH = 110
COLUMNS = 8
NOSE_TIP = 4


def face_crop(frame: Frame, landmarks: Array, side: int = CELL) -> Picture:
    """Return a square RGB crop (side, side, 3) of the face, positioned by points that speech does not move."""
    eyes = landmarks[[LEFT_EYE, RIGHT_EYE], :2].mean(0)
    nose = landmarks[NOSE_TIP, :2]
    return _square(frame, eyes + 0.8 * (nose - eyes), 2.5 * float(interocular(landmarks)), side)


def mouth_crop(frame: Frame, landmarks: Array, side: int = CELL) -> Picture:
    """Return a square RGB crop (side, side, 3) of the mouth, scaled by the inter-ocular distance."""
    return _square(frame, landmarks[list(LIPS), :2].mean(0), 1.1 * float(interocular(landmarks)), side)


def _square(frame: Frame, center: Array, width: float, side: int) -> Picture:
    return Region(float(center[0]), float(center[1]), width).picture(frame, side, black_outside=True)


def draw_sheet(rows: Sequence[tuple[str, Sequence[Picture]]], heads: Sequence[str] = ()) -> Image.Image:
    """Lay out pictures of :data:`CELL` pixels in labelled rows."""
    width = LABEL_WIDTH + (CELL + 4) * max(len(pictures) for _, pictures in rows)
    top = 24 if heads else 0
    sheet = Image.new("RGB", (width, top + (CELL + 4) * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for column, head in enumerate(heads):
        draw.text((LABEL_WIDTH + column * (CELL + 4), 4), head, "black", font)
    for row, (label, pictures) in enumerate(rows):
        y = top + row * (CELL + 4)
        draw.multiline_text((4, y + 4), label, "black", font)
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (LABEL_WIDTH + column * (CELL + 4), y))
    return sheet


def clip_sheet(result: ClipResult) -> Image.Image:
    """Draw the source, the output, and close-ups of the mouth in both and in the real clip, at several times."""
    known = _frames_with_faces(result)
    times = [int(i) for i in known[np.linspace(0, len(known) - 1, COLUMNS + 2).round().astype(int)[1:-1]]]
    source, output, real = (_crops(video, times) for video in (result.source, result.output, result.real))
    rows = [("source", source[0]), ("heygem", output[0])]
    rows += [("source,\nmouth", source[1]), ("heygem,\nmouth", output[1]), ("real,\nmouth", real[1])]
    return draw_sheet(rows, [f"frame {index}" for index in times])


def people_sheet(results: Sequence[ClipResult]) -> Image.Image:
    """Draw a row for each person, at the 90th percentile of the opening of the output's mouth."""
    rows = []
    for result in results:
        known = _frames_with_faces(result)
        curve = opening(result.output.landmarks)[known]
        index = int(known[np.argsort(curve)[int(0.9 * (len(curve) - 1))]])
        crops = [_crops(video, [index]) for video in (result.source, result.output, result.real)]
        rows.append((result.name.replace("_", "\n"), [crop[part][0] for part in (0, 1) for crop in crops]))
    return draw_sheet(rows, ["source", "heygem", "real", "source", "heygem", "real"])


def _frames_with_faces(result: ClipResult) -> npt.NDArray[np.int_]:
    found = [np.isfinite(video.landmarks[:, 0, 0]) for video in (result.real, result.source, result.output)]
    return np.flatnonzero(np.logical_and.reduce(found))


def _crops(video: TrackedVideo, times: Sequence[int]) -> tuple[list[Picture], list[Picture]]:
    frames = select_frames(video.video, times)
    pairs = [(frame, video.landmarks[index]) for frame, index in zip(frames, times, strict=True)]
    return [face_crop(*pair) for pair in pairs], [mouth_crop(*pair) for pair in pairs]
