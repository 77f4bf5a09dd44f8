"""Recognise files that show a picture elsewhere but cannot be read here, so that the error can say what they are."""

from __future__ import annotations

import re
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.media.source import open_source

_KINDS = {
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"\xc5\xd0\xd3\xc6": "a PostScript document",
    b"gimp xcf": "a document of GIMP",
    b"8BPB": "a large document of Photoshop",
    b"FUJIFILMCCD-RAW": "a raw photograph",
    b"IIRO": "a raw photograph",
    b"IIRS": "a raw photograph",
    b"IIU\0": "a raw photograph",
    b"II*\0\x10\0\0\0CR": "a raw photograph",
}
"""Kinds of files by how they begin."""
_ALPHA_TRACK = re.compile(rb"auxi\0{4}urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
"""How the track of an AVIF begins that ffmpeg shows beside the colours instead of with them."""
_TIFF = {b"II*\0": "little", b"MM\0*": "big"}
_SUBFILE_TYPE, _DNG_VERSION = 0x00FE, 0xC612


def check_supported(path: Path) -> None:
    """Reject a picture of a kind that cannot be read.

    Raises:
        InputError: ``unsupported-picture``; as :func:`heygem_cli.media.source.open_source`.
    """
    with open_source(path) as file:
        head = file.read(1 << 16)
    if head[4:8] == b"ftyp" and _ALPHA_TRACK.search(head):
        message = "this is an animated image whose transparency is a track of its own"
        raise InputError("unsupported-picture", message, hint="Export it as animated WebP", path=path)
    if kind := _kind(head):
        raise InputError("unsupported-picture", f"this is {kind}", hint="Export it as PNG or JPEG", path=path)


def _kind(head: bytes) -> str:
    if b"<svg" in head[:4096] and head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        return "an SVG drawing"
    if head[4:12] == b"ftypcrx ":
        return "a raw photograph"
    if _is_raw_tiff(head):
        return "a raw photograph"
    return next((kind for begin, kind in _KINDS.items() if head.startswith(begin)), "")


def _is_raw_tiff(head: bytes) -> bool:
    """Return whether a TIFF is a raw photograph: its first image is then only a preview, or it is a DNG."""
    order = _TIFF.get(head[:4])
    if order is None:
        return False

    def number(start: int, size: int) -> int:
        return int.from_bytes(head[start : start + size], "little" if order == "little" else "big")

    directory = number(4, 4)
    for start in range(directory + 2, directory + 2 + 12 * min(number(directory, 2), 200), 12):
        tag = number(start, 2)
        if tag == _DNG_VERSION or (tag == _SUBFILE_TYPE and number(start + 8, 4) & 1):
            return True
    return False
