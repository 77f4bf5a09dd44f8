"""Finding and editing the variables that app.py sets."""

import ast
from pathlib import Path

import pytest

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.app_variables import edit_variables, find_variables

FILE = Path("app.py")


@pytest.mark.parametrize(
    ("source", "value", "late", "default"),
    [
        ("import os\nos.environ['ORT_PARALLEL'] = '0'", "0", False, False),
        ("from os import environ\nenviron['ORT_PARALLEL'] = '1'", "1", False, False),
        ("import os\nos.environ.setdefault('ORT_PARALLEL', '2')", "2", False, True),
        ("import os, argparse\nimport gradio as gr\nos.environ['ORT_PARALLEL'] = '3'", "3", True, False),
        ("os.environ['ORT_PARALLEL'] = '4'\nos.environ['ORT_PARALLEL'] = '5'", "5", False, False),
    ],
)
def test_variable_is_found(source, value, late, default):
    found = find_variables(source.encode(), FILE)["ORT_PARALLEL"]
    assert (found.value, found.late, found.default) == (value, late, default)
    assert found.line == len(source.splitlines())


@pytest.mark.parametrize(
    "source", ["os.environ['ORT_PARALLEL'] = x", "def f():\n    os.environ['ORT_PARALLEL'] = '1'", "x['A'] = '1'", ""]
)
def test_other_statements_are_not_taken_for_one(source):
    assert find_variables(source.encode(), FILE) == {}


def test_edit_changes_only_wrong_values():
    source = "\ufeff# 数字人\r\nos.environ['OMP_NUM_THREADS'] = '''4'''; os.environ['ORT_PARALLEL'] = '1'\r\n"
    edited, changes = edit_variables(source.encode(), FILE)
    assert edited.decode() == source.replace("'''4'''", '"1"').replace("'1'", '"0"')
    assert changes == ["ORT_PARALLEL: 1 → 0", "OMP_NUM_THREADS: 4 → 1"]
    assert edit_variables(edited, FILE) == (edited, [])
    ast.parse(edited.decode("utf-8-sig"))


def test_source_must_be_python():
    with pytest.raises(InputError, match=r"app\.py: not a Python source"):
        edit_variables(b"(", FILE)
