"""How HeyGem is started: each recommended command must work in the tree that it is for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heygem_cli.heygem.installation.start import find_start, passes_options, sets_threads, tree_start
from heygem_tree import make_installation

PROC = Path("/proc")
STRICT = """\
import argparse, sys
parser = argparse.ArgumentParser()
parser.add_argument("--audio_path", default="example/audio.wav")
options = parser.parse_args()
sys.argv = [sys.argv[0]]
"""
"""The run.py of most trees."""
WAIT = "print(flush=True); import time; time.sleep(60)"


@pytest.fixture
def home(tmp_path):
    return make_installation(tmp_path / "Hey Gem")


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ("import argparse\ndemo.queue().launch()", True),
        (STRICT, False),
        ("parser.add_argument('--audio_path'); parser.parse_args()", False),
        ("parser.parse_known_args()", True),
        ("parser.add_argument('--num_threads'); parser.parse_args()", True),
        ("import sys; sys.argv = sys.argv[:1]", False),
        ("def (", False),
    ],
)
def test_which_scripts_pass_options_on(tmp_path, source, passes):
    (tmp_path / "app.py").write_text(source)
    assert passes_options(tmp_path / "app.py") is passes


@pytest.mark.parametrize(
    ("scripts", "command"),
    [
        ({"run.py": STRICT, "app.py": "import gradio"}, "python app.py --num_threads 0"),
        ({"app.py": "import flask", "app_local.py": "import flask"}, "python app_local.py --num_threads 0"),
        ({"app.py": "import gradio", "app_local.py": "import flask"}, "python app.py --num_threads 0"),
        ({"app.py": "import gradio\n" + STRICT}, "python app.py"),
        ({"run.py": "import service"}, "python run.py --num_threads 0"),
        ({"run.py": STRICT}, ""),
        ({}, ""),
    ],
)
def test_command_that_the_tree_allows(home, scripts, command):
    for name in ("app.py", "run.py"):
        (home / name).unlink()
    for name, source in scripts.items():
        (home / name).write_text(source)
    start = tree_start(home)
    assert start.program == command
    assert start.shell() == (f"cd '{home}' && {command}" if command else "")
    assert start.sets_threads is ("--num_threads" in command)


def test_running_heygem_is_started_again_as_it_runs(home, tmp_path):
    """Its interpreter, arguments and variables are kept, and the command does the same in a shell."""
    (home / "app.py").write_text(f"import os, sys; print(sys.argv, os.environ['PYTHONPATH'], flush=True); {WAIT}")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{tools}:/usr/bin", "PYTHONPATH": "a b", "OMP_NUM_THREADS": "4", "SECRET": "x"}
    command = ["python", "app.py", "--num_threads", "4", "--share"]
    with subprocess.Popen(
        command, cwd=home, env=environment, executable=tools / "python", stdout=subprocess.PIPE
    ) as running:
        try:
            running.stdout.readline()
            start = find_start(home, PROC)
        finally:
            running.kill()
    assert start.command == (str(tools / "python"), "app.py", "--share", "--num_threads", "0")
    assert start.variables == {"PYTHONPATH": "a b", "OMP_NUM_THREADS": "4"}
    shell = subprocess.run(
        ["timeout", "2", "sh", "-c", start.shell()], cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert shell.stdout.startswith("['app.py', '--share', '--num_threads', '0'] a b\n")


def test_named_interpreter_is_used(home):
    assert find_start(home, PROC, "/opt/my conda/bin/python").program.startswith("'/opt/my conda/bin/python' app.py")


@pytest.mark.parametrize(
    ("arguments", "sets"),
    [(("--num_threads", "0"), True), (("--num_threads=0",), True), (("--num_threads", "4", "0"), False), ((), False)],
)
def test_command_line_that_sets_the_threads(arguments, sets):
    assert sets_threads(("python", "app.py", *arguments)) is sets
