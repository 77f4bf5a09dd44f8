"""Pictures to look at: faces and mouths in rows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from benchmarks.judge import Verdict
from benchmarks.metrics import opening
from benchmarks.observe import Observed, pick_frames
from heygem_cli.face.geometry import LEFT_EYE, LIPS, RIGHT_EYE, Array, interocular
from heygem_cli.face.tracker import crop_rgb
from heygem_cli.media.types import Frame

Picture = npt.NDArray[np.uint8]

CELL = 200
"""Side of one picture in pixels."""
LABEL = 110
COLUMNS = 8
NOSE = 4
"""The landmark at the tip of the nose."""


def face_crop(frame: Frame, landmarks: Array, side: int = CELL) -> Picture:
    """A square (side, side, 3) around the face, RGB. Speech neither moves nor scales it."""
    eyes = landmarks[[LEFT_EYE, RIGHT_EYE], :2].mean(0)
    nose = landmarks[NOSE, :2]
    return _square(frame, eyes + 0.8 * (nose - eyes), 2.5 * float(interocular(landmarks)), side)


def mouth_crop(frame: Frame, landmarks: Array, side: int = CELL) -> Picture:
    """A square (side, side, 3) around the mouth, RGB. Speech does not scale it."""
    return _square(frame, landmarks[list(LIPS), :2].mean(0), 1.1 * float(interocular(landmarks)), side)


def _square(frame: Frame, middle: Array, across: float, side: int) -> Picture:
    size = max(16, int(across) // 2 * 2)
    left, top = (int(value) // 2 * 2 for value in middle - size / 2)
    shrink = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop_rgb(frame, left, top, size), (side, side), interpolation=shrink), np.uint8)


def sheet(rows: Sequence[tuple[str, Sequence[Picture]]], heads: Sequence[str] = ()) -> Image.Image:
    """Lay out pictures of :data:`CELL` pixels in rows, each with a label in front."""
    width = LABEL + (CELL + 4) * max(len(pictures) for _, pictures in rows)
    top = 24 if heads else 0
    made = Image.new("RGB", (width, top + (CELL + 4) * len(rows)), "white")
    draw = ImageDraw.Draw(made)
    font = ImageFont.load_default(14)
    for column, head in enumerate(heads):
        draw.text((LABEL + column * (CELL + 4), 4), head, "black", font)
    for number, (label, pictures) in enumerate(rows):
        y = top + number * (CELL + 4)
        draw.multiline_text((4, y + 4), label, "black", font)
        for column, picture in enumerate(pictures):
            made.paste(Image.fromarray(picture), (LABEL + column * (CELL + 4), y))
    return made


def clip_sheet(verdict: Verdict) -> Image.Image:
    """What was rendered onto, the output, and mouths of both and of the real clip, at times spread over the clip."""
    known = _known(verdict)
    times = [int(i) for i in known[np.linspace(0, len(known) - 1, COLUMNS + 2).round().astype(int)[1:-1]]]
    source, output, real = (_faces(seen, times) for seen in (verdict.source, verdict.output, verdict.real))
    rows = [("source", source[0]), ("heygem", output[0])]
    rows += [("source,\nmouth", source[1]), ("heygem,\nmouth", output[1]), ("real,\nmouth", real[1])]
    return sheet(rows, [f"frame {index}" for index in times])


def people_sheet(verdicts: Sequence[Verdict]) -> Image.Image:
    """A row a person, at the moment when the output's mouth is open as wide as it is in one of ten frames."""
    rows = []
    for verdict in verdicts:
        known = _known(verdict)
        curve = opening(verdict.output.landmarks)[known]
        index = int(known[np.argsort(curve)[int(0.9 * (len(curve) - 1))]])
        cells = [_faces(seen, [index]) for seen in (verdict.source, verdict.output, verdict.real)]
        rows.append((verdict.name.replace("_", "\n"), [cell[part][0] for part in (0, 1) for cell in cells]))
    return sheet(rows, ["rendered onto", "heygem", "real", "rendered onto", "heygem", "real"])


def _known(verdict: Verdict) -> npt.NDArray[np.int_]:
    found = [np.isfinite(seen.landmarks[:, 0, 0]) for seen in (verdict.real, verdict.source, verdict.output)]
    return np.flatnonzero(np.logical_and.reduce(found))


def _faces(seen: Observed, times: Sequence[int]) -> tuple[list[Picture], list[Picture]]:
    frames = pick_frames(seen.video, times)
    pairs = [(frame, seen.landmarks[index]) for frame, index in zip(frames, times, strict=True)]
    return [face_crop(*pair) for pair in pairs], [mouth_crop(*pair) for pair in pairs]
