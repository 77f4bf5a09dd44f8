"""Counting the messages of HeyGem's log, and the checks that use the counts."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.log_checks import log, message, stuck
from heygem_cli.doctor.log_file import MAX_BYTES, read_log
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation.log_messages import MESSAGES
from heygem_tree import DONE, JOB, STARTED, make_installation

KINDS = {each.name: each for each in MESSAGES}


def line(text: str, time: str = "2025-03-18 12:55:00") -> str:
    return f"[{time},123] [run.py[line:99]] [ERROR] [{text}]\n"


LINES = {
    "queue-full": line("任务视频驱动队列满，严重阻塞，下游队列异常"),
    "startup-timeout": line("[T1]任务执行失败，异常信息:[]"),
    "many-faces": line("[T1]任务执行失败，异常信息:[存在多人脸]"),
    "no-face": line("[T1]init_wh result :[0]， cost: 8.38 s"),
    "format-error": line("[T1]预处理失败，异常信息:[format video error]"),
    "audio-length": line("三次获取音频时长失败"),
    "preprocessing": line("[T1]预处理失败，异常信息:[no such file]"),
    "frame-queue": line("[T1]视频帧队列处理异常结束，异常原因:[broken]"),
    "digital-human": line("数字人处理失败，失败原因:[broken]"),
    "no-result": line("no final result"),
    "no-kernel": "RuntimeError: CUDA error: no kernel image is available for execution on the device\n",
    "onnxruntime": "[E:onnxruntime:Default] Failed to load library libonnxruntime_providers_cuda.so with error: x\n",
    "job-failed": line("[T1]任务执行失败，异常信息:[odd]"),
}


def write(tmp_path, *parts: str, encoding: str = "utf-8") -> Inputs:
    path = tmp_path / "dh.log"
    path.write_bytes("".join(parts).encode(encoding))
    return Inputs(log=path)


def findings(inputs: Inputs) -> dict[str, str]:
    content = log(inputs)
    return {name: message(inputs, content, kind=kind).status for name, kind in KINDS.items()}


def test_each_message_has_an_example():
    assert set(LINES) == set(KINDS)


def test_log_without_problems(tmp_path):
    inputs = write(tmp_path, STARTED, JOB, DONE)
    assert set(findings(inputs).values()) == {"ok"}
    assert stuck(inputs, log(inputs)).found == "no job is running"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_message_is_counted_once(tmp_path, name, encoding):
    inputs = write(tmp_path, STARTED, JOB, LINES[name], LINES[name], encoding=encoding)
    status = "fail" if KINDS[name].needs_restart else "warn"
    assert findings(inputs) == {each: status if each == name else "ok" for each in KINDS}
    finding = message(inputs, log(inputs), kind=KINDS[name])
    # Lines of native code have no time, so that of the previous line is reported.
    time = "12:55:00" if LINES[name].startswith("[2025") else "12:52:08"
    assert finding.found == f"2 since the last start, most recently 2025-03-18 {time}"
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
    os.utime(inputs.log, (1_000_000, 1_000_000))
    inputs = Inputs(log=inputs.log, now=1_000_000 + minutes * 60)
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
    inputs = Inputs(log=path)
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
    assert log(Inputs(log=path)).status == "fail"


def test_log_of_the_installation(tmp_path):
    home = make_installation(tmp_path)
    assert log(Inputs(home=home)).path == home / "log/dh.log"
    (home / "log/dh.log").unlink()
    assert log(Inputs(home=home)).status == "skip"
    assert log(Inputs()).status == "skip"


@given(st.binary(max_size=500), st.lists(st.sampled_from([STARTED, JOB, DONE, *LINES.values()]), max_size=12))
def test_any_bytes_can_be_read(tmp_path_factory, noise, parts):
    path = tmp_path_factory.mktemp("log") / "dh.log"
    path.write_bytes("".join(parts).encode() + noise + "".join(parts).encode())
    content = read_log(path)
    assert sum(each.before_start + each.since_start for each in content.counts.values()) <= 2 * len(parts) + 1
