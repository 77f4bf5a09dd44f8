"""The supervisor and the worker script."""

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
PROCESS_TREE = (
    "sh -c 'sleep 1000 & setsid sleep 1000 & setsid sh -c \"sleep 1000 & sleep 1000\" & echo ready; sleep 1000'"
)


class Supervised:
    """A shell command under the supervisor."""

    def __init__(self, script):
        read, self.lifeline = os.pipe()
        inherited, self.other_end = os.pipe()
        supervisor = [sys.executable, "-I", "-S", str(SCRIPTS / "supervisor.py"), str(read), str(inherited)]
        self.process = subprocess.Popen(
            [*supervisor, "/bin/sh", "-c", script], pass_fds=(read, inherited), stdout=subprocess.PIPE, text=True
        )
        os.close(read)
        os.close(inherited)

    def cut_lifeline(self):
        os.close(self.lifeline)
        self.lifeline = -1

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        for descriptor in (self.lifeline, self.other_end):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def supervise():
    """Supervise commands, and check that no process is left, not even a zombie: this process inherits orphans."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    before = set(children(os.getpid()))
    started = []

    def start(script):
        started.append(Supervised(script))
        return started[-1]

    yield start
    for each in started:
        each.close()
    end = time.monotonic() + 10
    # Killed orphans become zombies of this process.
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
def test_exit_status_is_the_commands(supervise, script, status):
    assert supervise(script).process.wait(10) == status


def test_exit_of_the_command_kills_its_descendants(supervise):
    supervised = supervise(f"{PROCESS_TREE} & sleep 0.3; exit 5")
    assert supervised.process.wait(10) == 5


def test_end_of_heygem_kills_everything(supervise):
    supervised = supervise(PROCESS_TREE)
    assert supervised.process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    supervised.cut_lifeline()
    assert supervised.process.wait(10) == 128 + 9


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_supervisor_ignores_stop_signals(supervise, signum):
    supervised = supervise("echo ready; sleep 0.5; exit 7")
    assert supervised.process.stdout.readline() == "ready\n"
    supervised.process.send_signal(signum)
    assert supervised.process.wait(10) == 7


def test_command_inherits_only_the_named_descriptor(supervise):
    supervised = supervise("ls /proc/self/fd | wc -l")
    assert int(supervised.process.stdout.readline()) == 3 + 1 + 1  # the last one is the open folder


def test_worker_is_python_3_8_and_imports_only_the_standard_library():
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


def test_package_contains_the_scripts():
    assert {"supervisor.py", "worker.py"} <= {path.name for path in SCRIPTS.iterdir()}
