"""Tests of the lock: which runs may be in progress at the same time, and where."""

from pathlib import Path

import pytest

from heygem_cli.batch.lock import hold_lock
from heygem_cli.batch.session import STDIN, BatchRequest, check_batch
from heygem_cli.batch.shard import Shard
from heygem_cli.errors import InputError, LockedError
from heygem_cli.options import BatchOptions


def request_of(folder: Path, shard: Shard | None) -> BatchRequest:
    return BatchRequest(folder / "m.csv", options=BatchOptions(shard=shard and str(shard)))


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        (None, None, False),
        (Shard(1, 2), Shard(1, 2), False),
        (Shard(1, 2), Shard(2, 2), True),
        (Shard(1, 2), None, False),
        (None, Shard(1, 2), False),
        (Shard(1, 2), Shard(3, 3), False),
    ],
)
def test_runs_that_may_contain_the_same_rows_exclude_each_other(tmp_path, first, second, allowed):
    one, two = request_of(tmp_path, first), request_of(tmp_path, second)
    (tmp_path / "other.csv.journal.lock").touch()
    with hold_lock(one.journal, one.conflicting_locks):
        if allowed:
            with hold_lock(two.journal, two.conflicting_locks):
                pass
        else:
            with pytest.raises(LockedError, match="is in progress"), hold_lock(two.journal, two.conflicting_locks):
                pass
    with hold_lock(two.journal, two.conflicting_locks):  # the lock file of a finished run is no obstacle
        pass


def test_lock_that_cannot_be_created_is_an_error(tmp_path):
    with pytest.raises(InputError, match="beside the manifest"), hold_lock(tmp_path / ("x" * 300)):
        pass


def test_manifest_with_a_name_too_long_for_the_journal_is_an_error(tmp_path):
    manifest = tmp_path / ("m" * 245)
    manifest.write_text("audio,face\na.wav,f.mp4\n")
    with pytest.raises(InputError, match="give the manifest a shorter name"):
        check_batch(BatchRequest(manifest))


def test_deleted_current_folder_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match="the current folder has been deleted"):
        check_batch(BatchRequest(STDIN))
