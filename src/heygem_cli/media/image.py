"""What the header of a still image says, read with Pillow."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heygem_cli.errors import InputError, StoppedError

MIN_SIDE = 16
MAX_SIDE = 16384
MAX_STILL_PIXELS = 3840 * 2160
"""Larger photographs are scaled down to as many pixels as 4K has: at 48 million the encoder would take 4 GB of memory,
and hardly any player shows such a video."""
MAX_PIXELS = 50_000_000
"""Pixels that ffmpeg decodes; no level of H.264 allows more than 8192×4352, but players show it."""
MAX_PHOTOGRAPH_PIXELS = 16384 * 12288
"""Phones take photographs of 200 million pixels; decoding one of those takes up to 1 GB of memory, and 2 GB in AVIF."""


def is_too_large(width: int, height: int, max_pixels: int = MAX_PIXELS) -> bool:
    """Return whether a picture is larger than any that is used."""
    return max(width, height) > MAX_SIDE or width * height > max_pixels


def still_size(width: int, height: int) -> tuple[int, int]:
    """Return the even size in which a still image is rendered: that of the image, unless it is too large to encode."""
    width, height = width // 2 * 2, height // 2 * 2
    scale = min(1.0, math.sqrt(MAX_STILL_PIXELS / (width * height)))
    return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2


def still_notes(width: int, height: int) -> tuple[str, ...]:
    """Return what the user should know about the size of a still image."""
    if width * height <= MAX_STILL_PIXELS:
        return ()
    scaled_width, scaled_height = still_size(width, height)
    return (f"it has {width}×{height} pixels; it was scaled down to {scaled_width}×{scaled_height}",)


@contextmanager
def allowing_photographs() -> Iterator[None]:
    """Let Pillow open images of up to :data:`MAX_PHOTOGRAPH_PIXELS`; of itself it refuses those of 180 million."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PHOTOGRAPH_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def check_size(path: Path, width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Reject a picture that is too large, before it is decoded.

    Args:
        path: The file.
        width: As the container says; 0 if it does not, as for an image.
        height: Likewise.
        max_pixels: How many pixels are possible.

    Raises:
        InputError: ``picture-too-large``.
    """
    size = f"{width}×{height}" if width else ""
    if not size:
        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with allowing_photographs(), Image.open(path) as image:
                    width, height = image.size
                    size = f"{width}×{height}"
            except Image.DecompressionBombError:
                width, size = MAX_SIDE + 1, "far too many"
            except StoppedError:
                raise
            except Exception:  # noqa: BLE001 - a damaged file, or a format that Pillow does not know
                return
    if is_too_large(width, height, max_pixels):
        message = f"it has {size} pixels; at most {max_pixels // 10**6} million, and {MAX_SIDE} in a row, are possible"
        raise InputError("picture-too-large", message, hint="Scale it down, for example to 3840×2160", path=path)


def check_not_too_small(path: Path, width: int, height: int) -> None:
    """Reject a picture in which no face can be seen.

    Raises:
        InputError: ``picture-too-small``.
    """
    if min(width, height) < MIN_SIDE:
        message = f"it has only {width}×{height} pixels; the minimum is {MIN_SIDE}×{MIN_SIDE}"
        raise InputError("picture-too-small", message, hint="Use a larger one", path=path)


def check_image_complete(path: Path) -> None:
    """Reject an image that was cut off; ffmpeg would decode what is there.

    Raises:
        InputError: ``cut-off-file``.
    """
    from PIL import Image

    with ignoring_damage(path), warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")  # about damaged metadata
        image.load()


@contextmanager
def ignoring_damage(path: Path) -> Iterator[None]:
    """Ignore the errors of any kind that Pillow raises for a damaged image, or one that it does not support.

    Raises:
        InputError: ``cut-off-file``.
    """
    try:
        yield
    except StoppedError:
        raise
    except Exception as error:
        if "truncated" in str(error):
            raise cut_off_image(path) from error


def cut_off_image(path: Path) -> InputError:
    """Return the error for an image of which only the first part is there."""
    return InputError("cut-off-file", "the image is truncated", hint="Copy, download or export it again", path=path)
