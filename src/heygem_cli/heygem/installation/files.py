"""Read the small files of an installation, and decode them so that they can be edited without loss."""

from __future__ import annotations

import codecs
import errno
import glob
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from heygem_cli.errors import InputError

MAX_BYTES = 1 << 20
"""The size limit of a configuration file."""

MAX_LINE = 10_000
"""The size limit of a line of a configuration file in bytes: what parses them can take a minute for a longer one."""

_MOVE = "Move it out of the way"
UTF16_MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_small(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: The file is missing, unreadable, not a regular file, or larger than 1 MiB.
    """
    try:
        status = check_regular(path)
        if status.st_size > MAX_BYTES:
            message = f"too large for a configuration file ({status.st_size / (1 << 20):,.0f} MiB)"
            raise InputError("too-large", message, path=path, hint=_MOVE)
        return path.read_bytes()
    except OSError as error:
        raise read_error(path, error) from error


def read_if_exists(path: Path) -> bytes | None:
    """Read a file as :func:`read_small` does; return None if it does not exist."""
    try:
        return read_small(path)
    except InputError as error:
        if error.code == "missing":
            return None
        raise


def read_or_empty(path: Path) -> bytes:
    """Read a file that only gives hints; return nothing if that is not possible."""
    try:
        return read_small(path)
    except InputError:
        return b""


def check_regular(path: Path) -> os.stat_result:
    """Return the status of a regular file. Check before opening: opening a named pipe would wait for a writer.

    Raises:
        InputError: It is not a regular file.
        OSError: It does not exist or cannot be accessed.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise InputError("is-directory", "a folder, not a file", path=path, hint=_MOVE)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not-a-file", "not a regular file", path=path, hint=_MOVE)
    return status


def check_lines(data: bytes, path: Path) -> None:
    """Check that no line is too long for a configuration file.

    Raises:
        InputError: One is.
    """
    longest = max(map(len, re.split(rb"[\r\n]", data)))
    if longest > MAX_LINE:
        message = f"a line of {longest:,} bytes is too long for a configuration file"
        raise InputError("too-large", message, path=path, hint=_MOVE)


def check_folder(path: Path) -> None:
    """Check that a path leads to a folder.

    Raises:
        InputError: It does not.
        OSError: It does not exist or cannot be accessed.
    """
    if not stat.S_ISDIR(path.stat().st_mode):
        raise InputError("not-a-folder", "not a folder", path=path, hint=_MOVE)


def path_problem(path: Path, check: Callable[[Path], object]) -> InputError | None:
    """Return why a path does not pass a check; it may lead to nothing, unless it is a link to a folder."""
    try:
        check(path)
    except InputError as error:
        return error
    except FileNotFoundError:
        is_link = check is check_folder and path.is_symlink()
        return InputError("unreadable", "a link to nothing", path=path, hint=_MOVE) if is_link else None
    except OSError as error:
        return read_error(path, error)
    return None


def read_error(path: Path, error: OSError) -> InputError:
    """Convert an error of the operating system that occurred while a file was read."""
    if isinstance(error, FileNotFoundError):
        return InputError("missing", "there is no such file", path=path)
    if isinstance(error, PermissionError):
        return InputError("no-permission", "no permission to read it", path=path, hint="Run as its owner")
    reason = "a link that leads back to itself" if error.errno == errno.ELOOP else error.strerror or str(error)
    return InputError("unreadable", reason, path=path, hint=_MOVE)


def exists(path: Path) -> bool:
    """Return whether a path leads to something; where pathlib raises an error, as for a long name, it does not."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file; see :func:`exists`."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; see :func:`exists`."""
    return os.path.isdir(path)  # noqa: PTH112


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return the paths in a folder that match a pattern, sorted; none in a folder that cannot be read."""
    return [folder / name for name in sorted(glob.glob(pattern, root_dir=folder))]  # noqa: PTH207


def real_path(path: Path) -> Path:
    """Resolve symbolic links; a part that leads back to itself stays as it is, where pathlib raises an error."""
    return Path(os.path.realpath(path))


def decode_utf8(data: bytes, path: Path, reader: str) -> str:
    """Return the text of a file.

    Args:
        data: Its bytes.
        path: The file, for the error.
        reader: The program that reads it.

    Raises:
        InputError: ``not-utf-8``.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if b"\0" in data else "GB18030"
        hint = f"Save it as UTF-8, e.g.: iconv -f {encoding} -t UTF-8 {path.name} > {path.name}.new"
        raise InputError("not-utf-8", f"not UTF-8, so {reader} cannot read it", path=path, hint=hint) from error


def decode_lossless(data: bytes, path: Path) -> tuple[str, str]:
    """Return the text of a file and its codec, so that ASCII parts can be edited without changing any other byte.

    UTF-8, GBK and other supersets of ASCII are decoded as Latin-1, one character per byte; UTF-16 is decoded as such.

    Raises:
        InputError: The file is binary, or has a line that is too long.
    """
    check_lines(data, path)
    if b"\0" not in data:
        return data.decode("latin-1"), "latin-1"
    codec = next((codec for bom, codec in UTF16_MARKS if data.startswith(bom)), _utf16_without_bom(data))
    try:
        if codec and "\0" not in (text := data.decode(codec)):
            return text, codec
    except UnicodeDecodeError:
        pass
    raise InputError("binary", "a binary file, not text", path=path, hint=_MOVE)


def split_lines(text: str) -> list[str]:
    """Split at LF, CR and CRLF only: other separators of ``str.splitlines`` may be part of a multi-byte character."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def _utf16_without_bom(data: bytes) -> str:
    """Guess the byte order from the positions of zero bytes; return an empty string if it cannot be UTF-16."""
    if len(data) % 2:
        return ""
    return "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"


def decode_for_display(data: bytes) -> str:
    """Decode text for display; a wrong guess of the encoding does no harm."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
