"""Counting the messages of HeyGem's log, and the checks that use the counts."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_checks import interrupted, log, log_format, message, stuck
from heygem_cli.doctor.log_file import MAX_BYTES, read_log, read_texts
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.log_messages import MESSAGES
from heygem_tree import (
    CONFIG,
    DONE,
    JOB,
    NEWER_DONE,
    NEWER_DRAWING,
    NEWER_FAILED,
    NEWER_JOB,
    NEWER_STARTED,
    RELEASED,
    STARTED,
    console,
    make_installation,
)

KINDS = {each.name: each for each in MESSAGES}


def line(text: str, time: str = "2025-03-18 12:55:00") -> str:
    return f"[{time},123] [run.py[line:99]] [ERROR] [{text}]\n"


LINES = {
    "no-driver": "RuntimeError: Found no NVIDIA driver on your system.\n",
    "driver-too-old": "CUDA failure 804: forward compatibility was attempted on non supported HW\n",
    "no-kernel": "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch "
    "installation.\n",
    "cuda-missing": "*************** EP Error ***************\nFalling back to ['CPUExecutionProvider']\n",
    "out-of-memory": line("[T1]任务执行失败，异常信息:[CUDA out of memory. Tried to allocate 2.00 GiB]"),
    "no-threads": "libgomp: Thread creation failed: Resource temporarily unavailable\n",
    "missing-module": "ModuleNotFoundError: No module named 'trans_dh_service'\n",
    "numexpr-missing": line("数字人处理失败，失败原因:['NoneType' object has no attribute 'evaluate']"),
    "no-space": line("[T1]任务执行失败，异常信息:[[Errno 28] No space left on device]"),
    "worker-died": "Segmentation fault (core dumped)\n",
    "ffmpeg-missing": "sh: 1: ffmpeg: not found\n",
    "av-transfer-blocked": line("[T1] ->av_transfer maybe blocked, restart..."),
    "queue-full": line("[T1]任务视频驱动队列满，严重阻塞，下游队列异常"),
    "startup-timeout": line("[T1]任务执行失败，异常信息:[]"),
    "many-faces": line("[T1]任务执行失败，异常信息:[存在多人脸]"),
    "no-face": line("[T1]init_wh result :[0]， cost: 8.38 s"),
    "format-error": line("[T1]预处理失败，异常信息:[format video error]"),
    "audio-format": line("[T1]预处理失败，异常信息:[format audio error]"),
    "audio-length": line("三次获取音频时长失败"),
    "preprocessing": line("[T1]预处理失败，异常信息:[no such file]"),
    "frame-queue": line("[T1]视频帧队列处理异常结束，异常原因:[broken]"),
    "digital-human": line("数字人处理失败，失败原因:[broken]"),
    "no-result": line("no final result"),
    "onnxruntime": "[E:onnxruntime:Default, sequential_executor.cc:514] Non-zero status code returned\n",
    "job-failed": line("[T1]任务执行失败，异常信息:[odd]"),
}
COMPUTED = {"too-early", "stuck-at-5"}


def write(tmp_path, *parts: str, encoding: str = "utf-8") -> Inputs:
    path = tmp_path / "dh.log"
    path.write_bytes("".join(parts).encode(encoding))
    return inputs_of(path)


def inputs_of(*paths: Path, now: float = 0.0) -> Inputs:
    return Inputs(logs=tuple(read_texts(paths)), now=now)


def problems(inputs: Inputs) -> dict[str, str]:
    return {name: status for name, status in findings(inputs).items() if status != "ok"}


def findings(inputs: Inputs) -> dict[str, str]:
    content = log(inputs)
    return {name: message(inputs, content, kind=kind).status for name, kind in KINDS.items()}


def test_each_message_has_an_example():
    assert set(LINES) | COMPUTED == set(KINDS)


def test_log_without_problems(tmp_path):
    inputs = write(tmp_path, STARTED, JOB, DONE)
    assert set(findings(inputs).values()) == {"ok"}
    assert stuck(inputs, log(inputs)).found == "no job is running"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", sorted(LINES))
def test_each_message_is_counted_once(tmp_path, name, encoding):
    inputs = write(tmp_path, STARTED, JOB, LINES[name], LINES[name], encoding=encoding)
    status = "fail" if KINDS[name].needs_restart else "warn"
    assert findings(inputs) == {each: status if each == name else "ok" for each in KINDS}
    finding = message(inputs, log(inputs), kind=KINDS[name])
    # Lines of native code have no time, so that of the previous line is reported.
    time = "12:55:00" if LINES[name].startswith("[2025") else "12:52:08"
    assert finding.found == f"1 job since the last start, most recently 2025-03-18 {time}"
    assert finding.why == KINDS[name].meaning
    assert finding.fix


def test_messages_before_the_last_start_are_ok(tmp_path):
    inputs = write(tmp_path, STARTED, LINES["queue-full"], STARTED)
    assert set(findings(inputs).values()) == {"ok"}
    found = message(inputs, log(inputs), kind=KINDS["queue-full"]).found
    assert found == "1 before the last start, most recently 2025-03-18 12:55:00; none since"


@pytest.mark.parametrize(
    ("parts", "minutes", "status"),
    [
        ((STARTED, JOB), 9, "ok"),
        ((STARTED, JOB), 11, "fail"),
        ((STARTED, JOB, DONE), 60, "ok"),
        ((STARTED, JOB, LINES["format-error"]), 60, "ok"),
        ((STARTED, JOB, STARTED), 60, "ok"),
        # The log continues, but not with this job.
        ((STARTED, JOB, line("query", "2025-03-18 13:10:00")), 0, "fail"),
        ((STARTED, JOB, line("query", "2025-03-18 12:59:00")), 0, "ok"),
    ],
)
def test_stuck_job(tmp_path, parts, minutes, status):
    inputs = write(tmp_path, *parts)
    path = inputs.logs[0].path
    os.utime(path, (1_000_000, 1_000_000))
    inputs = inputs_of(path, now=1_000_000 + minutes * 60)
    finding = stuck(inputs, log(inputs))
    assert finding.status == status
    assert status == "ok" or finding.found.startswith("job T1: last progress ")


def test_only_the_end_of_a_large_log_is_read(tmp_path):
    path = tmp_path / "dh.log"
    with path.open("wb") as file:
        file.write(LINES["queue-full"].encode())
        file.seek(3 << 30)
        # The part that is read begins in the middle of a character.
        file.write(("数" * (MAX_BYTES // 3)).encode() + b"\n" + LINES["no-result"].encode())
    inputs = inputs_of(path)
    statuses = findings(inputs)
    assert (statuses["no-result"], statuses["queue-full"]) == ("fail", "ok")
    assert message(inputs, log(inputs), kind=KINDS["queue-full"]).found == "none in the last 8 MiB"


@pytest.mark.parametrize("kind", ["missing", "is-directory", "not-a-file"])
def test_unreadable_log(tmp_path, kind):
    path = tmp_path / kind
    if kind == "is-directory":
        path.mkdir()
    elif kind == "not-a-file":
        os.mkfifo(path)
    with pytest.raises(InputError) as caught:
        read_log(path)
    assert caught.value.code == kind


def test_log_of_the_installation(tmp_path):
    home = make_installation(tmp_path)
    assert log(Inputs(home=home)).names == str(home / "log/dh.log")
    (home / "log/dh.log").unlink()
    assert log(Inputs(home=home)).status == "skip"
    assert log(Inputs()).status == "skip"


@given(st.binary(max_size=500), st.lists(st.sampled_from([STARTED, JOB, DONE, *LINES.values()]), max_size=12))
def test_any_bytes_can_be_read(tmp_path_factory, noise, parts):
    path = tmp_path_factory.mktemp("log") / "dh.log"
    path.write_bytes("".join(parts).encode() + noise + "".join(parts).encode())
    content = read_log(path)
    assert sum(each.before_start + each.since_start for each in content.counts.values()) <= 2 * len(parts) + 1


def test_one_failed_job_that_writes_its_cause_three_times_is_counted_once(tmp_path):
    cause = "[T1]预处理失败，异常信息:[format video error]"
    failed = line(cause) + "Exception: format video error\n" + line(f"[T1]任务执行失败，异常信息:[{cause}]") + DONE
    second = failed.replace("T1", "T2")
    inputs = write(
        tmp_path, STARTED, JOB, failed, JOB.replace("T1", "T2"), second, "custom.CustomError: format video error\n"
    )
    assert problems(inputs) == {"format-error": "warn"}
    assert message(inputs, log(inputs), kind=KINDS["format-error"]).found.startswith("2 jobs since the last start")


def test_missing_numexpr_is_the_cause_of_the_stopped_frame_queue(tmp_path):
    cause = "[数字人处理失败，失败原因:['NoneType' object has no attribute 'evaluate']]"
    failed = line(f"Custom VideoWriter [T1]任务视频帧队列 -> 异常原因:{cause}")
    failed += line(f"Custom VideoWriter [T1]视频帧队列处理异常结束，异常原因:{cause}")
    traceback = "AttributeError: 'NoneType' object has no attribute 'evaluate'\n"
    for lines in (failed, traceback + failed):
        inputs = write(tmp_path, STARTED, JOB, lines, DONE)
        assert problems(inputs) == {"numexpr-missing": "warn"}
        assert stuck(inputs, log(inputs)).found == "no job is running"


def test_late_ready_line_is_no_restart(tmp_path):
    init, first, second = STARTED.splitlines(keepends=True)
    inputs = write(tmp_path, init, first, JOB, LINES["queue-full"], second)
    assert problems(inputs) == {"queue-full": "fail"}
    inputs = write(tmp_path, init, JOB, LINES["startup-timeout"], second, first)
    assert problems(inputs) == {"too-early": "fail"}


@pytest.mark.parametrize(
    "prefix", ["", "heygem-gen-video | ", "2025-06-06T02:10:38.930Z ", "heygem  | 2025-06-06 10:10:38.93 | "]
)
def test_console_and_newer_format_are_read_with_every_prefix(tmp_path, prefix):
    inputs = write(tmp_path, console(STARTED + JOB + LINES["many-faces"], prefix))
    assert problems(inputs) == {"many-faces": "warn"}
    assert "most recently 2025-03-18 12:55:00" in message(inputs, log(inputs), kind=KINDS["many-faces"]).found
    newer = NEWER_STARTED + NEWER_JOB + NEWER_DRAWING + NEWER_FAILED
    inputs = write(tmp_path, console(newer, prefix))
    assert problems(inputs) == {"no-result": "fail"}
    assert log_format(inputs, log(inputs)).found.endswith("that of the newer image")
    assert stuck(inputs, log(inputs)).found == "no job is running"


def test_newer_image(tmp_path):
    job = NEWER_JOB + NEWER_DRAWING
    assert problems(write(tmp_path, NEWER_STARTED, job, NEWER_DONE)) == {}
    assert problems(write(tmp_path, NEWER_STARTED, NEWER_JOB, NEWER_FAILED)) == {"stuck-at-5": "fail"}
    # It empties its queues itself, so nothing has to be restarted.
    assert problems(write(tmp_path, NEWER_STARTED, job, NEWER_FAILED, RELEASED)) == {"no-result": "warn"}
    assert problems(write(tmp_path, NEWER_STARTED, job, NEWER_FAILED, NEWER_STARTED)) == {}
    blocked = NEWER_DRAWING.replace("get_aud_feat1 success", "av_transfer maybe blocked, restart")
    own_restart = NEWER_STARTED.splitlines(keepends=True)[:2]
    inputs = write(tmp_path, NEWER_STARTED, job, blocked, *own_restart, NEWER_DRAWING)
    assert problems(inputs) == {"av-transfer-blocked": "fail"}
    assert log(inputs).job.code == "T1"


def test_job_interrupted_by_a_restart_is_named_until_the_next_job(tmp_path):
    inputs = write(tmp_path, NEWER_STARTED, NEWER_JOB, NEWER_STARTED)
    assert interrupted(inputs, log(inputs)).found == "job T1 ran when HeyGem last started"
    inputs = write(tmp_path, NEWER_STARTED, NEWER_JOB, NEWER_STARTED, NEWER_JOB)
    assert interrupted(inputs, log(inputs)).status == "ok"


def test_long_final_encode_and_silent_drawing_are_not_stuck(tmp_path):
    frames = JOB.replace("frameId:4,", "frameId:6000,")
    encoding = line("[T1]视频帧队列处理已结束", "2025-03-18 12:52:10")
    for parts, minutes, status in (
        ((frames,), 11, "fail"),
        ((frames, encoding), 30, "ok"),
        ((frames, encoding), 61, "fail"),
        ((NEWER_STARTED, NEWER_JOB, NEWER_DRAWING), 38, "ok"),
        ((NEWER_STARTED, NEWER_JOB, NEWER_DRAWING), 41, "fail"),
    ):
        path = write(tmp_path, *parts).logs[0].path
        os.utime(path, (1_000_000, 1_000_000))
        inputs = inputs_of(path, now=1_000_000 + minutes * 60)
        assert stuck(inputs, log(inputs)).status == status, (parts, minutes)


def test_drawing_without_its_acceptance_is_a_job_of_unknown_name(tmp_path):
    inputs = write(tmp_path, JOB.splitlines(keepends=True)[-1])
    finding = stuck(inputs, log(inputs))
    assert finding.found.startswith("job of unknown name: last progress 0 minutes ago at frame 4")


def test_several_logs_of_the_same_heygem_are_one(tmp_path):
    job = JOB + LINES["many-faces"]
    (tmp_path / "a.log").write_text(STARTED + job)
    (tmp_path / "b.log").write_text(console(STARTED + job))
    (tmp_path / "c.log").write_text(STARTED.replace("12:4", "11:4") + LINES["queue-full"].replace("12:55", "11:55"))
    inputs = inputs_of(*(tmp_path / name for name in ("a.log", "b.log", "c.log")))
    assert problems(inputs) == {"many-faces": "warn"}
    content = log(inputs)
    assert message(inputs, content, kind=KINDS["many-faces"]).found.startswith("1 job since")
    assert message(inputs, content, kind=KINDS["queue-full"]).found.startswith("1 before the last start")


def test_job_that_fails_at_once_in_two_logs_is_one_job(tmp_path):
    accepted = line("任务:T1 -> audio_url:./a.wav  video_url:./v.mp4")
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text(STARTED + accepted + LINES["format-error"])
    inputs = inputs_of(tmp_path / "a.log", tmp_path / "b.log")
    assert message(inputs, log(inputs), kind=KINDS["format-error"]).found.startswith("1 job since")


def test_standard_input_is_read(monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO((STARTED + LINES["queue-full"]).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    inputs = inputs_of(Path("-"))
    assert problems(inputs) == {"queue-full": "fail"}
    assert log(inputs).names == "standard input"


@pytest.mark.parametrize(
    "text",
    [
        "2025-05-27 10:00:00,000 - INFO - task added to the database\n",
        "2025-04-04 10:26:34 [debug] ~ getVideoStatus ~ res: {}\n",
        "hello\n",
    ],
)
def test_log_of_another_program_is_not_called_ok(tmp_path, text):
    inputs = write(tmp_path, text * 3)
    content = log(inputs)
    assert log_format(inputs, content).status == "warn"
    assert set(findings(inputs).values()) == {"skip"}
    assert stuck(inputs, content).status == interrupted(inputs, content).status == "skip"
    empty = write(tmp_path)
    assert log_format(empty, log(empty)).status == "skip"


def test_log_named_by_config_ini_or_of_the_container_is_found(tmp_path):
    home = make_installation(tmp_path)
    (home / "log/dh.log").rename(home / "out.log")
    assert log(Inputs(home=home)).status == "skip"
    (home / "config/config.ini").write_text(CONFIG.replace("./log\nlog_file = dh.log", "./\nlog_file = out.log"))
    assert log(Inputs(home=home)).names == str(home / "out.log")
    (home / "data/log").mkdir(parents=True)
    (home / "out.log").rename(home / "data/log/dh.log")
    assert log(Inputs(home=home)).names == str(home / "data/log/dh.log")


@pytest.mark.parametrize(
    "text",
    [
        LINES["no-threads"],
        "OpenBLAS blas_thread_init: pthread_create failed for thread 31 of 32: Resource temporarily unavailable\n",
        line("[T1]任务执行失败，异常信息:[can't start new thread]"),
    ],
)
def test_threads_that_cannot_be_started_are_the_cause_of_a_full_queue(tmp_path, text):
    inputs = write(tmp_path, STARTED, JOB, text, LINES["queue-full"])
    content = log(inputs)
    assert message(inputs, content, kind=KINDS["no-threads"]).status == "fail"
    assert message(inputs, content, kind=KINDS["queue-full"]).status == "ok"
