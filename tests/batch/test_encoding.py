"""Tests of the encodings of manifests, as Excel, LibreOffice, WPS, Numbers and Notepad write them."""

import codecs
import io
import json
import zipfile

import pytest

from heygem_cli.batch.encoding import SAVE_AS_UTF_8, EncodingError, decode_text
from heygem_cli.batch.manifest import format_problems, parse_manifest

COLUMNS = ("audio", "face", "id")
NAMES = ("张伟.wav", "Jürgen Čapek.mp4", "Привет – “hello” 😀")
TABLE = "audio\tface\tid\r\n" + "\t".join(NAMES) + "\r\n"


def only_problem(data: bytes) -> str:
    rows, problems = parse_manifest(data)
    assert rows == []
    (line,) = format_problems(problems)
    return line


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),  # "Unicode Text" of Excel and WPS
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ],
)
@pytest.mark.parametrize("text", [TABLE, json.dumps(dict(zip(COLUMNS, NAMES, strict=True)), ensure_ascii=False)])
def test_unicode_is_read(encoding, mark, text):
    rows, problems = parse_manifest(mark + text.encode(encoding))
    assert problems == []
    assert [row.values for row in rows] == [dict(zip(COLUMNS, NAMES, strict=True))]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("gbk", "张伟.wav"),
        ("gb18030", "你好"),
        ("big5", "陳大文.wav"),
        ("shift_jis", "テスト.wav"),
        ("euc_kr", "김민수.wav"),
        ("cp1252", "Jürgen.wav"),
        ("cp1251", "Привет.wav"),
        ("mac_roman", "café.wav"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_another_encoding_is_refused_and_the_programs_that_can_do_better_are_named(encoding, name, end):
    data = f"audio,face{end}a.wav,f.mp4{end}{name},f.mp4{end}".encode(encoding)
    message = only_problem(data)
    assert message.startswith("line 3 is not UTF-8 text (byte 0x")
    assert message.endswith(SAVE_AS_UTF_8)
    assert all(name in message for name in ("CSV UTF-8", "Excel", "WPS", "LibreOffice", "Numbers", "Notepad"))


@pytest.mark.parametrize("name", ["图片", "校园", "农业"])
def test_gbk_that_happens_to_be_utf_8_is_refused(name):
    data = f"audio,face,id\na.wav,f.mp4,{name}\n".encode("gbk")
    data.decode()  # it is
    assert only_problem(data).startswith("line 2 does not seem to be UTF-8 text: it would be '")


@pytest.mark.parametrize(
    "text", ["żółć šťáva", "Ελληνικά", "Привет в'язь вʼязь", "שלום", "مرحبا", "cafe\u0301", "½ ±µ", "Ǎǎ", "Đặng"]
)
def test_words_of_one_alphabet_are_not_suspected(text):
    assert decode_text(text.encode()) == text


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            content = "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else "<x/>" * 100
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"), "an Excel workbook"),
        (zipped("mimetype", "content.xml"), "a LibreOffice document"),
        (zipped("Index/Document.iwa", "Index/Tables/Tile.iwa"), "a Numbers document"),
        (zipped("a.txt"), "a ZIP file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook"),
        (b'<?xml version="1.0"?><Workbook/>', "a page of HTML or XML"),
        (codecs.BOM_UTF8 + b"\r\n<html><table>", "a page of HTML or XML"),
    ],
)
def test_document_is_named_for_what_it_is(data, kind):
    assert only_problem(data) == f"this is {kind}, not a text file. {SAVE_AS_UTF_8}"


@pytest.mark.parametrize("data", [bytes(100), "audio".encode("utf-32"), b"\x89HDF\r\n\x1a\n\0\0", b"audio,face\n\0,b"])
def test_what_is_no_text_is_refused(data):
    assert only_problem(data).endswith(SAVE_AS_UTF_8)


def test_utf_16_that_is_cut_off_names_its_line():
    with pytest.raises(EncodingError, match=r"line 2 is not UTF-16 text"):
        decode_text("audio\nb".encode("utf-16")[:-1])
