"""Child processes that crash, hang or talk nonsense are findings."""

import os
import sys
import time

import pytest

from heygem_cli.doctor.child_process import ask, ask_script

ENVIRONMENT = dict(os.environ)


def python(code: str, limit: float = 20):
    return ask([sys.executable, "-c", code], environment=ENVIRONMENT, limit=limit)


def test_what_a_child_says():
    answer = python("import sys; print('out'); print('err', file=sys.stderr)")
    assert (answer.failure, answer.stdout, answer.stderr) == ("", "out\n", "err\n")


def test_a_segmentation_fault():
    assert python("import ctypes; ctypes.string_at(0)").failure == "crashed (SIGSEGV)"


def test_a_child_that_hangs_is_left():
    start = time.monotonic()
    assert python("import time; time.sleep(60)", limit=0.5).failure == "gave no answer within 0.5 s"
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise ImportError('numpy 2')", "ImportError: numpy 2"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("import sys; sys.exit('no')", "no"),
    ],
)
def test_a_child_that_fails(code, failure):
    assert python(code).failure == failure


def test_a_program_that_is_not_there(tmp_path):
    answer = ask([str(tmp_path / "python")], environment=ENVIRONMENT, limit=5)
    assert answer.failure == "cannot be started: No such file or directory"


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"a": 1'])
def test_a_script_that_gives_no_object(tmp_path, text):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat <<'X'\n{text}\nX\n")
    program.chmod(0o755)
    answer = ask_script(str(program), "ask_interpreter", environment=ENVIRONMENT, limit=20)
    assert answer.failure == "gave no answer"


def test_what_native_code_prints_before_the_answer_does_no_harm(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho noise; echo '{\"a\": 1}'\n")
    program.chmod(0o755)
    assert ask_script(str(program), "ask_interpreter", environment=ENVIRONMENT, limit=20).facts == {"a": 1}
