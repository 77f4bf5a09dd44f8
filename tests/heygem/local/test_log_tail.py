"""HeyGem's log as it is written, and what its lines tell."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import HeygemError, InputError, NotCapableError
from heygem_cli.heygem.failures import AT_ONCE, KNOWN, PATTERNS, failure, most_telling, recognised
from heygem_cli.heygem.local.log_tail import LogTail


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "dh.log"
    path.write_text("before\n")
    return path


def write(path, text, mode="a"):
    with path.open(mode, encoding="utf-8") as file:
        file.write(text)


def test_only_what_is_written_from_now_on_is_given_and_only_whole_lines(log):
    tail = LogTail(log)
    assert tail.lines() == []
    write(log, "one\r\ntw")
    assert tail.lines() == ["one"]
    write(log, "o\n\n")
    assert tail.lines() == ["two", ""]


def test_a_log_that_comes_later_is_read_from_its_beginning(tmp_path):
    tail = LogTail(tmp_path / "dh.log")
    assert tail.lines() == []
    write(tmp_path / "dh.log", "one\n")
    assert tail.lines() == ["one"]


def test_a_log_that_is_turned_over_is_followed_to_its_end_and_then_the_new_one(log):
    tail = LogTail(log)
    write(log, "last\n")
    log.rename(log.with_suffix(".1"))
    write(log, "first\n")
    assert tail.lines() == ["last", "first"]
    log.unlink()
    assert tail.lines() == []


def test_a_log_that_is_cut_is_read_anew(log):
    tail = LogTail(log)
    os.truncate(log, 0)
    write(log, "new\n")
    assert tail.lines() == ["new"]


def test_a_log_of_another_locale_can_be_read(log):
    tail = LogTail(log)
    with log.open("ab") as file:
        file.write("存在多人脸\n".encode("gb18030"))
    assert tail.lines() == ["存在多人脸"]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5), st.data())
def test_lines_arrive_as_they_were_written_however_they_are_cut(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("log") / "dh.log"
    tail = LogTail(path)
    content = "".join(f"{line}\n" for line in lines).encode()
    place = data.draw(st.integers(0, len(content)))
    read = []
    for part in (content[:place], content[place:]):
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
        ("no final result", "no-result"),
        ("Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.11", "cuda-missing"),
        ("sh: 1: ffmpeg: not found", "ffmpeg-missing"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'", "ffmpeg-missing"),
        ("[C]任务执行失败，异常信息:[x]", "job-failed"),
    ],
)
def test_a_line_tells_what_went_wrong(line, code):
    assert most_telling(recognised(line)) == code


@pytest.mark.parametrize(
    "line",
    ["[C]init_wh result :[0.88]， cost: 8.38 s", "检测人脸使用GPU", ">>> 任务:C 耗时:59.3", "", "loading"],
)
def test_a_line_that_tells_of_no_failure(line):
    assert recognised(line) == set()


def test_every_failure_that_can_be_recognised_has_a_code_and_a_hint():
    assert set(PATTERNS) <= set(KNOWN)
    assert set(PATTERNS) >= AT_ONCE
    assert all(known.message and known.hint for known in KNOWN.values())


@pytest.mark.parametrize(
    ("code", "kind"), [("many-faces", InputError), ("wrong-python", NotCapableError), ("queue-full", HeygemError)]
)
def test_what_may_pass_is_tried_again_and_what_stays_is_not(tmp_path, code, kind):
    error = failure(code, tmp_path, "seen")
    assert type(error) is kind
    assert str(tmp_path) in error.message
    assert "(seen)" in error.message
