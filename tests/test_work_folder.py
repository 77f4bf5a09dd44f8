"""Tests of the temporary folder of a job."""

import multiprocessing
import os
import signal
import time

import pytest

from heygem_cli.errors import InputError
from heygem_cli.files import PREFIX, work_folder
from unprivileged import unprivileged


def test_folder_is_deleted_even_if_the_job_fails(tmp_path):
    def fail():
        with work_folder(tmp_path) as folder:
            (folder / "a").write_bytes(b"x")
            assert folder.stat().st_mode & 0o777 == 0o755
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_running_jobs_are_kept(tmp_path):
    with work_folder(tmp_path) as one, work_folder(tmp_path) as other:
        assert one != other
        assert one.is_dir()


def _stay(parent):
    with work_folder(parent) as folder:
        (folder / "video.mp4").write_bytes(b"x")
        time.sleep(60)


def test_folder_of_a_killed_run_is_deleted_by_the_next(tmp_path):
    child = multiprocessing.get_context("spawn").Process(target=_stay, args=(tmp_path,))
    child.start()
    while not list(tmp_path.glob(f"{PREFIX}*/video.mp4")):
        time.sleep(0.02)
    with work_folder(tmp_path):
        assert len(list(tmp_path.iterdir())) == 2
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with work_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_folder_of_the_user_with_a_similar_name_is_kept(tmp_path):
    for name in ("heygem-job-notes", "heygem-job-0123456789ab", "heygem-job-1-0123456789ab"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    with work_folder(tmp_path):
        pass
    assert len(list(tmp_path.glob("*/mine"))) == 3


def test_folder_that_cannot_be_created_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such folder"), work_folder(tmp_path / "no"):
        pass
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    with unprivileged(), pytest.raises(InputError, match="no permission"), work_folder(tmp_path.relative_to(tmp_path)):
        pass
