"""Reading the events of HeyGem's log: starts, jobs, progress and failures."""

from datetime import datetime

import pytest

from heygem_cli.heygem.installation.log_events import LogReader, read_event
from heygem_cli.heygem.installation.log_tail import LogTail
from heygem_tree import (
    DONE,
    JOB,
    NEWER_DONE,
    NEWER_DRAWING,
    NEWER_FAILED,
    NEWER_JOB,
    NEWER_STARTED,
    STARTED,
    console,
    newer,
)


def read(*parts: str) -> LogReader:
    reader = LogReader()
    reader.read_lines("".join(parts).splitlines())
    return reader


def old(time: str, text: str) -> str:
    return f"[2025-03-18 {time},123] [process.py[line:108]] [INFO] [{text}]\n"


def frame(time: str, number: int) -> str:
    return old(time, f"audio_transfer >>>>>>>>>>> 发送完成数据大小:4, frameId:{number}, cost:0.45s")


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        (old("12:00:00", "TransDhTask init"), "start", ""),
        (old("12:00:00", ">>> init_wh_process进程启动"), "ready", ""),
        (old("12:00:00", "任务:T1 -> audio_url:a.wav  video_url:v.mp4"), "accepted", "T1"),
        (old("12:00:00", "[T1] -> get_aud_feat1 cost:2.245s"), "progress", "T1"),
        (old("12:00:00", "[T1]任务视频驱动队列启动 batch_size:4"), "progress", "T1"),
        (frame("12:00:00", 8), "progress", ""),
        (old("12:00:00", "[8] -> chaofen  cost:0.2s"), None, None),
        (old("12:00:00", "[T1]任务数字人图片处理已完成"), "encoding", "T1"),
        (old("12:00:00", "[T1]任务执行失败，异常信息:[[T1]预处理失败，异常信息:[format video error]]"), "failed", "T1"),
        (old("12:00:00", ">>> 任务:T1 耗时:0.06167912483215332 "), "ended", "T1"),
        (old("12:00:00", '172.18.0.1 - - [16/Mar/2025 12:00:00] "GET /easy/query?code=T1 HTTP/1.1" 200 -'), None, None),
        (old("12:00:00", "Custom VideoWriter [T1]视频帧队列处理异常结束，异常原因:[x]"), "message", "T1"),
        (newer("10:00:00", "system ->init_wh_process start..."), "start", ""),
        (newer("10:00:00", "******************* TransDhServer服务启动 *******************"), "start", ""),
        (newer("10:00:00", "system ->av_transfer load success ..., cost:4.453s "), "ready", ""),
        (newer("10:00:00", "T1 ->audio_url:a.wav, video_url:v.mp4, chaofen:0, pn:1"), "accepted", "T1"),
        (newer("10:00:00", "T1 -> video_info:[30.0/720/1280/9.67], audio_info:[10.63]"), "progress", "T1"),
        (newer("10:00:00", "T1 ->get_aud_feat1 success, cost: 1.752s"), "progress", "T1"),
        (newer("10:00:00", "T2 -> busy "), None, None),
        (newer("10:00:00", "T1 -> 任务执行失败，异常信息:[no final result]"), "failed", "T1"),
        (newer("10:00:00", "system ->start to release queue..."), "released", ""),
        (newer("10:00:00", "system ->output_queue release end."), None, None),
        (newer("10:00:00", "T1 ->result info [] ,continue ..."), "message", "T1"),
        (newer("10:00:00", "T1 -> 耗时:0.159s "), "ended", "T1"),
        ("Traceback (most recent call last):", None, None),
        ("Stream #0:0 -> #0:0 (h264 (native) -> h264 (libx264))", None, None),
    ],
)
def test_line_is_recognised_with_its_job(line, kind, code):
    event = read_event(line)
    assert (event and event.kind, event and event.code) == (kind, code)
    if event and "[line:" in line:
        assert event.time == datetime.fromisoformat("2025-03-18 12:00:00" if line[0] == "[" else "2025-06-06 10:00:00")


def test_times_of_the_console_have_no_milliseconds():
    [line] = console(frame("12:00:03", 4), "heygem-gen-video  | ").splitlines()
    event = read_event(line)
    assert (event.kind, event.frame, event.time) == ("progress", 4, datetime(2025, 3, 18, 12, 0, 3))


def test_job_from_acceptance_to_its_end():
    accepted = JOB.splitlines(keepends=True)[0]
    total = old("12:52:00", "[T1]任务视频驱动队列启动 batch_size:4, len:150")
    reader = read(STARTED, accepted, total, frame("12:52:10", 4), frame("12:52:12", 20))
    job = reader.current
    assert (job.code, job.frames, job.total, job.frame_rate) == ("T1", 20, 150, 8.0)
    assert job.accepted == datetime(2025, 3, 18, 12, 51, 58)
    reader.read_lines(old("12:52:13", "[T1]视频帧队列处理已结束").splitlines())
    assert job.encoding
    reader.read_lines(DONE.splitlines())
    assert (reader.current, job.outcome, job.ended) == (None, "done", datetime(2025, 3, 18, 12, 53))


def test_failure_to_draw_is_written_in_no_line_of_its_own():
    failed = old("12:53:00", "[T1]视频帧队列处理异常结束，异常原因:[数字人处理失败，失败原因:[x]]")
    assert [job.outcome for job in read(STARTED, JOB, failed, DONE).jobs] == ["failed"]
    # The result was not there within 10 s: HeyGem then ends the job without the line that names the result.
    result = old("12:53:00", "[T1]任务最终合成结果: ./result/T1-r.mp4")
    jobs = read(STARTED, JOB, result, DONE, JOB.replace("T1", "T2"), DONE.replace("T1", "T2")).jobs
    assert [(job.outcome, job.causes) for job in jobs] == [("done", set()), ("failed", {"job-failed"})]
    assert "frame-queue" in read_event("[T1]任务视频驱动队列异常，异常信息:[x]").causes


def test_job_is_named_by_the_first_line_that_names_it():
    reader = read(frame("12:53:00", 2893), old("12:53:01", "[T1]任务数字人图片处理已完成"))
    assert [(job.code, job.frames, job.encoding) for job in reader.jobs] == [("T1", 2893, True)]


def test_missing_total_is_unknown():
    reader = read(STARTED, JOB.replace(", len:150", ""))
    assert (reader.current.frames, reader.current.total) == (4, None)


def test_job_of_the_newer_image():
    reader = read(NEWER_STARTED, NEWER_JOB)
    assert (reader.newer, reader.ready, reader.starts) == (True, True, 1)
    assert reader.current.audio_seconds == 10.63
    reader.read_lines((NEWER_DRAWING + NEWER_DONE).splitlines())
    assert [job.outcome for job in reader.jobs] == ["done"]
    assert [job.outcome for job in read(NEWER_STARTED, NEWER_JOB, NEWER_FAILED).jobs] == ["failed"]


def test_several_lines_of_a_start_are_one_start():
    init, first, second = STARTED.splitlines(keepends=True)
    serving = old("12:50:10", "******************* TransDhServer服务启动 *******************")
    assert read(init, first, serving, second).starts == 1
    assert read(init, first, serving, second, init, first, serving, second).starts == 2
    assert read(init, init).starts == 2  # it died while it started
    assert read(NEWER_STARTED).starts == 1
    assert read(NEWER_STARTED, NEWER_JOB, NEWER_STARTED).starts == 2


def test_ready_lines_come_in_any_order_and_late():
    init, first, second = STARTED.splitlines(keepends=True)
    for lines in ((init, first, JOB, second), (init, second, JOB, first)):
        reader = read(*lines)
        assert (reader.ready, reader.starts, reader.current.code) == (True, 1, "T1")
        assert not read(*lines[:-1]).ready


def test_start_interrupts_the_running_job():
    reader = read(STARTED, JOB, STARTED)
    assert [job.outcome for job in reader.jobs] == ["lost"]
    assert (reader.current, reader.first_job) == (None, 1)


def test_log_is_followed_with_what_was_written_before(tmp_path):
    path = tmp_path / "dh.log"
    path.write_text("x" * 100 + "\n" + STARTED)
    tail, reader = LogTail(path, backlog=len(STARTED.encode())), LogReader()
    assert [event.kind for event in reader.read_lines(tail.lines())] == ["start", "ready", "ready"]
    with path.open("a") as file:
        file.write(JOB)
    assert [event.kind for event in reader.read_lines(tail.lines())] == ["accepted", *["progress"] * 3]
    assert reader.current.frames == 4
    tail.close()
