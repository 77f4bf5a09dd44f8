import hashlib
import os

import pytest

from heygem_cli import files
from heygem_cli.files import file_digest


def test_digest_is_computed_once_until_the_file_changes(tmp_path, monkeypatch):
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


def test_digest_of_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "no")
