"""Tests of what a worker does with one job."""

import pickle
from dataclasses import replace

import pytest

from batch_program import make_inputs
from heygem_cli.batch.worker import Failure, WorkItem, run_job
from heygem_cli.errors import HeygemError, InputError, StoppedError
from heygem_cli.files import file_digest
from heygem_cli.job import Progress, RenderJob
from heygem_cli.remote import Remote, RemoteInput


class FakePipeline:
    """Records the inputs of its jobs, and runs an action instead of rendering."""

    def __init__(self, action):
        self._action = action
        self.inputs = []

    def render(self, _job, inputs, on_progress):
        self.inputs.append(inputs)
        self._action(on_progress)


def fail(error):
    def action(_on_progress):
        raise error

    return FakePipeline(action)


@pytest.fixture
def item(tmp_path):
    for name in ("a.wav", "f.mp4"):
        (tmp_path / name).write_text(name)
    job = RenderJob(tmp_path / "a.wav", tmp_path / "f.mp4", tmp_path / "out.mp4")
    return WorkItem(job, make_inputs(2), (file_digest(job.audio), file_digest(job.face)), timeout=60)


def test_inputs_are_not_probed_again(item):
    # The files are not media files: probing them would fail.
    pipeline = fail(InputError("no-face", "there is no face"))
    assert run_job(pipeline, item, None).code == "no-face"
    assert pipeline.inputs == [make_inputs(2)]


def test_item_can_be_sent_to_another_process(item):
    assert pickle.loads(pickle.dumps(item)) == item  # noqa: S301


@pytest.mark.parametrize(("change", "code"), [("unlink", "input-gone"), ("write", "input-changed")])
def test_changed_input_fails_the_job(item, change, code):
    pipeline = FakePipeline(None)
    item.job.face.write_text("another") if change == "write" else item.job.face.unlink()
    failure = run_job(pipeline, item, None)
    assert (failure.code, failure.retryable, pipeline.inputs) == (code, False, [])


def test_failure_names_the_url_of_a_fetched_input(item):
    fetched = RemoteInput("s3://bucket/a.wav", "1", item.job.audio)
    error = InputError("no-speech", "nothing is said", hint=f"Listen to {item.job.audio}", path=item.job.audio)
    failure = run_job(fail(error), replace(item, job=replace(item.job, remote=Remote((fetched,)))), None)
    assert failure.message == "s3://bucket/a.wav: nothing is said"
    assert failure.hint == "Listen to s3://bucket/a.wav"


def test_input_that_changes_during_the_job_fails_it(item):
    def action(on_progress):
        item.job.audio.write_text("another")
        on_progress(Progress("render", 1, 2))
        on_progress(Progress("render", 2, 2))

    reported = []
    assert run_job(FakePipeline(action), item, reported.append).code == "input-changed"
    assert reported == [Progress("render", 1, 2)]


def test_existing_output_fails_the_job_before_it_is_rendered(item):
    item.job.output.touch()
    pipeline = FakePipeline(None)
    assert (run_job(pipeline, item, None).code, pipeline.inputs) == ("output-exists", [])


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (InputError("no-face", "x"), "no-face", False),
        (HeygemError("disk-full", "x"), "disk-full", True),
        (OSError(5, "Input/output error"), "system-error", True),
        (MemoryError(), "out-of-memory", True),
        (ZeroDivisionError("x"), "internal-error", False),
    ],
)
def test_any_error_becomes_a_failure(item, error, code, retryable):
    failure = run_job(fail(error), item, None)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retryable) == (code, retryable)
    assert type(error).__name__ in failure.trace


def test_signal_is_not_a_failure(item):
    with pytest.raises(StoppedError):
        run_job(fail(StoppedError(2)), item, None)
