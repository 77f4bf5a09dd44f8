"""Still images that Pillow decodes instead of ffmpeg, which knows no colour profiles and not all kinds of TIFF.

They become sRGB, as in a browser.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.media import arguments, ffmpeg
from heygem_cli.media.container import open_media
from heygem_cli.media.image import (
    MAX_PHOTOGRAPH_PIXELS,
    MAX_PIXELS,
    MAX_STILL_PIXELS,
    allowing_photographs,
    check_not_too_small,
    check_size,
    cut_off_image,
    ignoring_damage,
    still_notes,
    still_size,
)
from heygem_cli.media.interrupted import is_cut_off_picture
from heygem_cli.media.timing import DEFAULT_FPS
from heygem_cli.media.types import ColorTags, VideoInfo

if TYPE_CHECKING:
    from PIL import Image, ImageCms

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "PSD", "TIFF", "ICO", "ICNS")
_ALWAYS = frozenset({"TIFF", "ICO", "ICNS", "TGA"})
"""Formats that ffmpeg reads wrongly or not at all; of most others only images with a profile are decoded here."""
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"})
_HEIC_BRANDS = frozenset({b"heic", b"heim", b"heis", b"heix", b"mif1", b"mif2"})
_HEIC_HEADER = 1 << 20
"""Bytes in which the description of a HEIC file ends."""
_ANIMATED = frozenset({"PNG", "WEBP", "AVIF"})
_SRGB = ColorTags(primaries="bt709", transfer="iec61966-2-1", matrix="bt709")
_MAX_DIFFERENCE = 2
"""Levels by which colours of a profile differ at most from sRGB if it is meant to be sRGB."""
_ROWS = 64
"""Rows that are copied at a time."""


def probe_still(path: Path) -> VideoInfo | None:
    """Return the properties of a still image that Pillow decodes; None for any other file.

    Raises:
        InputError: ``cut-off-file``, ``picture-too-small``, ``picture-too-large``.
    """
    with path.open("rb") as file:
        if is_cut_off_picture(file):
            raise cut_off_image(path)
    decoded = _decode(path)
    if decoded is None:
        return None
    image, size = decoded
    width, height = still_size(*size)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=DEFAULT_FPS,
        frames=1,
        is_still=True,
        is_converted=True,
        codec="rawvideo",
        pixel_format={"RGB": "rgb24", "RGBA": "rgba"}[image.mode],
        color=_SRGB,
        sample_aspect_ratio=Fraction(1),
        is_rgb=True,
        has_alpha=image.mode == "RGBA",
        notes=still_notes(*size),
    )


@contextlib.contextmanager
def opened_pixels(video: VideoInfo) -> Iterator[IO[bytes] | None]:
    """Yield a file in memory with the pixels of an image that Pillow decodes, for ffmpeg; None for other videos.

    Raises:
        HeygemError: ``reading-failed``.
    """
    if not video.is_converted:
        yield None
        return
    decoded = _decode(video.path)
    size = (video.width, video.height)
    if decoded is None or still_size(*decoded[1]) != size or (decoded[0].mode == "RGBA") != video.has_alpha:
        message = "it was another image when it was first read"
        raise HeygemError("reading-failed", message, hint="Do not change it while it is rendered", path=video.path)
    image = decoded[0]
    del decoded
    if image.size != size:
        image = image.resize(size, reducing_gap=2)
    with os.fdopen(os.memfd_create("pixels"), "w+b") as file:
        for top in range(0, image.height, _ROWS):
            file.write(image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes())
        del image
        file.seek(0)
        yield file


def _decode(path: Path) -> tuple[Image.Image, tuple[int, int]] | None:
    """Return an upright image in sRGB, RGB or RGBA of even size; None if ffmpeg is to decode the file.

    One that is much larger than :data:`MAX_STILL_PIXELS` is reduced. The second value is its width and height before.
    """
    check_size(path, 0, 0, MAX_PHOTOGRAPH_PIXELS)
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # about damaged metadata
        image = _open(path)
        if image is None:
            return None
        stack.enter_context(image)
        transform = _to_srgb(image)
        if transform is None and not _needs_pillow(image, path):
            return None
        size = image.size
        check_not_too_small(path, *size)
        image.draft(None, still_size(*size))  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that is enough
        if not _load(image, path):
            return None
        converted = _converted(image, transform)
        width, height = sorted(size, reverse=converted.width > converted.height)
        return converted, (width, height)


def _open(path: Path) -> Image.Image | None:
    """Open an image; return None if it is none, damaged, an animation, or of a kind that Pillow cannot convert."""
    from PIL import Image

    if profile := _heic_profile(path):
        return _open_heic(path, profile)
    Image.init()
    formats = ("TGA",) if path.suffix.lower() == ".tga" else _FORMATS  # nothing in a TGA says that it is one
    try:
        with allowing_photographs():
            image = Image.open(path, formats=formats)
        animated = image.format in _ANIMATED and getattr(image, "is_animated", False)
    except StoppedError:
        raise
    except Exception:  # noqa: BLE001 - of a damaged file Pillow raises errors of any kind
        return None
    if image.mode in _MODES and not animated:
        # Else Pillow maps the pixels of an uncompressed TIFF, and garbles one that has to be turned.
        image.filename = ""
        return image
    image.close()
    return None


def _heic_profile(path: Path) -> bytes:
    """Return the colour profile of a HEIC file; empty if the file is another one or has none."""
    with path.open("rb") as file:
        head = file.read(_HEIC_HEADER)
    box = re.search(rb"(....)colr(?:prof|rICC)", head, re.DOTALL)
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIC_BRANDS or box is None:
        return b""
    return head[box.end() : box.start() + int.from_bytes(box[1], "big")]


def _open_heic(path: Path, profile: bytes) -> Image.Image | None:
    """Let ffmpeg decode a HEIC file, which Pillow cannot; return None if that fails, too."""
    from PIL import Image

    data = bytearray()
    with ffmpeg.running(arguments.decode_heic_args(path), stdout=True) as decoder:
        while len(data) <= 3 * MAX_PHOTOGRAPH_PIXELS and (block := decoder.stdout.read(1 << 20)):
            data += block
    try:
        with allowing_photographs():
            image = Image.open(io.BytesIO(data), formats=("PPM",))
    except OSError:
        return None
    check_size(path, *image.size, MAX_PHOTOGRAPH_PIXELS)
    image.info["icc_profile"] = profile
    return image


def _needs_pillow(image: Image.Image, path: Path) -> bool:
    """Return whether ffmpeg would show the image wrongly or not at all, or with more memory than a photograph takes."""
    if image.width * image.height > MAX_PIXELS:
        return True
    # Of AVIF it does not apply the transparency, and does not know all ways of storing a picture.
    return image.format in _ALWAYS or (image.format == "AVIF" and (image.mode == "RGBA" or not _opens(path)))


def _opens(path: Path) -> bool:
    with contextlib.suppress(InputError), open_media(path):
        return True
    return False


def _load(image: Image.Image, path: Path) -> bool:
    """Decode the pixels; return whether that was possible."""
    with ignoring_damage(path):
        image.load()
        return True
    return False


def _converted(image: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    image = _reduced(_plain(_upright(image)))
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    color = image.convert(image.mode.removesuffix("A"))
    color = color.convert("RGB") if transform is None else transform.apply(color)
    if alpha is not None:
        color.putalpha(alpha)
    return color.crop((0, 0, color.width // 2 * 2, color.height // 2 * 2))


def _reduced(image: Image.Image) -> Image.Image:
    """Return an image of still more pixels than are used, of which a photograph may have many times as many."""
    factor = math.isqrt(image.width * image.height // MAX_STILL_PIXELS)
    return image.reduce(factor) if factor > 1 else image


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(image, in_place=True)
    except StoppedError:
        raise
    except Exception:  # noqa: BLE001, S110 - damaged EXIF data, which browsers ignore
        pass
    return image


def _plain(image: Image.Image) -> Image.Image:
    """Return an image with 8 bits for each of its channels: L, LA, RGB, RGBA or CMYK."""
    from PIL import Image

    if image.mode.startswith("I;16"):  # Pillow would clip it
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("P", "PA") or "transparency" in image.info:
        mode = "LA" if image.mode in ("1", "L") else "RGBA"
        return image.convert(mode if image.has_transparency_data else "RGB")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """Return how to convert the colours of an image; None if it is sRGB already, or its profile is unusable."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    mode = _profile_mode(image.mode)
    if not profile:
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return transform if mode == "CMYK" or _changes_colors(transform, mode) else None


def _profile_mode(mode: str) -> str:
    """Return the kind of colours that the profile of an image describes."""
    return mode if mode == "CMYK" else "L" if mode in ("1", "L", "LA") or mode.startswith("I") else "RGB"


def _changes_colors(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    from PIL import Image

    levels = np.linspace(0, 255, 6).astype(np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(6, -1, 3)
    sample = Image.fromarray(colors).convert(mode)
    before, after = (np.asarray(each.convert("RGB")).astype(int) for each in (sample, transform.apply(sample)))
    return int(np.abs(before - after).max()) > _MAX_DIFFERENCE
