"""Tests of the watchdog; each one runs in its own process, since signals and exits are real."""

import math
import select
import signal
import subprocess
import sys
import time

import pytest

from heygem_cli.batch import watchdog
from heygem_cli.batch.attempts import MAX_TIMEOUT, time_limit

COMMON = """
import os, signal, sys, threading, time
from heygem_cli.batch import watchdog
from heygem_cli.errors import StoppedError
watchdog.STOP_SECONDS = 0.3

def on_signal(): print("signal", flush=True)
def on_timeout(): print("timeout", flush=True); os._exit(7)
def on_unresponsive(signum): print("unresponsive", signum, flush=True); os._exit(8)
CALLBACKS = on_signal, on_timeout, on_unresponsive
def send(signum, seconds=0.1): threading.Timer(seconds, os.kill, (os.getpid(), signum)).start()
"""


def run(body, **options):
    return subprocess.run(
        [sys.executable, "-c", COMMON + body], capture_output=True, text=True, timeout=20, check=False, **options
    )


def main_thread_output(done):
    """Return the output without that of the thread, which may come too late."""
    return done.stdout.replace("signal\n", "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_a_job_raises(signum):
    done = run(
        f"""
with watchdog.Watchdog(*CALLBACKS) as watch:
    send({int(signum)})
    try:
        with watch.job(9):
            time.sleep(5)
    except StoppedError as error:
        print("stopped", error.signum, watch.stopped == error.signum)
"""
    )
    assert (main_thread_output(done), done.stderr, done.returncode) == (f"stopped {int(signum)} True\n", "", 0)


def test_signal_between_jobs_raises_in_the_next_one():
    done = run(
        """
with watchdog.Watchdog(*CALLBACKS) as watch:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    print("journal written")
    try:
        with watch.job(9):
            print("never")
    except StoppedError:
        print("stopped")
"""
    )
    assert (done.stdout, done.returncode) == ("journal written\nstopped\n", 0)


def test_second_signal_ends_the_process_at_once():
    done = run(
        """
watchdog.STOP_SECONDS = 5
with watchdog.Watchdog(*CALLBACKS) as watch:
    send(signal.SIGTERM); send(signal.SIGTERM, 0.6)
    try:
        with watch.job(9):
            time.sleep(5)
    except StoppedError:
        time.sleep(5)
"""
    )
    assert (main_thread_output(done), done.stderr, done.returncode) == ("", "error: stopped by SIGTERM\n", 143)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_repetition_of_a_signal_is_ignored(signum):
    done = run(
        f"""
watchdog.STOP_SECONDS = 5
with watchdog.Watchdog(*CALLBACKS) as watch:
    send({int(signum)}); send({int(signum)}, 0.11); send({int(signum)}, 0.2)
    try:
        with watch.job(9):
            time.sleep(5)
    except StoppedError as error:
        time.sleep(0.3)
print("cleaned up")
"""
    )
    assert (main_thread_output(done), done.stderr, done.returncode) == ("cleaned up\n", "", 0)


def test_second_hangup_is_ignored():
    done = run(
        """
watchdog.STOP_SECONDS = 5
with watchdog.Watchdog(*CALLBACKS) as watch:
    send(signal.SIGHUP); send(signal.SIGHUP, 0.6)
    try:
        with watch.job(9):
            time.sleep(5)
    except StoppedError as error:
        time.sleep(0.6)
        print("stopped", error.exit_code)
"""
    )
    assert (main_thread_output(done), done.returncode) == ("stopped 129\n", 0)


# While a function of libc is called through ctypes, Python cannot run its signal handlers.
NATIVE = """
import ctypes
def native():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])  # another thread receives them
    ctypes.CDLL(None).sleep(6)
"""


def test_native_code_that_blocks_signals_is_unresponsive():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(*CALLBACKS) as watch:
    send(signal.SIGTERM)
    with watch.job(9):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("signal\nunresponsive 15\n", 8)


def test_job_does_not_time_out_after_a_signal():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(*CALLBACKS) as watch:
    send(signal.SIGTERM)
    with watch.job(0.2):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("signal\nunresponsive 15\n", 8)


def test_second_signal_ends_native_code_too():
    done = run(
        NATIVE
        + """
watchdog.STOP_SECONDS = 5
with watchdog.Watchdog(*CALLBACKS) as watch:
    send(signal.SIGINT); send(signal.SIGINT, 0.6)
    with watch.job(9):
        native()
"""
    )
    assert (done.stdout, done.stderr, done.returncode) == ("signal\n", "error: stopped by Ctrl-C\n", 130)


def test_job_that_exceeds_its_time_in_native_code_times_out():
    done = run(
        NATIVE
        + """
with watchdog.Watchdog(*CALLBACKS) as watch:
    for seconds in (5, 0.2):
        with watch.job(0.2 if seconds == 5 else 5): pass
    with watch.job(0.2):
        native()
"""
    )
    assert (done.stdout, done.returncode) == ("timeout\n", 7)


def test_nothing_happens_to_jobs_in_time_and_between_jobs():
    done = run(
        """
with watchdog.Watchdog(*CALLBACKS) as watch:
    for _ in range(3):
        with watch.job(0.2):
            pass
        time.sleep(0.3)
print("fine", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
    )
    assert (done.stdout, done.returncode) == ("fine True\n", 0)


def test_signal_ignored_by_the_parent_stays_ignored():
    done = run(
        """
from heygem_cli.cli.signals import raise_on_signal
with raise_on_signal(), watchdog.Watchdog(*CALLBACKS) as watch:
    with watch.job(9):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    print("continued", watch.stopped)
""",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert (done.stdout, done.stderr, done.returncode) == ("continued None\n", "", 0)


def test_infinite_timeout_becomes_one_that_the_system_can_wait_for(tmp_path):
    assert time_limit(math.inf, "mesh", 1) == MAX_TIMEOUT
    done = run(
        f"""
with watchdog.Watchdog(*CALLBACKS) as watch, watch.job({MAX_TIMEOUT + 20}):
    time.sleep(0.1)
"""
    )
    assert (done.stderr, done.returncode) == ("", 0)
    with (tmp_path / "file").open("w") as file:
        ready = select.poll()
        ready.register(file)
        assert ready.poll((MAX_TIMEOUT + 20) * 1000)


def test_handlers_are_restored():
    before = signal.getsignal(signal.SIGTERM)
    with watchdog.Watchdog(lambda: None, lambda: None, lambda _: None) as watch:
        assert signal.getsignal(signal.SIGTERM) != before
        with watch.job(9):
            time.sleep(0)
    assert signal.getsignal(signal.SIGTERM) == before
