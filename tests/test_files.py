import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from heygem_cli import files
from heygem_cli.errors import StoppedError
from heygem_cli.files import file_digest, part_file, work_folder
from unprivileged import public_folder, unprivileged


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


def create_part(folder: Path):
    return part_file(folder / "a.mp4")


STEPS = [
    (create_part, os, "open"),
    (create_part, fcntl, "flock"),
    (create_part, os, "fstat"),
    (create_part, Path, "rename"),
]
STEPS += [
    (work_folder, os, "open"),
    (work_folder, Path, "mkdir"),
    (work_folder, Path, "chmod"),
    (work_folder, Path, "rename"),
]


@pytest.mark.parametrize(
    ("create", "owner", "step"), STEPS, ids=[f"{create.__name__}-{step}" for create, _, step in STEPS]
)
def test_signal_while_a_temporary_file_is_created_leaves_nothing(create, owner, step, tmp_path, monkeypatch):
    mine = tmp_path / ".a.0123abcd.heygem-part"
    mine.touch()
    original = getattr(owner, step)

    def interrupted(*args, **kwargs):
        original(*args, **kwargs)
        raise StoppedError(15)

    monkeypatch.setattr(owner, step, interrupted)
    with pytest.raises(StoppedError), create(tmp_path):
        pass
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [mine]


def test_folder_that_becomes_read_only_hides_no_error():
    with public_folder() as folder:
        folder.chmod(0o777)
        with unprivileged():
            inner = folder / "inner"
            inner.mkdir()
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            with pytest.raises(KeyError), part_file(inner / "out.mp4") as part:
                inner.chmod(0o555)
                raise KeyError
            assert part.path.exists()
            assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
            inner.chmod(0o777)
