"""A container may run as a user of whom it has no entry, and whose home nobody knows."""

import os
import subprocess
import sys

import pytest

NO_ENTRY = """\
import pwd

def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = getpwuid
"""


@pytest.mark.parametrize("command", ["doctor --json", "config show", "engines", "render voice.wav missing.mp4"])
def test_commands_do_not_need_a_home(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(NO_ENTRY)
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "HEYGEM_CACHE_DIR")}
    done = subprocess.run(
        [sys.executable, "-m", "heygem_cli", *command.split()],
        cwd=tmp_path, env=environment | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in ((2,) if "render" in command else (0, 1)), done.stderr
