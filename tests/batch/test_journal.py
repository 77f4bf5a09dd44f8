"""Tests of the journal, which loses at most the line that is being written."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.batch.journal import JobState, apply_event, open_journal, parse_events, replay
from heygem_cli.errors import InputError

IDS = st.sampled_from(["a", "b"])
EVENTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"event": st.just("started"), "id": IDS, "key": st.sampled_from(["k1", "k2"]), "output": st.just("o")}
        ),
        st.fixed_dictionaries(
            {
                "event": st.sampled_from(["done", "failed", "interrupted", "died", "retrying"]),
                "id": IDS,
                "error": st.fixed_dictionaries({"message": st.text()}),
            }
        ),
    ),
    max_size=8,
)


def lines(events):
    whole = [{"run": "r", "time": float(number), **event} for number, event in enumerate(events)]
    return whole, b"".join(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for event in whole)


@given(EVENTS, st.data())
def test_truncated_journal_gives_a_prefix_of_its_events(events, data):
    _, written = lines(events)
    whole = parse_events(written)
    cut = written[: data.draw(st.integers(0, len(written)))]
    found = parse_events(cut)
    assert found == whole[: len(found)]
    assert len(found) == cut.count(b"\n")


@given(EVENTS)
def test_trailing_zeros_are_ignored(events):
    _, written = lines(events)
    assert parse_events(written + b"\0" * 50) == parse_events(written)


@given(EVENTS, st.integers(0, 60))
def test_truncated_journal_is_continued(tmp_path_factory, events, missing):
    path = tmp_path_factory.mktemp("journal") / "j"
    _, written = lines(events)
    path.write_bytes(written[: max(0, len(written) - missing)])
    before = parse_events(path.read_bytes())
    with open_journal(path) as journal:
        journal.write("run", run="new")
    found = parse_events(path.read_bytes())
    assert found[:-1] == before
    assert found[-1]["run"] == "new"


def test_invalid_line_is_an_error_with_its_number():
    good = b'{"event": "run", "run": "r", "time": 1}\n'
    failed = {"event": "failed", "run": "r", "time": 1, "id": "a"}
    others = [failed | {"error": 5}, failed | {"error": {"code": 1}}, failed | {"seconds": "1"}, failed | {"id": 1},
              failed | {"result": []}, failed | {"result": {"bytes": "1"}}, failed | {"time": 1e999}]  # fmt: skip
    bad_lines = [b"?\n", b"[]\n", b'{"event": "run", "run": "r"}\n', b'{"event": "started", "run": "r", "time": 1}\n']
    for bad in (*bad_lines, *(json.dumps(other).encode() + b"\n" for other in others)):
        with pytest.raises(InputError, match="m\\.jsonl: line 2 is not an event"):
            parse_events(good + bad + good, "m.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "[" * 10**4,
        '{"event": "run", "run": "r", "time": 1, "x": ' + "[" * 10**5 + "]" * 10**5 + "}",
        '{"event": "run", "run": "r", "time": ' + "9" * 400 + "}",
        '{"event": "run", "run": "r", "time": ' + "9" * 5000 + "}",
        '{"event": "run", "run": "r", "time": -1e308}',
        '{"event": "run", "run": "r", "time": NaN}',
        '{"event": "done", "id": "a", "run": "r", "time": 1, "seconds": -Infinity}',
        '{"event": "done", "id": "a", "run": "r", "time": 1, "seconds": 1e16}',
        '{"event": "done", "id": "a", "run": "r", "time": 1, "result": {"bytes": ' + "9" * 400 + "}}",
        '{"event": "done", "id": "a", "run": "r", "time": 1, "result": {"frame_rate": "1e999999999"}}',
        '{"event": "done", "id": "a", "run": "r", "time": 1, "result": {"fps": "' + "9" * 400 + '"}}',
        '{"event": "done", "id": "a", "run": "r", "time": 1, "sha256": 5}',
    ],
)
def test_absurd_values_are_a_damaged_line(line):
    with pytest.raises(InputError, match="line 1 is not an event"):
        parse_events(line.encode() + b"\n")


def test_journal_that_is_not_a_regular_file_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="the journal is not a file"):
            replay([path])
    with pytest.raises(InputError, match=r"mem: the journal cannot be read \(Input/output error\)"):
        replay([Path("/proc/self/mem")])


def test_written_event_survives_a_kill(tmp_path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom heygem_cli.batch.journal import open_journal\n"
        "with open_journal(Path(sys.argv[1])) as journal:\n"
        "    journal.write('started', run='r', id='ä\\n', key='k', output='o')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=False)
    assert replay([tmp_path / "j"]) == {"ä\n": JobState("started", "k", "o", "r", attempts=1)}


def test_full_disk_is_an_error_and_leaves_no_partial_line(tmp_path):
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom heygem_cli.batch.journal import open_journal\n"
        "from heygem_cli.errors import HeygemError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "with open_journal(Path(sys.argv[1])) as journal:\n"
        "    try:\n        while True: journal.write('run', run='x' * 100)\n"
        "    except HeygemError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=True, capture_output=True, text=True)
    assert "the journal cannot be written: File too large" in done.stdout
    assert (tmp_path / "j").read_bytes().endswith(b"\n")
    assert len(parse_events((tmp_path / "j").read_bytes())) == 2


def test_events_of_several_journals_apply_in_chronological_order(tmp_path):
    def event(name, time, **fields):
        return (
            json.dumps({"event": name, "time": time, "run": "r", "id": "a", "key": "k", "output": "o", **fields}) + "\n"
        )

    (tmp_path / "1").write_text(event("started", 1) + event("started", 5) + event("done", 6))
    # The clock was set back between the two lines.
    (tmp_path / "2").write_text(event("started", 3) + event("failed", 2, error={"code": "x"}))
    assert replay([tmp_path / "1"])["a"].status == "done"
    state = replay([tmp_path / "1", tmp_path / "2"])["a"]
    assert (state.status, state.attempts) == ("done", 3)
    assert replay([tmp_path / "2"])["a"].status == "failed"


def test_unwritable_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="beside the manifest"), open_journal(tmp_path / "no" / "j"):
        pass


def states_of(*kinds, key="k"):
    states = {}
    for kind in kinds:
        apply_event(states, {"event": kind, "id": "a", "key": key, "output": "o", "run": "r"})
    return states["a"]


def test_attempts_are_counted_until_the_key_changes():
    assert states_of("started", "failed", "started", "interrupted", "started").attempts == 3
    states = {"a": states_of("started", "failed", "started")}
    apply_event(states, {"event": "started", "id": "a", "key": "other", "output": "o", "run": "r"})
    assert states["a"] == JobState("started", "other", "o", "r", attempts=1)


@pytest.mark.parametrize(
    ("kinds", "crashed_too_often"),
    [
        (["started"], False),
        (["started", "started"], True),
        (["started", "interrupted", "started"], False),
        (["started", "started", "interrupted"], False),
        (["started", "started", "interrupted", "started"], True),
        (["started", "died", "started"], True),
        (["started", "died"], False),
        (["started", "died", "started", "died"], True),
        (["started", "started", "failed"], False),
        (["started", "started", "failed", "started"], False),
        (["started", "started", "done"], False),
    ],
)
def test_job_that_crashed_twice_is_not_tried_again(kinds, crashed_too_often):
    assert states_of(*kinds).crashed_too_often is crashed_too_often


def test_event_of_a_job_that_was_not_started_is_ignored():
    states = {}
    apply_event(states, {"event": "done", "id": "a", "run": "r"})
    apply_event(states, {"event": "run", "run": "r"})
    assert states == {}


def test_state_has_the_result():
    states = {"a": states_of("started")}
    apply_event(states, {"event": "done", "id": "a", "run": "s", "seconds": 2.5, "result": {"frames": 3}})
    result = {"frames": 3}
    assert states["a"] == replace(
        states_of("started"), status="done", run="s", made=frozenset({"None bytes"}), seconds=2.5, result=result
    )


ONE, TWO = "1" * 64, "2" * 64


def made_by(*events):
    """Return what a job made; each event is its kind, with the digest of the receipt."""
    states = {}
    for event in events:
        kind, _, digest = event.partition(" ")
        extra = {"sha256": digest} if digest else {}
        apply_event(states, {"event": kind, "id": "a", "key": "k", "output": "o", "run": "r", **extra})
    return states["a"].made


def test_job_owns_only_what_it_published():
    assert made_by("started") == made_by("started", "failed") == made_by("started", "interrupted") == frozenset()
    assert made_by("started", f"done {ONE}") == made_by("started", f"died {ONE}") == {ONE}
    assert made_by("started", f"done {ONE}", "started", "failed") == {ONE}  # the old output is still there
    assert made_by("started", f"done {ONE}", "started", f"interrupted {TWO}") == {ONE, TWO}
    assert made_by("started", f"done {ONE}", "started", f"done {TWO}") == {TWO}


def test_job_does_not_own_an_output_of_another_name():
    states = {"a": states_of("started", "done")}
    apply_event(states, {"event": "started", "id": "a", "key": "k", "output": "other", "run": "r"})
    assert states["a"].made == frozenset()


def test_journal_without_digests_tells_the_size():
    states = {"a": states_of("started")}
    apply_event(states, {"event": "done", "id": "a", "run": "r", "result": {"bytes": 7}})
    assert states["a"].made == {"7 bytes"}


def test_event_that_ends_a_job_takes_the_digest_from_the_receipt(tmp_path):
    job = {"run": "r", "id": "a", "key": "k", "output": "o"}
    with open_journal(tmp_path / "j.jsonl") as journal:
        journal.write("started", **job)
        journal.receipt.write_text(ONE)
        journal.write("done", run="r", id="a")
        assert not journal.receipt.exists()
        journal.write("started", **job)
        journal.receipt.write_text(TWO)  # and then the process is killed
    assert replay([tmp_path / "j.jsonl"])["a"].made == {ONE, TWO}
    with open_journal(tmp_path / "j.jsonl") as journal:
        assert not journal.receipt.exists()
        journal.write("run", run="s")
    state = replay([tmp_path / "j.jsonl"])["a"]
    assert (state.made, state.status, state.crashes) == ({ONE, TWO}, "died", 1)


def test_receipt_that_is_not_ours_is_kept(tmp_path):
    (tmp_path / "j.receipt").write_text("of the user")
    with pytest.raises(InputError, match="Move it, or rename the manifest"), open_journal(tmp_path / "j.jsonl"):
        pass
    assert (tmp_path / "j.receipt").read_text() == "of the user"


@pytest.mark.parametrize("content", [b"my notes", b"first\nsecond", b'{"event": "run", "run": "r", "time": 1}\nnotes'])
def test_file_that_is_not_a_journal_is_kept(tmp_path, content):
    (tmp_path / "j.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="is not an event of a batch"), open_journal(tmp_path / "j.jsonl"):
        pass
    assert (tmp_path / "j.jsonl").read_bytes() == content


def test_state_has_only_what_is_used_of_a_result():
    states = {}
    apply_event(states, {"event": "started", "time": 1.0, "run": "r", "id": "a", "key": "k", "output": "o"})
    result = {"duration": 1.0, "frames": 25, "seconds": {"render": 1.0}, "engine": "mesh"}
    apply_event(states, {"event": "done", "time": 2.0, "run": "r", "id": "a", "result": result})
    assert states["a"].result == {"duration": 1.0, "frames": 25}
