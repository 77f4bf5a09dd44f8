"""Whatever stands in a file's place."""

import os

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.files import MAX_BYTES, decode_transparent, read_small, readable
from unprivileged import public_folder, unprivileged


def code_of(path) -> str:
    with pytest.raises(InputError) as caught:
        read_small(path)
    assert str(path) in str(caught.value)
    return caught.value.code


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    names = ["missing", "folder", "pipe", "loop", "file/below"]
    codes = ["missing", "is-directory", "not-a-file", "unreadable", "unreadable"]
    assert [code_of(tmp_path / name) for name in names] == codes


def test_a_file_of_two_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "opt.txt"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    assert code_of(path) == "too-large"


def test_the_largest_file(tmp_path):
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
    with pytest.raises(InputError, match="is a binary file"):
        decode_transparent(data, tmp_path)


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "utf-16"])
def test_text_for_a_person(codec):
    assert readable("数字人: 0\n".encode(codec)) == "数字人: 0\n"


def test_text_in_no_encoding_that_we_know():
    assert readable(b"a\xff\n") == "aÿ\n"
