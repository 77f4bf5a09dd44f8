"""Following HeyGem's log, and recognising failures in its lines."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.heygem.failures import FATAL, KNOWN, PATTERNS, find_codes, make_error, most_specific
from heygem_cli.heygem.installation.log_tail import LogTail


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "dh.log"
    path.write_text("before\n")
    return path


def write(path, text, mode="a"):
    with path.open(mode, encoding="utf-8") as file:
        file.write(text)


def test_tail_returns_only_new_and_complete_lines(log):
    tail = LogTail(log)
    assert tail.lines() == []
    write(log, "one\r\ntw")
    assert tail.lines() == ["one"]
    write(log, "o\n\n")
    assert tail.lines() == ["two", ""]


def test_log_created_later_is_read_from_its_beginning(tmp_path):
    tail = LogTail(tmp_path / "dh.log")
    assert tail.lines() == []
    write(tmp_path / "dh.log", "one\n")
    assert tail.lines() == ["one"]


def test_rotated_log_is_read_to_its_end_before_the_new_one(log):
    tail = LogTail(log)
    write(log, "last\n")
    log.rename(log.with_suffix(".1"))
    write(log, "first\n")
    assert tail.lines() == ["last", "first"]
    log.unlink()
    assert tail.lines() == []


def test_truncated_log_is_read_from_its_beginning(log):
    tail = LogTail(log)
    os.truncate(log, 0)
    write(log, "new\n")
    assert tail.lines() == ["new"]


def test_gb18030_log_is_decoded(log):
    tail = LogTail(log)
    with log.open("ab") as file:
        file.write("存在多人脸\n".encode("gb18030"))
    assert tail.lines() == ["存在多人脸"]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5), st.data())
def test_lines_written_in_parts_are_complete(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("log") / "dh.log"
    tail = LogTail(path)
    content = "".join(f"{line}\n" for line in lines).encode()
    cut = data.draw(st.integers(0, len(content)))
    read = []
    for part in (content[:cut], content[cut:]):
        with path.open("ab") as file:
            file.write(part)
        read += tail.lines()
    tail.close()
    assert read == lines


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("[C]任务执行失败，异常信息:[]", "startup-timeout"),
        ("任务视频驱动队列满，严重阻塞，下游队列异常", "queue-full"),
        ("[C]存在多人脸", "many-faces"),
        ("[C]init_wh result :[0]， cost: 8.38 s", "no-face"),
        ("[C]预处理失败，异常信息:[format video error]", "format-error"),
        ("三次获取音频时长失败", "audio-length"),
        (
            "数字人处理失败，失败原因:[CUDA error: no kernel image is available for execution]",
            "no-kernel",
        ),
        ("[C]任务执行失败，异常信息:[CUDA out of memory. Tried to allocate 2.00 GiB]", "out-of-memory"),
        ("[C]视频帧队列处理异常结束，异常原因:[x]", "frame-queue"),
        (
            "[C]视频帧队列处理异常结束，异常原因:['NoneType' object has no attribute 'evaluate']",
            "numexpr-missing",
        ),
        ("no final result", "no-result"),
        ("Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.11", "cuda-missing"),
        ("sh: 1: ffmpeg: not found", "ffmpeg-missing"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg-missing"),
        ("[C]任务执行失败，异常信息:[x]", "job-failed"),
    ],
)
def test_line_of_a_failure_is_recognised(line, code):
    assert most_specific(find_codes(line)) == code


@pytest.mark.parametrize(
    "line",
    ["[C]init_wh result :[0.88]， cost: 8.38 s", "检测人脸使用GPU", ">>> 任务:C 耗时:59.3", "", "loading"],
)
def test_other_lines_are_no_failure(line):
    assert find_codes(line) == set()


def test_every_recognised_failure_has_a_message_and_a_hint():
    assert set(PATTERNS) <= set(KNOWN)
    assert set(PATTERNS) >= FATAL
    assert all(known.message and known.hint for known in KNOWN.values())


@pytest.mark.parametrize(
    ("code", "kind"), [("many-faces", InputError), ("wrong-python", NotCapableError), ("queue-full", HeygemError)]
)
def test_class_of_an_error_tells_whether_a_retry_can_help(tmp_path, code, kind):
    error = make_error(code, tmp_path, "evidence")
    assert type(error) is kind
    assert str(tmp_path) in error.message
    assert "(evidence)" in error.message
