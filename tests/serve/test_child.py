"""Calls in a child process, which may crash or hang."""

import os
import signal
import time

import pytest

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.media.probe_video import probe_video
from heygem_cli.serve.child import ChildCall, call


def test_value_and_error_come_back(clip, tmp_path):
    assert call("heygem_cli.media.probe_video:probe_video", clip, seconds=60) == probe_video(clip)
    with pytest.raises(InputError) as caught:
        call("heygem_cli.media.probe_video:probe_video", tmp_path / "none", seconds=60)
    assert "none" in caught.value.message


@pytest.mark.parametrize(
    ("function", "argument", "code"), [("os:_exit", 3, "check-crashed"), ("time:sleep", 60, "check-timeout")]
)
def test_crash_and_hang_are_errors(function, argument, code):
    seconds = 60 if code == "check-crashed" else 0.5
    began = time.monotonic()
    with pytest.raises(HeygemError) as caught:
        call(function, argument, seconds=seconds)
    assert caught.value.code == code
    assert time.monotonic() - began < 20


def test_child_that_is_stopped_can_be_closed():
    running = ChildCall("time:sleep", 60)
    os.kill(running._process.pid, signal.SIGSTOP)
    running.close()
    assert running._process.returncode == -signal.SIGKILL
