"""The state of HeyGem and of its job, from lines of its log in all three formats."""

import json
import subprocess
import sys
from enum import Enum
from itertools import permutations

import pytest

from heygem_cli.heygem import job_log
from heygem_cli.heygem.job_log import JobLog
from heygem_cli.heygem.local.worker_process import SCRIPTS

FILE = "[2025-03-18 12:52:07,560] [run.py[line:147]] [INFO] [{}]"
CONSOLE = "[2025-03-23 23:12:18] [process.py[line:108]] [INFO] [{}]"
NEWER = "2025-06-06 10:10:38,930-[service.self_logger]-threading.py[line:870]-INFO: {}"
READY = [">>> init_wh_process进程启动", ">>> 数字人图片处理进程启动"]


def state_after(*messages, form=FILE):
    state = JobLog(ready=False)
    for message in messages:
        state.read(form.format(message))
    return state


@pytest.mark.parametrize("lines", list(permutations(READY)))
def test_heygem_is_ready_after_both_lines_in_any_order(lines):
    assert not state_after("TransDhTask init", lines[0]).ready
    assert state_after("TransDhTask init", *lines).ready
    assert not state_after(*lines, "TransDhTask init", lines[0]).ready


def test_second_ready_line_may_follow_the_first_job():
    job = ["[C] -> get_aud_feat1 cost:2.2s", "[C]任务执行失败，异常信息:[]", ">>> 任务:C 耗时:11.2"]
    assert state_after("TransDhTask init", READY[0], *job, READY[1]).ready


def test_newer_image_is_ready_to_draw_with_its_own_line():
    start = ["system ->init_wh_process start...", "system ->get_audio_p[22] transfer_p[33] start"]
    serving = "******************* TransDhServer服务启动 *******************"
    assert not state_after(*start, serving, form=NEWER).ready
    assert state_after(*start, serving, "system ->av_transfer load success", form=NEWER).ready
    assert state_after(*start, "system ->av_transfer load success", serving, form=NEWER).ready


def test_stage_and_frames_a_second_follow_the_log(monkeypatch):
    times = iter([100.0, 101.0, 103.0])
    monkeypatch.setattr(job_log.time, "monotonic", lambda: next(times))
    state = JobLog(ready=False)
    seen = []
    for message in [
        "[C] -> get_aud_feat1 cost:2.2s",
        "[C]init_wh result :[0.88]， cost: 8.38 s",
        "[C]任务视频驱动队列启动 batch_size:4, len:14",
        "audio_transfer >>>>>>>>>>> 发送完成数据大小:4, frameId:4, cost:6.94s",
        "audio_transfer >>>>>>>>>>> 发送完成数据大小:4, frameId:8, cost:0.4s",
        "audio_transfer >>>>>>>>>>> 发送完成数据大小:4, frameId:16, cost:0.4s",
        "[C]任务数字人图片处理已完成",
    ]:
        assert state.read(CONSOLE.format(message))
        seen.append((state.description, state.frames))
    assert seen == [
        ("looking for the face", 0),
        ("drawing", 0),
        ("drawing", 0),
        ("drawing", 4),
        ("drawing, 4.0 frames/s", 8),
        ("drawing, 3.3 frames/s", 14),
        ("encoding", 14),
    ]
    assert state.total == 14


def test_total_is_unknown_with_ping_pong():
    assert state_after("[C]任务视频驱动队列启动 batch_size:4").total is None


@pytest.mark.parametrize("line", ["", "NumExpr defaulting to 8 threads.", "[C]任务执行失败，异常信息:[]"])
def test_other_lines_are_no_step(line):
    assert not JobLog(ready=True).read(FILE.format(line))


def test_status_becomes_plain_data():
    class Status(Enum):
        error = 3

    script = "import runpy, sys, enum, json; plain = runpy.run_path(sys.argv[1])['plain'];"
    script += "S = enum.Enum('Status', ['run', 'success', 'error']);"
    script += "print(json.dumps([plain((S.error, 20, '', 'x')), plain(''), plain(None), plain((1, 10, '', ''))]))"
    command = [sys.executable, "-c", script, str(SCRIPTS / "worker.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[Status.error.value, 20, "", "x"], "", None, [1, 10, "", ""]]
