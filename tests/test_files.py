import hashlib
import os

import pytest

from heygem_cli import files
from heygem_cli.files import file_digest


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        files, "sha256", lambda path: read.append(path) or hashlib.sha256(path.read_bytes()).hexdigest()
    )
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert file_digest(path) == file_digest(path) == hashlib.sha256(b"one").hexdigest()
    assert read == [path]
    stamp = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as rsync and tar do: same size, same time
    assert file_digest(path) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "no")
