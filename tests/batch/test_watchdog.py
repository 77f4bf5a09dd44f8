"""What ends a job from outside. Each case is a process of its own: signals and exits are real."""

import math
import select
import signal
import subprocess
import sys
import time

import pytest

from heygem_cli.batch import watchdog as module
from heygem_cli.batch.runner import LONGEST, Policy

COMMON = """
import os, signal, sys, threading, time
from heygem_cli.batch import watchdog
from heygem_cli.errors import StoppedError
watchdog.STOP_WITHIN = 0.3

def noted(): print("noted", flush=True)
def stuck(): print("stuck", flush=True); os._exit(7)
def stop(signum): print("gave up", signum, flush=True); os._exit(8)
def soon(signum, seconds=0.1): threading.Timer(seconds, os.kill, (os.getpid(), signum)).start()
"""


def run(body, **options):
    return subprocess.run(
        [sys.executable, "-c", COMMON + body], capture_output=True, text=True, timeout=20, check=False, **options
    )


def unnoted(done):
    """What it printed, without what the thread did if it came before the end of the job."""
    return done.stdout.replace("noted\n", "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_job_raises(signum):
    done = run(
        f"""
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon({int(signum)})
    try:
        with g.job(9):
            time.sleep(5)
    except StoppedError as error:
        print("stopped", error.signum, g.stopped == error.signum)
"""
    )
    assert (unnoted(done), done.stderr, done.returncode) == (f"stopped {int(signum)} True\n", "", 0)


def test_a_signal_between_jobs_waits_for_the_next_one():
    done = run(
        """
with watchdog.Watchdog(noted, stuck, stop) as g:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("journal written")
    try:
        with g.job(9):
            print("never")
    except StoppedError:
        print("stopped")
"""
    )
    assert (done.stdout, done.returncode) == ("journal written\nstopped\n", 0)


def test_the_second_signal_ends_the_process_at_once():
    done = run(
        """
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon(signal.SIGTERM); soon(signal.SIGTERM, 0.2)
    try:
        with g.job(9):
            time.sleep(5)
    except StoppedError:
        time.sleep(5)
"""
    )
    assert (unnoted(done), done.returncode) == ("", -signal.SIGTERM)


def test_a_closed_terminal_may_say_so_twice():
    done = run(
        """
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon(signal.SIGHUP); soon(signal.SIGHUP, 0.2)
    try:
        with g.job(9):
            time.sleep(5)
    except StoppedError as error:
        time.sleep(0.2)
        print("stopped", error.exit_code)
"""
    )
    assert (unnoted(done), done.returncode) == ("stopped 129\n", 0)


# A call of libc through ctypes is native code from which Python's handler of a signal does not get the turn.
NATIVE = """
import ctypes
def native():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])  # another thread takes them
    ctypes.CDLL(None).sleep(6)
"""


def test_native_code_that_lets_no_signal_through_is_given_up_on():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon(signal.SIGTERM)
    with g.job(9):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("noted\ngave up 15\n", 8)


def test_a_run_that_was_asked_to_stop_does_not_start_anew():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon(signal.SIGTERM)
    with g.job(0.2):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("noted\ngave up 15\n", 8)


def test_the_second_signal_ends_it_in_native_code_too():
    done = run(
        NATIVE
        + """
watchdog.STOP_WITHIN = 5
with watchdog.Watchdog(noted, stuck, stop) as g:
    soon(signal.SIGINT); soon(signal.SIGINT, 0.3)
    with g.job(9):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("noted\n", 130)


def test_a_job_that_outlives_its_time_in_native_code_is_stuck():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(noted, stuck, stop) as g:
    for seconds in (5, 0.2):
        with g.job(0.2 if seconds == 5 else 5): pass
    with g.job(0.2):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("stuck\n", 7)


def test_a_job_that_ends_in_time_is_left_alone_and_so_is_the_time_between_jobs():
    done = run(
        """
with watchdog.Watchdog(noted, stuck, stop) as g:
    for _ in range(3):
        with g.job(0.2):
            pass
        time.sleep(0.3)
print("fine", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
    )
    assert (done.stdout, done.returncode) == ("fine True\n", 0)


def test_a_signal_that_the_parent_lets_it_ignore_stays_ignored():
    done = run(
        """
from heygem_cli.cli.signals import raise_on_signal
with raise_on_signal(), watchdog.Watchdog(noted, stuck, stop) as g:
    with g.job(9):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    print("went on", g.stopped)
""",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert (done.stdout, done.stderr, done.returncode) == ("went on None\n", "", 0)


def test_a_time_without_end_is_one_that_the_system_can_wait_for(tmp_path):
    assert Policy("r", timeout=math.inf).seconds_for(None) == LONGEST
    done = run(
        f"""
with watchdog.Watchdog(noted, stuck, stop) as g, g.job({LONGEST + 20}):
    time.sleep(0.1)
"""
    )
    assert (done.stderr, done.returncode) == ("", 0)
    with (tmp_path / "file").open("w") as file:
        ready = select.poll()
        ready.register(file)
        assert ready.poll((LONGEST + 20) * 1000)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with module.Watchdog(lambda: None, lambda: None, lambda _: None) as guard:
        assert signal.getsignal(signal.SIGTERM) != before
        with guard.job(9):
            time.sleep(0)
    assert signal.getsignal(signal.SIGTERM) == before
