"""Is a model file whole? An aborted download leaves an empty or cut file that later counts as present."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import BinaryIO

LEAST_TORCH = 100
"""Bytes. Less holds no model."""

_LENGTH_DELIMITED = 2
_GRAPH = 7
_FIXED = {1: 8, 5: 4}


def damage(path: Path) -> str:
    """What is wrong with a model file, in a few words; empty if it looks whole."""
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        if start.startswith(b"version https://git-lfs"):
            return "is a Git LFS pointer, not the file itself"
        if start.lstrip()[:1] == b"<":
            return "is a web page, not a model"
        if size == 0:
            return "is empty"
        whole = _is_whole_onnx(file, size) if path.suffix == ".onnx" else _is_whole_torch(file, size, start)
        return "" if whole else "is cut off"


def _is_whole_torch(file: BinaryIO, size: int, start: bytes) -> bool:
    """Whether a ZIP archive has the directory at its end; torch's format before 1.6, a pickle, cannot be judged."""
    return zipfile.is_zipfile(file) if start.startswith(b"PK") else size >= LEAST_TORCH


def _is_whole_onnx(file: BinaryIO, size: int) -> bool:
    """Whether the protobuf message has a graph and ends where the file ends; only the headings of fields are read."""
    file.seek(0)
    fields = set()
    while file.tell() < size:
        heading = _varint(file)
        kind = -1 if heading is None else heading & 7
        fields.add(None if heading is None else heading >> 3)
        if kind == _LENGTH_DELIMITED:
            length = _varint(file)
        elif kind == 0:
            length = 0 if _varint(file) is not None else None
        else:
            length = _FIXED.get(kind)
        if length is None or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return _GRAPH in fields


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    return None
