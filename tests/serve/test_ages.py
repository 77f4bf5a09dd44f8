"""For how long something is kept, under clocks that jump."""

import json
import time

import pytest

from heygem_cli.serve.ages import SavedAges

DAY = 86400.0
LIMIT = 7 * DAY
NOW = 1_800_000_000.0


@pytest.fixture
def clock(monkeypatch):
    """The two clocks: the system's, which may jump, and the monotonic one."""

    class Clock:
        system, monotonic = NOW, 1000.0

        def pass_(self, seconds):
            self.system += seconds
            self.monotonic += seconds

        def restart(self, seconds, *, wrong=0.0):
            self.system += seconds + wrong
            self.monotonic = 5.0

    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.system)
    monkeypatch.setattr(time, "monotonic", lambda: clock.monotonic)
    return clock


@pytest.fixture
def start(tmp_path):
    return lambda limit=LIMIT: SavedAges(tmp_path / "ages.json", limit)


def test_too_old_after_the_limit(clock, start):
    ages = start()
    assert ages.too_old(["a"]) == []
    clock.pass_(LIMIT - 1)
    assert ages.too_old(["a", "b"]) == []
    clock.pass_(1)
    assert ages.too_old(["a", "b"]) == ["a"]
    assert ages.too_old(["b"]) == []


def test_nothing_is_kept_for_no_time(start):
    assert start(0.0).too_old(["a"]) == ["a"]


@pytest.mark.parametrize("jump", [DAY, 400 * DAY, -DAY, -400 * DAY])
def test_jump_of_the_clock_changes_nothing(clock, start, jump):
    ages = start()
    ages.too_old(["a"])
    clock.system += jump
    clock.pass_(LIMIT - 1)
    assert ages.too_old(["a"]) == []
    clock.system -= jump
    clock.pass_(1)
    assert ages.too_old(["a"]) == ["a"]


def test_time_between_two_servers_counts(clock, start):
    start().too_old(["a"])
    clock.restart(2 * DAY)
    ages = start()
    clock.pass_(5 * DAY - 1)
    assert ages.too_old(["a"]) == []
    clock.pass_(1)
    assert ages.too_old(["a"]) == ["a"]


@pytest.mark.parametrize("wrong", [10 * 365 * DAY, -50 * 365 * DAY])
def test_wrong_clock_at_a_boot_removes_nothing(clock, start, wrong):
    start().too_old(["a"])
    clock.restart(60, wrong=wrong)
    ages = start()
    clock.pass_(600)
    assert ages.too_old(["a"]) == []
    clock.system -= wrong
    clock.restart(60)
    ages = start()
    clock.pass_(600)
    assert ages.too_old(["a"]) == []


def test_clock_that_is_set_soon_after_a_boot_counts(clock, start):
    start().too_old(["a"])
    clock.restart(3 * DAY, wrong=-50 * 365 * DAY)
    ages = start()
    clock.pass_(600)
    clock.system += 50 * 365 * DAY
    ages.too_old(["a"])
    clock.pass_(4 * DAY - 600)
    assert ages.too_old(["a"]) == ["a"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"time": 1}', '{"time": null, "seconds": {}}', '{"time": 1, "seconds": {"a": "x"}}'],
)
@pytest.mark.usefixtures("clock")
def test_file_that_cannot_be_read_begins_again(start, tmp_path, text):
    (tmp_path / "ages.json").write_text(text)
    ages = start()
    assert ages.too_old(["a"]) == []
    assert json.loads((tmp_path / "ages.json").read_text()) == {"time": NOW, "seconds": {"a": 0.0}}


def test_ages_count_where_they_cannot_be_saved(clock, start, tmp_path):
    ages = start()
    (tmp_path / "ages.json").mkdir()
    ages.too_old(["a"])
    clock.pass_(LIMIT)
    assert ages.too_old(["a"]) == ["a"]
