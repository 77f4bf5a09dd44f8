"""Setting variables in heygem.env without losing other lines."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.heygem.installation.start import Start
from heygem_cli.heygem.installation.variables import VARIABLES
from heygem_cli.heygem.repair import env_file

START = Start(Path("/code"), ("python", "app.py"), {}, sets_threads=False)
RECOMMENDED = {each.name: each.recommended for each in VARIABLES}


def env_text(before: str) -> str:
    return env_file.env_text(before, START)


def load_in_shell(text: str) -> dict[str, str]:
    """Return the variables after a shell has loaded the text."""
    script = "set -a; . /dev/stdin; env"
    done = subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, env={}, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_new_file_sets_and_marks_every_variable():
    text = env_text("")
    assert RECOMMENDED.items() <= load_in_shell(text).items()
    for each in VARIABLES:
        mark = "# effective: " if each.effective else "# kept for the operators' checklist: "
        assert f"\n{mark}{each.reader}\n{each.name}={each.recommended}\n" in text
    assert env_text(text) == text


def test_heading_names_a_start_that_the_tree_has():
    assert "\n#   shell            set -a; . ./heygem.env; set +a; python app.py\n" in env_text("")
    # Earlier versions wrote a command that most trees refuse.
    assert env_text(env_text("").replace("python app.py", "python run.py --num_threads 0")) == env_text("")
    nothing = Start(Path("/code"), (), {}, sets_threads=False)
    assert "shell" not in env_file.env_text("", nothing)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("export OMP_NUM_THREADS=8\n", "export OMP_NUM_THREADS=1"),
        ("OMP_NUM_THREADS='1' # one\n", "OMP_NUM_THREADS='1' # one"),
        ("OMP_NUM_THREADS=\"\n", "OMP_NUM_THREADS=1"),
        ("OMP_NUM_THREADS=4\nOMP_NUM_THREADS=8\n", "OMP_NUM_THREADS=1\nOMP_NUM_THREADS=1"),
    ],
)  # fmt: skip
def test_existing_line_is_edited(before, line):
    assert env_text(before).startswith(line + "\n")
    assert env_text(before).count("OMP_NUM_THREADS=") == before.count("OMP_NUM_THREADS=")


@given(st.lists(st.sampled_from(["# 注释", "MY_TOKEN=x", "", "OLD_OMP_NUM_THREADS=9"]), max_size=5), st.booleans())
def test_other_lines_are_kept(lines, ended):
    before = "\n".join(lines) + ("\n" if ended else "")
    after = env_text(before)
    assert after.startswith(before)
    assert RECOMMENDED.items() <= load_in_shell(after).items()
    assert env_text(after) == after


def test_windows_newlines_are_kept():
    after = env_text("A=1\r\n")
    assert "\n" not in after.replace("\r\n", "")
