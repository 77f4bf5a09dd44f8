"""Tests of the order in which workers take jobs."""

from pathlib import Path

import pytest

from batch_program import make_row
from heygem_cli.batch.job_queue import JobQueue
from heygem_cli.batch.plan import PlannedJob
from heygem_cli.job import RenderJob

JOB = RenderJob(Path("a.wav"), Path("f.mp4"), Path("out.mp4"))


def jobs(*names):
    """Return jobs such as ``A1``, whose face video is A."""
    return [PlannedJob(make_row(JOB, name), None, "do", "", digests=("", name[0])) for name in names]


def taken(queue, *places):
    return [queue.take(*place)[0].row.id for place in places]


def test_one_worker_takes_the_jobs_in_their_order_and_retries_at_the_end():
    queue = JobQueue(jobs("A1", "A2", "B1"), 2)
    first, retries = queue.take()
    queue.put_back(first, retries - 1)
    assert len(queue) == 3
    assert [(job.row.id, left) for job, left in (queue.take() for _ in range(3))] == [("A2", 2), ("B1", 2), ("A1", 1)]
    with pytest.raises(IndexError):
        queue.take()


def test_each_worker_stays_with_a_face_while_there_are_others():
    queue = JobQueue(jobs("A1", "A2", "B1", "B2"), 0)
    one, two = ("one", "x"), ("two", "y")
    assert taken(queue, one, two, two, one) == ["A1", "B1", "B2", "A2"]


def test_a_worker_without_a_face_prefers_one_whose_track_is_on_its_node():
    queue = JobQueue(jobs(*(f"{face}{n}" for face in "AB" for n in range(5))), 0)
    assert taken(queue, ("one", "x"), ("two", "y"), ("three", "y"), ("four", "x")) == ["A0", "B0", "B1", "A1"]


def test_a_worker_without_any_helps_with_the_face_that_has_the_most_jobs_left():
    queue = JobQueue(jobs("A1", "A2", "B1", "B2", "B3", "B4"), 0)
    assert taken(queue, ("one", "x"), ("two", "y"), ("three", "z")) == ["A1", "B1", "B2"]


def test_jobs_of_a_worker_that_is_gone_are_taken_by_others():
    queue = JobQueue(jobs("A1", "A2"), 0)
    assert taken(queue, ("gone", "x"), ("other", "y")) == ["A1", "A2"]
    assert not queue
