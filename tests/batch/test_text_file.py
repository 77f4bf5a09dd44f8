"""Tests of reading manifests and reports."""

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from heygem_cli.batch import text_file
from heygem_cli.batch.session import STDIN, BatchRequest, check_batch
from heygem_cli.batch.text_file import read_text_file
from heygem_cli.errors import InputError


@pytest.mark.parametrize("kind", ["fifo", "/dev/full", "/dev/zero", "socket", "folder", "/proc/kmsg", "/proc/self/mem"])
def test_manifest_that_is_not_a_file_is_refused_at_once(tmp_path, kind):
    path = Path(kind) if kind.startswith("/") else tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    with pytest.raises(InputError, match="Name a manifest, or - for standard input") as caught:
        check_batch(BatchRequest(path))
    assert (caught.value.code, str(path) in caught.value.message) == ("bad-manifest", True)


def test_file_that_does_not_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "MAX_BYTES", 1 << 20)
    (tmp_path / "m").write_bytes(bytes(1 << 20))
    assert len(read_text_file(tmp_path / "m")) == 1 << 20
    (tmp_path / "m").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(InputError, match="it has more than 1 MB"):
        read_text_file(tmp_path / "m")
    with Path("/dev/zero").open("rb") as zero, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(zero))
        with pytest.raises(InputError, match="stdin: it has more than 1 MB"):
            check_batch(BatchRequest(STDIN))
