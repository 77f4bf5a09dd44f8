"""Tests of the plan: which jobs run, and in which order."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_program import make_packed_inputs, make_row
from heygem_cli.batch.check import CheckedRow
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.plan import (
    PlannedJob,
    choose_action,
    content_key,
    make_plan,
    output_problem,
    sort_jobs,
)
from heygem_cli.files import OwnOutputs, file_digest, file_identity
from heygem_cli.job import RenderJob
from heygem_cli.mesh.models import models_digest
from heygem_cli.onnx import models_folder
from heygem_cli.options import BatchOptions, EncodeOptions, Person, RenderOptions


def row_of(number=1, *, folder=Path(), output="out.mp4", options=RenderOptions()):  # noqa: B008
    job = RenderJob(folder / "a.wav", folder / "f.mp4", folder / output, options=options)
    return make_row(job, f"row{number}", number, output)


def planned(row, seconds, face):
    return PlannedJob(row, make_packed_inputs(seconds), "do", "", digests=("audio", face))


def done_state(path, run="before"):
    result = {"bytes": path.stat().st_size, "duration": 1.0, "fps": "25"}
    made = frozenset({file_digest(path)})
    return JobState("done", "key", path.name, run, attempts=1, made=made, result=result)


@pytest.fixture
def finished(clip, tmp_path):
    """A row whose output of one second is done, and the state of its job."""
    path = shutil.copy(clip, tmp_path / "out.mp4")
    return row_of(folder=tmp_path), done_state(path)


def test_done_job_is_not_run_again(finished):
    row, state = finished
    assert choose_action(row, "key", state, "now", BatchOptions()) == ("done", "")
    assert choose_action(row, "key", state, "now", BatchOptions(retry_failed=True)) == ("done", "")


def test_force_runs_a_done_job_once_per_run(finished):
    row, state = finished
    assert choose_action(row, "key", state, "now", BatchOptions(force=True)) == ("do", "forced")
    assert choose_action(row, "key", replace(state, run="now"), "now", BatchOptions(force=True)) == ("done", "")


def test_changed_key_runs_the_job_again(finished):
    row, state = finished
    assert choose_action(row, "new key", state, "now", BatchOptions())[0] == "changed"
    assert choose_action(row, "new key", replace(state, status="failed"), "now", BatchOptions())[0] == "changed"
    assert choose_action(row, "new key", replace(state, status="started"), "now", BatchOptions()) == ("do", "new")


def test_missing_or_changed_output_is_noticed(finished):
    row, state = finished
    path = row.job.output
    whole = path.read_bytes()
    for content in (whole[:-1], b"\0" * len(whole), whole + b"!"):
        path.write_bytes(content)
        assert choose_action(row, "key", state, "now", BatchOptions()) == ("do", "the output has been changed")
    path.write_bytes(whole)
    assert output_problem(path, "elsewhere.mp4", state) == "the output is missing"
    path.unlink()
    assert choose_action(row, "key", state, "now", BatchOptions()) == ("do", "the output is missing")


def test_output_whose_size_alone_is_known_is_probed(finished):
    row, state = finished
    path = row.job.output
    whole = path.read_bytes()
    state = replace(state, made=frozenset({f"{len(whole)} bytes"}))
    path.write_bytes(whole[:-1])
    assert choose_action(row, "key", state, "now", BatchOptions()) == ("do", "the output has been changed")
    path.write_bytes(b"\0" * len(whole))
    assert choose_action(row, "key", state, "now", BatchOptions()) == ("do", "the output is damaged")
    path.write_bytes(whole)
    longer = replace(state, result={**state.result, "duration": 2.0})
    assert output_problem(path, "out.mp4", longer) == "the output is damaged"
    assert output_problem(path, "out.mp4", replace(state, result={})) == "the output is damaged"
    assert output_problem(path, "out.mp4", state) == ""


@pytest.mark.parametrize(
    ("state", "options", "expected"),
    [
        (None, BatchOptions(), ("do", "new")),
        (
            JobState("failed", "key", "o", "before", error={"code": "no-face"}),
            BatchOptions(),
            ("failed", "failed: no-face"),
        ),
        (JobState("failed", "key", "o", "before"), BatchOptions(retry_failed=True), ("do", "failed: ")),
        (JobState("failed", "key", "o", "before"), BatchOptions(force=True), ("do", "failed: ")),
        (
            JobState("failed", "key", "o", "now"),
            BatchOptions(force=True, retry_failed=True),
            ("failed", "failed: "),
        ),
        (JobState("interrupted", "key", "o", "before"), BatchOptions(), ("do", "interrupted")),
        (JobState("retrying", "key", "o", "before"), BatchOptions(), ("do", "retried after an error")),
        (JobState("started", "key", "o", "before"), BatchOptions(), ("do", "the process died during this job")),
        (
            JobState("died", "key", "o", "before", crashes=1),
            BatchOptions(),
            ("do", "the process died during this job"),
        ),
        (
            JobState("started", "key", "o", "before", crashes=1),
            BatchOptions(retry_failed=True, force=True),
            ("failed", "the process died twice during this job"),
        ),
    ],
)
def test_action_after_earlier_attempts(state, options, expected):
    assert choose_action(row_of(), "key", state, "now", options) == expected


JOBS = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from([1, 2]), st.integers(1, 5)), max_size=12)


@given(JOBS)
def test_jobs_of_a_face_are_adjacent_and_the_longest_is_first(drawn):
    jobs = [
        planned(row_of(n, options=RenderOptions(person=Person(None, number=person))), seconds, face)
        for n, (face, person, seconds) in enumerate(drawn)
    ]
    ordered = sort_jobs(jobs)
    assert sorted(job.row.id for job in ordered) == sorted(job.row.id for job in jobs)
    for key in (lambda job: job.digests[1], lambda job: (job.digests[1], str(job.row.job.options.person))):
        runs = [a for a, b in zip([None, *map(key, ordered)], map(key, ordered), strict=False) if a != b]
        assert len(runs) == len(set(map(key, jobs)))  # each face occurs in one sequence
    first = {}
    for job in ordered:
        face = (job.digests[1], str(job.row.job.options.person))
        assert job.audio_seconds <= first.setdefault(face, job.audio_seconds)


def test_content_key_has_everything_that_the_output_depends_on():
    default = RenderOptions()
    key = content_key(("a", "f"), default, "m")
    others = [
        (("b", "f"), default, "m"),
        (("a", "g"), default, "m"),
        (("a", "f"), default, "n"),
        (("a", "f"), replace(default, loop="hold"), "m"),
        (("a", "f"), replace(default, engine="heygem"), "m"),
        (("a", "f"), replace(default, on_missing_face="hold"), "m"),
        (("a", "f"), replace(default, person=Person("left")), "m"),
        (("a", "f"), replace(default, encode=EncodeOptions(crf=19)), "m"),
        (("a", "f"), replace(default, encode=EncodeOptions(preset="slow")), "m"),
        (("a", "f"), replace(default, encode=EncodeOptions(encoder="libx264")), "m"),
    ]
    assert len({key, *(content_key(*other) for other in others)}) == 1 + len(others)
    assert content_key(("a", "f"), replace(default, no_cache=True, encode=EncodeOptions(threads=3)), "m") == key


def test_content_key_depends_on_the_content_of_the_picture_and_not_on_its_name():
    one, other = (RenderOptions(person=Person(None, picture=Path(name))) for name in ("a.png", "b.png"))
    assert content_key(("a", "f", "p"), one, "m") == content_key(("a", "f", "p"), other, "m")
    assert content_key(("a", "f", "p"), one, "m") != content_key(("a", "f", "q"), one, "m")
    assert content_key(("a", "f", "p"), one, "m") != content_key(("a", "f"), RenderOptions(), "m")


def test_content_key_leaves_out_what_the_engine_cannot_use():
    service = RenderOptions(engine="heygem-http")
    other = replace(service, encode=EncodeOptions(crf=19))
    assert content_key(("a", "f"), service, "m") == content_key(("a", "f"), other, "m")


def test_models_digest_depends_on_the_models(monkeypatch, tmp_path):
    default = models_digest()
    shutil.copytree(models_folder(), tmp_path / "models")
    monkeypatch.setattr("heygem_cli.onnx.models_folder", lambda: tmp_path / "models")
    assert models_digest() == default
    (tmp_path / "models" / "mouth_motion.onnx").write_bytes(b"another")
    assert models_digest() != default


@pytest.fixture
def files(tmp_path):
    """A folder with the inputs of a row."""
    (tmp_path / "a.wav").write_bytes(b"a")
    (tmp_path / "f.mp4").write_bytes(b"f")
    return tmp_path


def checked(row):
    return CheckedRow(row, make_packed_inputs(2.0), hash((file_identity(row.job.audio), file_identity(row.job.face))))


def plan(rows, states=None):
    return make_plan(rows, states or {}, {"mesh": "m"}, "now", BatchOptions())


def test_plan_depends_on_the_content_of_the_files(files):
    row = row_of(1, folder=files)
    (job,) = plan([checked(row)])
    assert (job.action, job.audio_seconds, job.needs_rendering) == ("do", 2.0, True)
    states = {"row1": JobState("failed", job.key, "out.mp4", "before")}
    assert plan([checked(row)], states)[0].action == "failed"
    (files / "a.wav").write_bytes(b"b")
    (changed,) = plan([checked(row)], states)
    assert (changed.action, changed.needs_rendering) == ("changed", True)


def test_output_that_was_edited_fails_its_row_unless_it_may_be_overwritten(files):
    output = files / "out.mp4"
    output.write_bytes(b"made")
    row = row_of(1, folder=files)
    row = replace(row, own=OwnOutputs(frozenset({file_digest(output)})))
    (job,) = plan([checked(row)])
    assert (job.action, job.error) == ("do", None)
    output.write_bytes(b"edit")
    (job,) = plan([checked(row)])
    assert (job.action, job.error["hint"]) == ("failed", "Use --overwrite to replace it")
    assert "edited or replaced since it was made" in job.reason
    overwriting = replace(row_of(1, folder=files, options=RenderOptions(overwrite=True)), own=row.own)
    assert plan([checked(overwriting)])[0].action == "do"


def test_output_that_appears_after_the_check_fails_its_row(files):
    rows = [checked(row_of(number, folder=files, output=f"{number}.mp4")) for number in range(1, 4)]
    (files / "2.mp4").touch()
    assert [(job.action, job.reason) for job in plan(rows)] == [
        ("do", "new"),
        ("failed", f"{files}/2.mp4: the output exists"),
        ("do", "new"),
    ]


def test_input_that_changes_after_the_check_fails_its_row(files):
    rows = [checked(row_of(1, folder=files))]
    (files / "a.wav").write_bytes(b"longer")
    (job,) = plan(rows)
    assert (job.action, job.reason) == ("failed", "an input has changed since it was checked")


def test_unreadable_input_fails_only_its_own_row(files):
    unreadable_row = make_row(RenderJob(Path("/proc/self/mem"), files / "f.mp4", files / "other.mp4"), "row2", 2)
    rows = [checked(row_of(1, folder=files)), checked(unreadable_row)]
    (files / "a.wav").unlink()
    deleted, unreadable = plan(rows)
    assert (deleted.action, deleted.reason) == ("failed", f"{files}/a.wav: No such file or directory")
    assert (unreadable.action, unreadable.reason) == ("failed", "/proc/self/mem: Input/output error")
