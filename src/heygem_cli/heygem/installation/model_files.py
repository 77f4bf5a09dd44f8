"""Detect incomplete model files: an aborted download leaves an empty or truncated file, which HeyGem accepts."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import BinaryIO

from heygem_cli.heygem.installation.files import check_regular

MIN_TORCH_BYTES = 100

# Protobuf: the wire type of length-delimited fields, the field number of ModelProto.graph, and the lengths of fixed
# fields by wire type.
_LENGTH_DELIMITED = 2
_GRAPH = 7
_FIXED = {1: 8, 5: 4}
_MAX_FIELDS = 100_000


def damage(path: Path) -> str:
    """Describe what is wrong with a model file in a few words; return an empty string if it looks complete.

    Raises:
        InputError: It is not a regular file.
        OSError: It cannot be read.
    """
    try:
        size = check_regular(path).st_size
    except FileNotFoundError:
        return "missing"
    with path.open("rb") as file:
        start = file.read(64)
        if start.startswith(b"version https://git-lfs"):
            return "is a Git LFS pointer, not the file itself"
        if start.lstrip()[:1] == b"<":
            return "is a web page, not a model"
        if size == 0:
            return "is empty"
        complete = _is_complete_onnx(file, size) if path.suffix == ".onnx" else _is_complete_torch(file, size, start)
        return "" if complete else "is truncated"


def _is_complete_torch(file: BinaryIO, size: int, start: bytes) -> bool:
    """Look for the directory at the end of a ZIP archive. Pickles, the format before torch 1.6, are always accepted."""
    return zipfile.is_zipfile(file) if start.startswith(b"PK") else size >= MIN_TORCH_BYTES


def _is_complete_onnx(file: BinaryIO, size: int) -> bool:
    """Check whether the protobuf message has a graph and ends where the file ends; only field headers are read."""
    file.seek(0)
    fields, count = set(), 0
    while file.tell() < size:
        header = _read_varint(file)
        count += 1
        if (header is not None and header < 8) or count > _MAX_FIELDS:  # zeros, as in a file that was only allocated
            return False
        wire_type = -1 if header is None else header & 7
        fields.add(None if header is None else header >> 3)
        if wire_type == _LENGTH_DELIMITED:
            length = _read_varint(file)
        elif wire_type == 0:
            length = 0 if _read_varint(file) is not None else None
        else:
            length = _FIXED.get(wire_type)
        if length is None or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return _GRAPH in fields


def _read_varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    return None
