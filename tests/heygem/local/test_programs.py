"""The guard and the worker, which run as programs of their own."""

import ast
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import pytest

from batch_program import children
from heygem_cli.heygem.local.worker_process import SCRIPTS

PR_SET_CHILD_SUBREAPER = 36
FAMILY = "sh -c 'sleep 1000 & setsid sleep 1000 & setsid sh -c \"sleep 1000 & sleep 1000\" & echo there; sleep 1000'"


class Guarded:
    """A shell command under the guard."""

    def __init__(self, script):
        read, self.lifeline = os.pipe()
        passed, self.ours = os.pipe()
        guard = [sys.executable, "-I", "-S", str(SCRIPTS / "supervisor.py"), str(read), str(passed)]
        self.process = subprocess.Popen(
            [*guard, "/bin/sh", "-c", script], pass_fds=(read, passed), stdout=subprocess.PIPE, text=True
        )
        os.close(read)
        os.close(passed)

    def let_go(self):
        os.close(self.lifeline)
        self.lifeline = -1

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for descriptor in (self.lifeline, self.ours):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def guarded():
    """Watchdog commands; what a guard leaves behind, zombies too, is handed down to this process and found."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = set(children(os.getpid()))
    made = []

    def start(script):
        made.append(Guarded(script))
        return made[-1]

    yield start
    for each in made:
        each.close()
    end = time.monotonic() + 10
    # What has died, and has become a child of this process, is only waiting to be noticed.
    while (left := set(children(os.getpid())) - before) and time.monotonic() < end:
        for pid in left:
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert left == set()


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -SEGV $$", 128 + 11)])
def test_the_guard_ends_as_the_command_does(guarded, script, status):
    assert guarded(script).process.wait(10) == status


def test_when_the_command_ends_all_its_offspring_does(guarded):
    guard = guarded(f"{FAMILY} & sleep 0.3; exit 5")
    assert guard.process.wait(10) == 5


def test_when_heygem_ends_all_ends(guarded):
    guard = guarded(FAMILY)
    assert guard.process.stdout.readline() == "there\n"
    time.sleep(0.2)
    guard.let_go()
    assert guard.process.wait(10) == 128 + 9


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_meant_for_heygem_does_not_end_the_guard(guarded, signum):
    guard = guarded("echo there; sleep 0.5; exit 7")
    assert guard.process.stdout.readline() == "there\n"
    guard.process.send_signal(signum)
    assert guard.process.wait(10) == 7


def test_the_command_inherits_the_pipe_that_is_meant_for_it_and_no_other_descriptor(guarded):
    guard = guarded("ls /proc/self/fd | wc -l")
    assert int(guard.process.stdout.readline()) == 3 + 1 + 1  # and the folder that is listed


def test_the_worker_is_plain_python_3_8_with_nothing_but_the_standard_library():
    tree = ast.parse((SCRIPTS / "worker.py").read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_the_scripts_are_part_of_the_package():
    assert {"supervisor.py", "worker.py"} <= {path.name for path in SCRIPTS.iterdir()}
