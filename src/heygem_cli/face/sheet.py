"""The picture of the people in a video: a numbered cell for each person."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from heygem_cli.errors import InputError, write_error
from heygem_cli.files import write_atomically

if TYPE_CHECKING:
    from PIL import Image, ImageFont

    from heygem_cli.face.listing import ListedPerson
    from heygem_cli.media.types import VideoInfo

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Formats of a sheet, by the extension of its name."""
COLUMNS = 4
CELL = 320
"""Width and height of a cell's picture, in pixels."""
CAPTION = 64
"""Height of a cell's text below the picture."""
GAP = 16
CONTEXT = 2.0
"""How much of a frame a cell shows, relative to the size of the face."""
INK, PAPER, DIM = "#111111", "#ffffff", "#555555"


def check_sheet(path: Path, source: Path, *, overwrite: bool) -> None:
    """Check that the sheet can be written, before anything is started.

    Raises:
        InputError: It cannot be created, or exists.
    """
    from heygem_cli.media.write import check_output

    if path.suffix.lower() not in FORMATS:
        message = "the sheet cannot have the format that its name says"
        raise InputError("bad-sheet", message, hint="Use a name that ends in .png, .jpg or .webp", path=path)
    check_output(path, (source,), suffixes=None)
    if os.path.lexists(path) and not overwrite:
        raise InputError("output-exists", "the sheet exists", hint="Use --overwrite to replace it", path=path)


def write_sheet(path: Path, video: VideoInfo, people: Sequence[ListedPerson], *, captions: bool = True) -> None:
    """Write the sheet of a video, in the format that the name says; without captions there are only numbers.

    Raises:
        InputError: ``no-permission``.
        HeygemError: ``disk-full``, ``writing-failed``, or the video cannot be read.
    """
    from PIL import Image

    columns, rows = min(COLUMNS, len(people)), math.ceil(len(people) / COLUMNS)
    below = CAPTION if captions else 0
    width, height = (GAP + count * (side + GAP) for count, side in ((columns, CELL), (rows, CELL + below)))
    sheet = Image.new("RGB", (width, height), PAPER)
    for index, person in enumerate(people):
        row, column = divmod(index, COLUMNS)
        corner = GAP + column * (CELL + GAP), GAP + row * (CELL + below + GAP)
        sheet.paste(_cell(person, video, below), corner)
    content = io.BytesIO()
    sheet.save(content, FORMATS[path.suffix.lower()])
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise write_error(error, path, path.parent) from error


def _frame(video: VideoInfo, number: int) -> Image.Image:
    import cv2
    from PIL import Image

    from heygem_cli.media.read import read_frames

    with closing(read_frames(video, number, 1)) as frames:
        return Image.fromarray(cv2.cvtColor(next(frames), cv2.COLOR_YUV2RGB_I420))


def _cell(person: ListedPerson, video: VideoInfo, below: int) -> Image.Image:
    """Return a cell: the face with what is around it, its number in a corner, and a caption if there is space below."""
    from PIL import Image, ImageDraw

    cell = Image.new("RGB", (CELL, CELL + below), PAPER)
    frame = _frame(video, person.best_frame)
    half = CONTEXT * max(person.width, person.height) / 2
    x, y = person.left + person.width / 2, person.top + person.height / 2
    around = (round(x - half), round(y - half), round(x + half), round(y + half))
    cell.paste(frame.crop(around).resize((CELL, CELL), Image.Resampling.LANCZOS))  # beyond the picture it is black
    draw = ImageDraw.Draw(cell)
    number, font = str(person.number), _font(44)
    draw.rectangle((0, 0, font.getlength(number) + 28, 58), fill=INK)
    draw.text((14, 29), number, PAPER, font, anchor="lm")
    times = "" if video.is_still else f", {person.percent} of the frames"
    draw.text((0, CELL + 8), f"{person.where}{times}", INK, _font(22))
    if not video.is_still:
        draw.text((0, CELL + 38), f"{person.first:.2f} s to {person.last:.2f} s", DIM, _font(18))
    return cell


def _font(size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - Pillow's wheels have FreeType
    return font
