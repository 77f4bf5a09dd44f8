"""Tests of every command with a standard output that cannot be written."""

import subprocess
import sys

import pytest

COMMANDS = [
    ["--help"],
    ["--version"],
    ["render", "--help"],
    ["batch", "--help"],
    ["engines"],
    ["engines", "--json"],
    ["doctor", "--list"],
    ["doctor", "--only", "system.cpu", "--json"],
    ["fix-config", "--help"],
]


def run(arguments, redirection):
    command = [sys.executable, "-m", "heygem_cli", *arguments]
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *command], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_unwritable_standard_output_is_an_error_of_one_line(arguments, redirection, reason):
    done = run(arguments, redirection)
    message = f"error: standard output cannot be written ({reason}). Redirect it elsewhere\n"
    assert (done.returncode, done.stderr) == (1, message)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_reader_that_leaves_early_is_no_error(arguments):
    done = run(arguments, "| head -c 1")
    assert (done.returncode, done.stderr) == (0, "")


def test_error_of_the_command_is_reported_where_its_json_cannot_be_written():
    done = run(["batch", "no.csv", "--json"], ">/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no.csv: ")
    assert len(done.stderr.splitlines()) == 1
