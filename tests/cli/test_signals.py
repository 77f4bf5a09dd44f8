"""Tests of signals while a command is loaded, and of signals that a library hides."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import typer

from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.errors import HeygemError, StoppedError
from heygem_cli.files import delete_parts_of


@pytest.mark.parametrize(
    ("signum", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_signal_while_the_program_is_loaded_ends_it_and_says_so(signum, name, tmp_path):
    (tmp_path / "typer.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    paths = [str(tmp_path), str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "heygem_cli", "--version"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signum)
        assert process.communicate(timeout=30) == ("", f"error: stopped by {name}\n")
    assert process.returncode == 128 + signum


def test_signal_that_a_library_turns_into_another_error_is_reported_as_a_signal():
    with pytest.raises(StoppedError) as found, raise_on_signal():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except StoppedError:
            raise ImportError("numpy failed to import") from None
    assert found.value.exit_code == 143
    with pytest.raises(typer.Exit), raise_on_signal():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except StoppedError:
            raise typer.Exit(143) from None
    with pytest.raises(ImportError), raise_on_signal():
        raise ImportError("a real one")


@pytest.mark.parametrize("end", [typer.Exit(0), typer.Exit(3), HeygemError("disk-full", "the disk is full")])
def test_command_that_ends_after_a_swallowed_signal_has_its_status(end):
    with pytest.raises(StoppedError) as found, raise_on_signal():
        with contextlib.suppress(StoppedError):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        raise end
    assert found.value.exit_code == 130


SWALLOWED = """
import os, signal, sys, time
from heygem_cli.cli.output import report_errors
from heygem_cli.cli import signals
signals.STOP_SECONDS = 0.5
with report_errors(), signals.raise_on_signal():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    except BaseException:
        pass
    {rest}
print("not reached")
"""


@pytest.mark.parametrize("rest", ["pass", "time.sleep(60)", "while True: pass"])
def test_signal_that_a_library_swallows_still_stops_the_command(rest, tmp_path):
    script = SWALLOWED.replace("{rest}", rest) + ""
    program = f"import typer\n@(app := typer.Typer()).command()\ndef run():\n{textwrap.indent(script, '    ')}\napp()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "error: stopped by SIGTERM\n")


PRINTED = """
import ctypes, os, signal, sys, time
from heygem_cli.cli.output import report_errors
from heygem_cli.cli import signals
@ctypes.CFUNCTYPE(None)
def interrupted():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
with report_errors(), signals.raise_on_signal():
    if {from_c}:
        interrupted()
    else:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException:
            sys.excepthook(*sys.exc_info())  # what PyErr_Print() does
            raise ImportError("numpy failed to import")
"""


@pytest.mark.parametrize("from_c", [False, True])
def test_library_that_prints_the_exception_of_a_signal_prints_nothing(from_c, tmp_path):
    script = textwrap.indent(PRINTED.replace("{from_c}", str(from_c)), "    ")
    program = f"import typer\n@(app := typer.Typer()).command()\ndef run():\n{script}\napp()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (143, "error: stopped by SIGTERM\n")


def test_tracebacks_of_other_errors_are_still_printed(capsys):
    with raise_on_signal():
        sys.excepthook(ValueError, ValueError("a real one"), None)
    assert "a real one" in capsys.readouterr().err


TWICE = """
import os, signal, sys, time
from heygem_cli.cli.output import report_errors
from heygem_cli.cli import signals
with report_errors(), signals.raise_on_signal():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    finally:
        time.sleep({seconds})
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(("seconds", "output"), [(0, "cleaned up\n"), (0.01, "cleaned up\n"), (0.5, "")])
def test_repeated_signal_is_one_request_and_a_second_one_ends_the_command_at_once(seconds, output, tmp_path):
    script = textwrap.indent(TWICE.replace("{seconds}", str(seconds)), "    ")
    program = f"import typer\n@(app := typer.Typer()).command()\ndef run():\n{script}\napp()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, output, "error: stopped by SIGTERM\n")


def test_exit_after_a_signal_does_not_depend_on_standard_error(tmp_path):
    program = "import os\nfrom heygem_cli.processes import write_stopped\n{}\nwrite_stopped(15)\nos._exit(143)"
    for closed in ("os.close(2)", "import sys; sys.stderr.close()"):
        done = subprocess.run([sys.executable, "-c", program.format(closed)], cwd=tmp_path, timeout=30, check=False)
        assert done.returncode == 143


def test_part_file_is_deleted_when_the_process_exits_at_once(tmp_path):
    script = """
import os, sys
from pathlib import Path
from heygem_cli.files import part_file, delete_parts_of
held = part_file(Path(sys.argv[1]))
held.__enter__()
assert list(Path(sys.argv[1]).parent.iterdir())
delete_parts_of([os.getpid()])
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out.mp4")], check=True, timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_part_file_of_a_child_that_does_not_respond_is_deleted(tmp_path):
    script = "import sys; from pathlib import Path; from heygem_cli.files import part_file\n"
    script += "with part_file(Path(sys.argv[1])):\n    print(flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", script, str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"\n"
        mine = tmp_path / ".mine.1-0123abcd.heygem-part"
        mine.touch()
        delete_parts_of([child.pid, 2**22 + 1])  # the second one does not exist
        assert list(tmp_path.iterdir()) == [mine]


def test_worker_cleans_up_and_exits_with_0_on_sigterm():
    script = """
import os, signal
from heygem_cli.processes import exit_on_sigterm
with exit_on_sigterm():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        os.kill(os.getpid(), signal.SIGTERM)
        print("cleaned up")
        raise ImportError  # as a library does if it is interrupted while it is imported
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cleaned up\n", "")


def test_error_of_a_worker_that_nobody_stops_is_not_hidden():
    script = "from heygem_cli.processes import exit_on_sigterm\nwith exit_on_sigterm():\n    raise ImportError"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "ImportError" in done.stderr
