"""Signals that come before anything has begun, or where they are not understood."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from heygem_cli.cli.signals import raise_on_signal
from heygem_cli.errors import StoppedError


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_loads_ends_it_without_a_word(signum, tmp_path):
    (tmp_path / "typer.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    paths = [str(tmp_path), str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "heygem_cli", "--version"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signum)
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 128 + signum


def test_a_signal_that_a_library_words_as_its_own_error_is_still_one():
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
