"""The list of checks."""

import re

import pytest

from heygem_cli.doctor.examine import examine
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.registry import CHECKS, Check, select
from heygem_cli.doctor.result import ok
from heygem_cli.errors import InputError

GROUPS = ["runtime", "gpu", "system", "environment", "installation", "service", "engine", "log"]


def test_names_are_stable_and_told_apart():
    names = [check.id for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[A-Za-z_-]+", name) for name in names)
    assert list(dict.fromkeys(check.group for check in CHECKS)) == GROUPS


def test_choosing():
    assert select([], []) == list(CHECKS)
    assert [check.id for check in select(["runtime.numpy", "gpu.driver"], [])] == ["runtime.numpy", "gpu.driver"]
    assert {check.group for check in select(["gpu", "log"], ["log"])} == {"gpu"}
    assert "gpu.driver" not in {check.id for check in select([], ["gpu.driver"])}


def test_a_check_that_is_not_there():
    with pytest.raises(InputError, match=r"Did you mean gpu\.driver\?"):
        select(["gpu.drivers"], [])


def test_a_question_is_asked_once_and_its_answer_shared():
    asked = []

    def probe(inputs):
        asked.append(inputs)
        return len(asked)

    checks = [Check(f"x.{name}", "", lambda _inputs, answer: ok(str(answer)), (probe,)) for name in "ab"]
    results = examine(checks, Inputs())
    assert [(each.id, each.group, each.found) for each in results] == [("x.a", "x", "1"), ("x.b", "x", "1")]


def test_a_file_that_vanishes_ends_nothing():
    def judge(_inputs):
        raise FileNotFoundError(2, "gone")

    (result,) = examine([Check("x.y", "", judge)], Inputs())
    assert (result.status, result.found) == ("skip", "cannot be looked at: [Errno 2] gone")
