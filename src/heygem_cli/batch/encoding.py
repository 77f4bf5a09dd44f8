"""The encoding of a list, as spreadsheets and text editors write it."""

from __future__ import annotations

import codecs
import re
import unicodedata

SAVE_AS_UTF_8 = (
    'Save it as CSV UTF-8. Excel, WPS: "Save As > CSV UTF-8", or "Unicode Text" where that is missing; '
    'LibreOffice: "Save As > Text CSV > Edit filter settings > Unicode (UTF-8)"; Numbers: "Export To > CSV"; '
    'Notepad: "Save As > Encoding: UTF-8"'
)
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_ZIPPED = {
    b"xl/": "an Excel workbook",
    b"opendocument": "a LibreOffice document",
    b"Index/": "a Numbers document",
    b"": "a ZIP file",
}
"""What a ZIP file is, by what it contains."""
_CHINESE = re.compile(rb"(?:[\xc2-\xdf][\xa1-\xbf]){2,}")
"""What is UTF-8 and, in GBK, the most common Chinese characters."""

_ALPHABETS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO"})


class EncodingError(ValueError):
    """A file is not text in an encoding that is known for certain; ``line`` is None if it is not text at all."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.message = message
        self.line = line
        super().__init__(message)


def decode_text(data: bytes) -> str:
    """Decode a text file: UTF-8 or UTF-16, with or without a byte order mark.

    Other encodings cannot be told from each other, and a wrong one gives wrong names.

    Raises:
        EncodingError: It is something else.
    """
    if kind := _document_kind(data):
        raise EncodingError(f"this is {kind}, not a text file")
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
    encoding = marked or _unmarked_utf_16(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = _count_lines(data[: error.start].decode(encoding, "ignore"))
        name = "UTF-16" if "16" in encoding else "UTF-8"
        raise EncodingError(f"line {line} is not {name} text (byte {data[error.start]:#04x})", line) from error
    if "\0" in text:
        raise EncodingError("this is not a text file")
    if encoding == "utf-8" and not data.isascii():
        _check_alphabets(data)
    return text


def _document_kind(data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        return next(kind for content, kind in _ZIPPED.items() if content in data)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return "an Excel workbook"
    return "a page of HTML or XML" if data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else ""


def _unmarked_utf_16(data: bytes) -> str | None:
    """Return the encoding if the first character is ASCII in UTF-16, as that of every list is."""
    return {b"\1\0": "utf-16-le", b"\0\1": "utf-16-be"}.get(bytes(map(bool, data[:2])))


def _check_alphabets(data: bytes) -> None:
    """Reject what is UTF-8 by chance: Chinese in GBK then looks like a word of letters from several alphabets.

    Raises:
        EncodingError: There is such a word.
    """
    for match in _CHINESE.finditer(data):
        word = match[0].decode()
        names = {unicodedata.name(c, "UNASSIGNED").split()[0] for c in word}
        if len(names & _ALPHABETS) > 1 or "UNASSIGNED" in names:
            line = _count_lines(data[: match.start()].decode())
            raise EncodingError(f"line {line} does not seem to be UTF-8 text: it would be {word!r}", line)


def _count_lines(before: str) -> int:
    """Return the number of the line that follows a text, where lines end with LF, CRLF or CR."""
    return (before.count("\n") or before.count("\r")) + 1
