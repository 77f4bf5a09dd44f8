"""Reading files that may be anything."""

import os

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import MAX_BYTES, decode_for_display, decode_lossless, read_small
from unprivileged import public_folder, unprivileged


def code_of(path) -> str:
    with pytest.raises(InputError) as caught:
        read_small(path)
    assert str(path) in str(caught.value)
    return caught.value.code


def test_missing_or_not_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    names = ["missing", "folder", "pipe", "loop", "file/below"]
    codes = ["missing", "is-directory", "not-a-file", "unreadable", "unreadable"]
    assert [code_of(tmp_path / name) for name in names] == codes


def test_huge_file_is_not_read(tmp_path):
    path = tmp_path / "opt.txt"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    assert code_of(path) == "too-large"


def test_largest_file_is_read(tmp_path):
    path = tmp_path / "opt.txt"
    path.write_bytes(b"x" * MAX_BYTES)
    assert len(read_small(path)) == MAX_BYTES


def test_no_permission():
    with public_folder() as folder:
        path = folder / "opt.txt"
        path.touch(0o000)
        with unprivileged():
            assert code_of(path) == "no-permission"


@pytest.mark.parametrize("data", [b"\x7fELF\0\1\2", b"num\0threads", bytes(range(256)) * 2, b"\xff\xfe\0\xd8x"])
def test_binary_files(data, tmp_path):
    with pytest.raises(InputError, match="a binary file"):
        decode_lossless(data, tmp_path)


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "utf-16"])
def test_decode_for_display(codec):
    assert decode_for_display("数字人: 0\n".encode(codec)) == "数字人: 0\n"


def test_decode_for_display_with_unknown_encoding():
    assert decode_for_display(b"a\xff\n") == "aÿ\n"
