"""What is done, and in which order."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.batch.check import CheckedRow
from heygem_cli.batch.journal import JobState
from heygem_cli.batch.manifest import RawRow
from heygem_cli.batch.plan import PlannedJob, RerunOptions, content_key, decide, make_plan, output_problem, sort_jobs
from heygem_cli.batch.rows import Row
from heygem_cli.face.select import Person
from heygem_cli.job import RenderJob, RenderOptions
from heygem_cli.media.write import EncodeOptions
from heygem_cli.mesh.models import models_digest


def make_row(number=1, *, folder=Path(), output="out.mp4", options=RenderOptions()):  # noqa: B008
    job = RenderJob(folder / "a.wav", folder / "f.mp4", folder / output, options=options)
    return Row(f"row{number}", output, RawRow(number, None, {}), job)


def planned(row, seconds, face):
    return PlannedJob(row, seconds, "", face, "", "do", "")


def done(path, run="before"):
    result = {"bytes": path.stat().st_size, "duration": 1.0, "fps": "25"}
    return JobState("done", "key", path.name, run, attempts=1, result=result)


@pytest.fixture
def finished(clip, tmp_path):
    """An output of a second, and the state of its job."""
    path = shutil.copy(clip, tmp_path / "out.mp4")
    return make_row(folder=tmp_path), done(path)


def test_what_is_done_stays_done(finished):
    row, state = finished
    assert decide(row, "key", state, RerunOptions("now")) == ("done", "")
    assert decide(row, "key", state, RerunOptions("now", retry_failed=True)) == ("done", "")


def test_force_does_it_again_but_never_twice_in_a_run(finished):
    row, state = finished
    assert decide(row, "key", state, RerunOptions("now", force=True)) == ("do", "forced")
    assert decide(row, "key", replace(state, run="now"), RerunOptions("now", force=True)) == ("done", "")


def test_other_inputs_make_another_video(finished):
    row, state = finished
    assert decide(row, "new key", state, RerunOptions("now"))[0] == "changed"
    assert decide(row, "new key", replace(state, status="failed"), RerunOptions("now"))[0] == "changed"
    assert decide(row, "new key", replace(state, status="started"), RerunOptions("now")) == ("do", "new")


def test_an_output_that_is_gone_cut_off_or_another_file_does_not_count(finished):
    row, state = finished
    path = row.job.output
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert decide(row, "key", state, RerunOptions("now")) == ("do", "the output is not the one that was made")
    path.write_bytes(b"\0" * len(whole))
    assert decide(row, "key", state, RerunOptions("now")) == ("do", "the output is damaged")
    path.write_bytes(whole)
    assert output_problem(path, "elsewhere.mp4", state) == "the output is missing"
    longer = replace(state, result={**state.result, "duration": 2.0})
    assert output_problem(path, "out.mp4", longer) == "the output is damaged"
    assert output_problem(path, "out.mp4", replace(state, result={})) == "the output is damaged"
    path.unlink()
    assert decide(row, "key", state, RerunOptions("now")) == ("do", "the output is missing")


@pytest.mark.parametrize(
    ("state", "wish", "expected"),
    [
        (None, RerunOptions("now"), ("do", "new")),
        (
            JobState("failed", "key", "o", "before", error={"code": "no-face"}),
            RerunOptions("now"),
            ("failed", "failed: no-face"),
        ),
        (JobState("failed", "key", "o", "before"), RerunOptions("now", retry_failed=True), ("do", "failed: ")),
        (JobState("failed", "key", "o", "before"), RerunOptions("now", force=True), ("do", "failed: ")),
        (
            JobState("failed", "key", "o", "now"),
            RerunOptions("now", force=True, retry_failed=True),
            ("failed", "failed: "),
        ),
        (JobState("interrupted", "key", "o", "before"), RerunOptions("now"), ("do", "it was interrupted")),
        (JobState("retrying", "key", "o", "before"), RerunOptions("now"), ("do", "it is tried again")),
        (JobState("started", "key", "o", "before"), RerunOptions("now"), ("do", "the process died during it")),
        (JobState("died", "key", "o", "before", deaths=1), RerunOptions("now"), ("do", "the process died during it")),
        (
            JobState("started", "key", "o", "before", deaths=1),
            RerunOptions("now", retry_failed=True, force=True),
            ("failed", "the process died twice during it"),
        ),
    ],
)
def test_what_was_tried_before(state, wish, expected):
    assert decide(make_row(), "key", state, wish) == expected


JOBS = st.lists(
    st.builds(
        lambda face, choice, seconds: (face, choice, seconds),
        st.sampled_from("ABC"),
        st.sampled_from([1, 2]),
        st.integers(1, 5),
    ),
    max_size=12,
)


@given(JOBS)
def test_rows_of_a_face_stand_together_and_the_longest_comes_first(drawn):
    jobs = [
        PlannedJob(
            make_row(n, options=RenderOptions(face=Person(None, number=choice))), seconds, "", face, "", "do", ""
        )
        for n, (face, choice, seconds) in enumerate(drawn)
    ]
    ordered = sort_jobs(jobs)
    assert sorted(job.row.id for job in ordered) == sorted(job.row.id for job in jobs)
    for key in (lambda job: job.face_digest, lambda job: (job.face_digest, str(job.row.job.options.face))):
        runs = [a for a, b in zip([None, *map(key, ordered)], map(key, ordered), strict=False) if a != b]
        assert len(runs) == len(set(map(key, jobs)))  # each face begins once
    first = {}
    for job in ordered:
        face = (job.face_digest, str(job.row.job.options.face))
        assert job.audio_seconds <= first.setdefault(face, job.audio_seconds)


def test_the_key_is_all_that_the_output_depends_on_and_nothing_else():
    plain = RenderOptions()
    key = content_key("a", "f", plain, "m")
    others = [
        ("b", "f", plain, "m"),
        ("a", "g", plain, "m"),
        ("a", "f", plain, "n"),
        ("a", "f", replace(plain, loop="hold"), "m"),
        ("a", "f", replace(plain, engine="other"), "m"),
        ("a", "f", replace(plain, on_missing_face="hold"), "m"),
        ("a", "f", replace(plain, face=Person("left")), "m"),
        ("a", "f", replace(plain, encode=EncodeOptions(crf=19)), "m"),
        ("a", "f", replace(plain, encode=EncodeOptions(preset="slow")), "m"),
        ("a", "f", replace(plain, encode=EncodeOptions(encoder="libx264")), "m"),
    ]
    assert len({key, *(content_key(*other) for other in others)}) == 1 + len(others)
    assert content_key("a", "f", replace(plain, cache=False, encode=EncodeOptions(threads=3)), "m") == key


def test_the_models_are_part_of_it(monkeypatch, tmp_path):
    usual = models_digest(os.environ)
    (tmp_path / "model.bin").write_bytes(b"another")
    monkeypatch.setenv("HEYGEM_WHISPER_MODEL", str(tmp_path))
    assert models_digest(os.environ) != usual


def test_a_plan_reads_the_files(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"a")
    (tmp_path / "f.mp4").write_bytes(b"f")
    rows = [CheckedRow(make_row(1, folder=tmp_path), 2.0)]
    (job,) = make_plan(rows, {}, {"mesh": "m"}, RerunOptions("now"))
    assert (job.action, job.audio_seconds, job.needs_rendering) == ("do", 2.0, True)
    state = JobState("failed", job.key, "out.mp4", "before")
    assert make_plan(rows, {"row1": state}, {"mesh": "m"}, RerunOptions("now"))[0].action == "failed"
    (tmp_path / "a.wav").write_bytes(b"b")
    (changed,) = make_plan(rows, {"row1": state}, {"mesh": "m"}, RerunOptions("now"))
    assert (changed.action, changed.needs_rendering) == ("changed", True)


def test_an_input_that_goes_while_the_plan_is_made_costs_the_others_nothing(tmp_path):
    (tmp_path / "f.mp4").write_bytes(b"f")
    rows = [CheckedRow(make_row(1, folder=tmp_path), 2.0), CheckedRow(make_row(2), 2.0)]
    rows[1] = replace(
        rows[1], row=replace(rows[1].row, job=RenderJob(Path("/proc/self/mem"), tmp_path / "f.mp4", Path()))
    )
    gone, unreadable = make_plan(rows, {}, "m", RerunOptions("now"))
    assert (gone.action, gone.reason) == ("failed", f"{tmp_path}/a.wav: No such file or directory")
    assert (unreadable.action, unreadable.reason) == ("failed", "/proc/self/mem: Input/output error")
