"""What the header of a still image says, read with Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path

from heygem_cli.errors import InputError

MAX_SIDE = 16384
MAX_PIXELS = 50_000_000
"""A photograph of a phone has up to 48 million; no level of H.264 allows more than 8192×4352, but players show it."""


def is_too_large(width: int, height: int) -> bool:
    """Return whether a picture is larger than any that is used."""
    return max(width, height) > MAX_SIDE or width * height > MAX_PIXELS


def check_size(path: Path, width: int, height: int) -> None:
    """Reject a picture that is too large, before it is decoded.

    Args:
        path: The file.
        width: As the container says; 0 if it does not, as for an image.
        height: Likewise.

    Raises:
        InputError: ``picture-too-large``.
    """
    size = f"{width}×{height}" if width else ""
    if not size:
        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with Image.open(path) as image:
                    width, height = image.size
                    size = f"{width}×{height}"
            except Image.DecompressionBombError:
                width, size = MAX_SIDE + 1, "far too many"
            except Exception:  # noqa: BLE001 - a damaged file, or a format that Pillow does not know
                return
    if is_too_large(width, height):
        message = f"it has {size} pixels; at most {MAX_PIXELS // 10**6} million, and {MAX_SIDE} in a row, are possible"
        raise InputError("picture-too-large", message, hint="Scale it down, for example to 3840×2160", path=path)


def check_image_complete(path: Path) -> None:
    """Reject an image that was cut off; ffmpeg would decode what is there.

    Raises:
        InputError: ``cut-off-file``.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # about damaged metadata
            image.load()
    except Exception as error:
        if "truncated" in str(error):
            raise cut_off_image(path) from error
        # Else it has a format that Pillow does not support.


def cut_off_image(path: Path) -> InputError:
    """Return the error for an image of which only the first part is there."""
    return InputError("cut-off-file", "the image is truncated", hint="Copy, download or export it again", path=path)
