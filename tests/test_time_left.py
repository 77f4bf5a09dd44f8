"""Tests of the estimate of the time left."""

import itertools

import pytest

from heygem_cli.job import Progress
from heygem_cli.time_left import JobTimeLeft, TimeLeft


def estimates(works, total):
    """Return the estimates of each second, where a second does so much of the work."""
    left, done, found = TimeLeft(total, 100.0), 0.0, []
    for second, work in enumerate(works, 101):
        done += work
        left.update(done, float(second))
        found.append(left.seconds(float(second)))
    return found


def test_even_work_counts_down():
    assert estimates([1.0] * 60, 60.0)[2:] == pytest.approx([57.0 - second for second in range(58)], abs=0.01)


def test_nothing_is_said_before_there_is_anything_to_go_by():
    assert estimates([0.0] * 30 + [1.0], 100.0) == [None] * 31
    assert estimates([0.0] * 30 + [2.0], 100.0)[-1] == pytest.approx(16 * 49)


def test_bursts_and_pauses_do_not_move_it_far():
    """Tracking, rendering and encoding have speeds that differ by a factor of ten."""
    works = ([0.2] * 10 + [2.0] * 5) * 20
    found = estimates(works, sum(works))[60:]
    steps = [before - after for before, after in itertools.pairwise(found)]
    assert all(-1 < step < 3.5 for step in steps)
    assert found[-1] < 5


def test_it_follows_a_lasting_change_of_speed():
    found = estimates([1.0] * 100 + [0.25] * 400, 200.0)
    assert found[100] == pytest.approx(100, rel=0.05)
    assert found[300] == pytest.approx(200, rel=0.35)
    assert found[480] == pytest.approx(19, abs=40)


def test_a_slow_start_is_soon_forgotten():
    found = estimates([0.2, *[1.0] * 8], 8.2)
    assert found[4:] == pytest.approx([4.0, 3.0, 2.0, 1.0, 0.0], abs=1.0)


@pytest.mark.parametrize("seconds", [2.0, 6.0, 600.0])
@pytest.mark.parametrize("is_cached", [False, True])
def test_stages_of_other_speeds_do_not_count(seconds, is_cached):
    """The first frames come after everything is loaded, and a cached track takes no time."""
    left = JobTimeLeft()
    left.update(Progress("speech", 7.0, 7.0), 101.5)
    assert left.seconds(102.0) is None
    left.update(Progress("track", 10 if is_cached else 0, 10), 102.0)
    left.update(Progress("track", 10, 10), 102.0 if is_cached else 102.0 + seconds)
    left.update(Progress("prepare", 0, None), 103.0 + seconds)
    assert left.seconds(103.5 + seconds) is None
    began = 104.0 + seconds
    for frame in range(101):
        now = began + frame * seconds / 100
        left.update(Progress("render", frame, 100), now)
        if frame >= 5:
            assert left.seconds(now) == pytest.approx(began + seconds - now, abs=0.01)


def test_an_engine_that_says_nothing_of_its_start_has_no_estimate():
    left = JobTimeLeft()
    for second in range(60):
        left.update(Progress("start", second, None), float(second))
        assert left.seconds(float(second)) is None
