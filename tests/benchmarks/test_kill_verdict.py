"""Tests of the benchmark that kills runs: it finds every process, and notices what a kill did."""

import subprocess
import time
from fractions import Fraction
from pathlib import Path
from signal import Signals

import pytest
from benchmarks.batch_kills import KillPlan, measure_kills
from benchmarks.kill_kinds import STOPS, VICTIMS, Kind, all_kinds
from benchmarks.kill_moments import Sent, role
from benchmarks.kill_run import KillRun
from benchmarks.kill_verdict import expected_statuses, judge_end, judge_files, judge_next_run

from heygem_cli.files import PART_SUFFIX, file_digest
from heygem_cli.media import arguments
from heygem_cli.media.types import AudioInfo, ColorTags, VideoInfo

READY = Sent("drawing", 0.0, ready=True, finished=False)
STOPPED = Kind("batch", "command", Signals.SIGTERM)
KILLED = Kind("batch", "command", Signals.SIGKILL)


@pytest.fixture
def run(tmp_path, clip):
    """A run without a command, with both outputs."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "m.csv").write_text("")
    run = KillRun(tmp_path / "run", "batch", inputs)
    run.batch.cache.mkdir()
    for output in run.outputs:
        output.write_bytes(clip.read_bytes())
    return run


@pytest.fixture
def expected(run):
    return {output.name: file_digest(output) for output in run.outputs}


def started(run, script):
    """Run a shell script instead of heygem, and write its standard error where that of heygem would be."""
    log = run.batch.folder.parent / "stderr"
    with log.open("wb") as file:
        run.process = subprocess.Popen(["sh", "-c", script], stderr=file)
    return run.wait(10)


def faults(found):
    return [kind for kind, _ in found]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo error: stopped by SIGTERM >&2; exit 143", []),
        ("exit 143", ["message"]),
        ("echo error: stopped by SIGHUP >&2; exit 143", ["message"]),
        ("kill -TERM $$", ["status"]),
        ("echo error: stopped by SIGTERM >&2; exit 1", ["status"]),
        ("exit 0", ["status"]),
        ("echo Traceback >&2; echo error: stopped by SIGTERM >&2; exit 143", ["message"]),
    ],
)
def test_end_of_a_stopped_command_is_judged_by_status_and_message(run, script, found):
    status = started(run, script)
    assert faults(judge_end(run, STOPPED, READY, status, 1.0)) == found


def test_python_that_is_interrupted_while_it_starts_says_so_itself(run):
    status = started(run, "echo Fatal Python error: init_import_site >&2; exit 1")
    starting = Sent("before heygem starts", 0.0, ready=False, finished=False)
    assert faults(judge_end(run, STOPPED, starting, status, 0.1)) == []
    assert faults(judge_end(run, STOPPED, READY, status, 0.1)) == ["status"]


def test_slow_and_endless_stops_are_noticed(run):
    status = started(run, "echo error: stopped by SIGTERM >&2; exit 143")
    assert faults(judge_end(run, STOPPED, READY, status, 5.1)) == ["slow"]
    assert faults(judge_end(run, STOPPED, READY, None, 60)) == ["stuck"]


@pytest.mark.parametrize(
    ("kind", "sent", "statuses"),
    [
        (STOPPED, READY, {143}),
        (STOPPED, Sent("end", 0.0, ready=True, finished=True), {143, 0}),
        (STOPPED, Sent("", 0.0, ready=False, finished=False), {143, -15, 1}),
        (KILLED, READY, {-9}),
        (KILLED, Sent("", 0.0, ready=False, finished=False), {-9}),
        (KILLED, Sent("", 0.0, ready=False, finished=True), {-9, 0}),  # it was exiting
        (Kind("batch", "worker", Signals.SIGKILL), READY, {0}),
        (Kind("batch", "encoder", Signals.SIGKILL), READY, {0}),
        (Kind("render", "encoder", Signals.SIGKILL), READY, {0, 1}),
        (Kind("render", "parent shell", Signals.SIGHUP), READY, {0}),
    ],
)
def test_expected_status(kind, sent, statuses):
    assert expected_statuses(kind, sent) == statuses


def test_whole_outputs_alone_are_good(run, expected):
    (run.batch.folder / "m.csv.journal.jsonl").write_text("")
    assert not [*judge_files(run, STOPPED, 143, expected), *judge_next_run(run, 0, expected)]


def test_cut_and_missing_outputs_are_lost(run, expected, clip):
    cut, missing = run.outputs
    cut.write_bytes(clip.read_bytes()[:-1000])
    missing.unlink()
    assert faults(judge_files(run, STOPPED, 143, expected)) == ["lost"]
    assert faults(judge_files(run, STOPPED, 0, expected)) == ["lost", "lost"]
    assert faults(judge_next_run(run, 0, expected)) == ["lost", "lost"]


@pytest.mark.parametrize("name", [f"list/.job0.1{PART_SUFFIX}", "tmp/heygem-job-1/face.mp4", "cache/tracks/.1.part"])
def test_files_may_be_left_behind_only_until_the_next_run_after_sigkill(run, expected, name):
    path = run.batch.folder.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert faults(judge_files(run, KILLED, -9, expected)) == []
    assert faults(judge_files(run, STOPPED, 143, expected)) == ["left"]
    assert faults(judge_next_run(run, 0, expected)) == ["left"]


def test_process_that_stays_is_left_behind(run):
    run.process = subprocess.Popen(["sleep", "60"], env={"HEYGEM_CACHE_DIR": str(run.batch.cache)})
    end = time.monotonic() + 10
    while (found := run.wait_for_processes(0.1)) != ["sleep 60 "] and time.monotonic() < end:
        pass
    run.kill_all()
    assert found == ["sleep 60 "]
    assert run.wait_for_processes(5) == []


def test_every_ffmpeg_has_a_role(clip):
    video = VideoInfo(clip, 64, 64, Fraction(25), 1, False, "h264", "yuv420p", ColorTags())
    audio = AudioInfo(Path("a.wav"), 1.0, "pcm_s16le", 16000, 1)
    commands = {
        "decoder": arguments.decode_video_args(video),
        "audio decoder": arguments.decode_audio_args(audio, 16000),
        "audio check": arguments.check_audio_args(audio),
        "encoder": arguments.encode_args(video, audio, Path("o.mp4"), seconds=1, codec=[]),
        "encoder test": arguments.encoder_test_args("h264_nvenc", 64, 64),
    }
    copied = [("audio check", arguments.copy_audio_args(audio)), ("audio check", arguments.check_audio_args(None))]
    for name, args in [*commands.items(), *copied]:
        assert role([b"/bin/ffmpeg", *(arg.encode() for arg in args)]) == name
    assert role([b"python", b"-m", b"heygem_cli", b"batch"]) == ""


def test_kinds_cover_every_victim_and_signal():
    kinds = all_kinds(1)
    assert len(set(kinds)) == len(kinds) > 90
    assert {kind.victim for kind in kinds} == set(VICTIMS)
    assert {kind.signal for kind in kinds if kind.victim == "command"} > set(STOPS)
    assert all(kind.moments for kind in kinds)


def test_kill_is_delivered_and_recorded(tmp_path):
    targets, (record,) = measure_kills(tmp_path, KillPlan(count=1, jobs=1))
    assert (record.faults, record.next_status) == ([], 0)
    assert all(target.reached for target in targets)
    assert {path.name for path in tmp_path.iterdir()} == {"inputs", "reference"}
