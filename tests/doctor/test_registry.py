"""Selecting and running checks."""

import re

import pytest

from heygem_cli.doctor.check import Check, ok
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.registry import CHECKS, select
from heygem_cli.doctor.runner import run_checks
from heygem_cli.errors import InputError

GROUPS = ["runtime", "gpu", "system", "environment", "installation", "service", "engine", "log"]


def test_ids_are_unique_and_grouped():
    names = [check.id for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[A-Za-z0-9_-]+", name) for name in names)
    assert list(dict.fromkeys(check.group for check in CHECKS)) == GROUPS


def test_select_by_id_and_group():
    assert select([], []) == list(CHECKS)
    assert [check.id for check in select(["runtime.numpy", "gpu.driver"], [])] == ["runtime.numpy", "gpu.driver"]
    assert {check.group for check in select(["gpu", "log"], ["log"])} == {"gpu"}
    assert "gpu.driver" not in {check.id for check in select([], ["gpu.driver"])}


def test_unknown_check():
    with pytest.raises(InputError, match=r"Did you mean gpu\.driver\?"):
        select(["gpu.drivers"], [])


def test_probe_runs_once_for_all_its_checks():
    calls = []

    def probe(inputs):
        calls.append(inputs)
        return len(calls)

    checks = [Check(f"x.{name}", "", lambda _inputs, result: ok(str(result)), (probe,)) for name in "ab"]
    results = run_checks(checks, Inputs())
    assert [(each.id, each.group, each.found) for each in results] == [("x.a", "x", "1"), ("x.b", "x", "1")]


def test_os_error_skips_the_check():
    def judge(_inputs):
        raise FileNotFoundError(2, "gone")

    (result,) = run_checks([Check("x.y", "", judge)], Inputs())
    assert (result.status, result.found) == ("skip", "cannot be checked: gone")
