"""Writing edits without losing anything."""

import os
import stat
from datetime import datetime, timezone

import pytest

from heygem_cli.errors import HeygemError
from heygem_cli.heygem.repair.plan import Edit
from heygem_cli.heygem.repair.write import apply
from unprivileged import NOBODY, public_folder, unprivileged

NOW = datetime(2025, 3, 18, 12, 52, 7, tzinfo=timezone.utc)


def edit(path, before=b"old", after=b"new", folder=None) -> Edit:
    return Edit(path, before, after, "", "", folder=folder)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "opt.txt"
    path.write_bytes(b"old")
    return path


def test_file_is_replaced_and_backed_up(path):
    path.chmod(0o640)
    os.utime(path, (0, 0))
    inode = path.stat().st_ino
    backup = apply(edit(path), NOW)
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino != inode
    assert path.stat().st_mtime > 0
    assert backup == path.with_name("opt.txt.20250318-125207.bak")
    assert backup.read_bytes() == b"old"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, backup)] == [0o640, 0o640]
    assert sorted(path.parent.iterdir()) == [path, backup]


def test_backup_never_overwrites_another(path):
    first = apply(edit(path), NOW)
    second = apply(edit(path, b"new", b"newer"), NOW)
    assert (first.read_bytes(), second.read_bytes(), path.read_bytes()) == (b"old", b"new", b"newer")


def test_new_file(tmp_path):
    path = tmp_path / "heygem.env"
    assert apply(edit(path, None), NOW) is None
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [*tmp_path.iterdir()] == [path]


def test_required_folder_is_created(path):
    apply(edit(path, folder=path.parent / "temp"), NOW)
    assert (path.parent / "temp").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")
def test_owner_and_group_are_kept(path):
    os.chown(path.parent, NOBODY, NOBODY)
    os.chown(path, NOBODY, 12345)
    backup = apply(edit(path, folder=path.parent / "temp"), NOW)
    assert [(each.stat().st_uid, each.stat().st_gid) for each in (path, backup)] == [(NOBODY, 12345)] * 2
    assert (path.parent / "temp").stat().st_uid == NOBODY


def test_extended_attributes_are_kept(path):
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    apply(edit(path), NOW)
    assert os.getxattr(path, "user.note") == b"kept"


@pytest.mark.parametrize(("before", "now"), [(b"old", b"other"), (b"old", None), (None, b"old")])
def test_file_changed_in_the_meantime_is_not_overwritten(path, before, now):
    path.unlink()
    if now is not None:
        path.write_bytes(now)
    with pytest.raises(HeygemError, match="changed by another process"):
        apply(edit(path, before), NOW)
    assert [each.read_bytes() for each in path.parent.iterdir()] == ([] if now is None else [now])


def test_nothing_changes_without_permission():
    with public_folder() as folder:
        path = folder / "opt.txt"
        path.write_bytes(b"old")
        folder.chmod(0o555)
        with unprivileged(), pytest.raises(HeygemError, match="cannot be written"):
            apply(edit(path), NOW)
        assert path.read_bytes() == b"old"
        assert [*folder.iterdir()] == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_file_of_another_user_keeps_its_owner():
    with public_folder() as folder:
        path = folder / "opt.txt"
        path.write_bytes(b"old")
        folder.chmod(0o777)
        with unprivileged(), pytest.raises(HeygemError, match="cannot be written"):
            apply(edit(path), NOW)
        assert path.read_bytes() == b"old"
        assert path.stat().st_uid == 0
        assert [*folder.iterdir()] == [path]


def test_nothing_changes_on_a_full_disk(path):
    # A limit on the file size interrupts a write as a full disk does.
    import resource
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(HeygemError, match="cannot be written"):
            apply(edit(path, after=b"x" * 10_000), NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert not list(path.parent.glob(".*"))
