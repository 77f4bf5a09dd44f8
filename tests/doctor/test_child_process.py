"""Child processes that crash, hang or print nonsense."""

import os
import sys
import time

import pytest

from heygem_cli.doctor.child_process import run_command, run_script

ENVIRONMENT = dict(os.environ)


def python(code: str, timeout: float = 20):
    return run_command([sys.executable, "-c", code], environment=ENVIRONMENT, timeout=timeout)


def test_output_is_captured():
    result = python("import sys; print('out'); print('err', file=sys.stderr)")
    assert (result.failure, result.stdout, result.stderr) == ("", "out\n", "err\n")


def test_segmentation_fault_is_a_crash():
    assert python("import ctypes; ctypes.string_at(0)").failure == "crashed (SIGSEGV)"


def test_hanging_child_is_not_waited_for():
    start = time.monotonic()
    assert python("import time; time.sleep(60)", timeout=0.5).failure == "timed out after 0.5 s"
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise ImportError('numpy 2')", "ImportError: numpy 2"),
        ("import sys; sys.exit(3)", "exited with status 3"),
        ("import sys; sys.exit('no')", "no"),
    ],
)
def test_failing_child_reports_its_error(code, failure):
    assert python(code).failure == failure


def test_missing_program(tmp_path):
    result = run_command([str(tmp_path / "python")], environment=ENVIRONMENT, timeout=5)
    assert result.failure == "cannot be started: No such file or directory"


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"a": 1'])
def test_script_must_print_an_object(tmp_path, text):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat <<'X'\n{text}\nX\n")
    program.chmod(0o755)
    result = run_script(str(program), "probe_interpreter", environment=ENVIRONMENT, timeout=20)
    assert result.failure == "printed no result"


def test_output_before_the_result_is_ignored(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho noise; echo '{\"a\": 1}'\n")
    program.chmod(0o755)
    assert run_script(str(program), "probe_interpreter", environment=ENVIRONMENT, timeout=20).facts == {"a": 1}
