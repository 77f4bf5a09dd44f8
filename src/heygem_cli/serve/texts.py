"""What the page says, in English and Chinese."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh-CN"]
ERRORS_ZH = Path(__file__).parent / "errors_zh.json"


@dataclass(frozen=True)
class Texts:
    """The texts of one language; ``{…}`` are filled in."""

    language: Language
    other_language: str
    audio: str
    face: str
    looking: str
    one_person: str
    people: str
    person: str
    main_person: str
    sheet: str
    options: str
    start: str
    history: str
    no_history: str
    missing_audio: str
    missing_face: str
    again_files: str
    other_files: str
    new_video: str
    again: str
    cancel: str
    download: str
    video: str
    preview: str
    progress: str
    unknown_job: str
    did_not_work: str
    queued: str
    no_room: str
    running: str
    done: str
    failed: str
    canceled: str
    stage_speech: str
    stage_track: str
    stage_prepare: str
    stage_start: str
    stage_render: str
    frames_per_second: str
    left: str
    figures: str
    warnings: str
    not_drawn: str
    about_files: str
    settings: str
    defaults: str
    length: str
    picture: str
    frames: str
    counted: str
    comma: str
    colon: str
    rendered: str
    no_face: str
    other_person: str
    covered: str
    turned_away: str
    outside: str
    shots: str
    shown_people: str
    work: str
    size: str
    where_left: str
    where_center: str
    where_right: str
    person_in_photo: str
    person_in_video: str


EN = Texts(
    language="en",
    other_language="中文",
    audio="Audio: what is spoken",
    face="Face: a video or a photograph",
    looking="Looking for people …",
    one_person="One person is in it.",
    people="{count} people are in it. Who speaks?",
    person="Who speaks",
    main_person="Who is seen most",
    sheet="The people in it, with their numbers; the choice below names them",
    options="Options",
    start="Start",
    history="Last videos",
    no_history="No videos yet.",
    missing_audio="The audio is missing. Drop a file, or record one.",
    missing_face="The face is missing. Choose a video or a photograph.",
    again_files="Again with {audio} and {face}: change the person or the options, and start.",
    other_files="Other files",
    new_video="New video",
    again="Again with other options",
    cancel="Cancel",
    download="Download",
    video="The finished video",
    preview="A frame that was just drawn",
    progress="Progress",
    unknown_job="There is no such video. It may have been removed because of its age.",
    did_not_work="That did not work. If the server was started again since this page was opened, load the page again.",
    queued="Waiting: number {position} in the queue",
    no_room="Waiting: the disk of the server is full. It goes on by itself when there is room.",
    running="Starting",
    done="Done",
    failed="Failed",
    canceled="Canceled",
    stage_speech="Listening to the audio",
    stage_track="Following the faces",
    stage_prepare="Preparing",
    stage_start="Starting the engine",
    stage_render="Drawing",
    frames_per_second="{rate} frames per second",
    left="{time} left",
    figures="Figures",
    warnings="Please note",
    not_drawn="The mouth was not drawn in {count} of {total} frames: {reasons}.",
    about_files="About the files:",
    settings="Options of this video",
    defaults="The defaults.",
    length="Length",
    picture="Picture",
    frames="Frames",
    counted="{count} {name}",
    comma=", ",
    colon=": ",
    rendered="rendered",
    no_face="no face",
    other_person="other person",
    covered="covered",
    turned_away="turned away",
    outside="outside",
    shots="Shots",
    shown_people="People",
    work="Time taken",
    size="Size",
    where_left="left",
    where_center="center",
    where_right="right",
    person_in_photo="{number}: {where}",
    person_in_video="{number}: {where}, {share} of the frames, {first:.1f}–{last:.1f} s",
)

ZH = Texts(
    language="zh-CN",
    other_language="English",
    audio="音频：要说的内容",
    face="人脸：视频或照片",
    looking="正在查找人物……",
    one_person="其中有一个人。",
    people="其中有 {count} 个人。谁说话？",
    person="谁说话",
    main_person="出现最多的人",
    sheet="其中的人物及其序号；下面的选项与序号对应",
    options="选项",
    start="开始",
    history="最近的视频",
    no_history="还没有视频。",
    missing_audio="缺少音频。请拖入文件，或录制一段。",
    missing_face="缺少人脸。请选择视频或照片。",
    again_files="再次使用 {audio} 和 {face}：更改人物或选项，然后开始。",
    other_files="换用其他文件",
    new_video="新视频",
    again="换选项再做一次",
    cancel="取消",
    download="下载",
    video="完成的视频",
    preview="刚刚绘制的一帧",
    progress="进度",
    unknown_job="没有这个视频。它可能因时间过久已被删除。",
    did_not_work="操作未成功。如果打开此页面后服务器重新启动过，请重新加载页面。",
    queued="等待中：排在第 {position} 位",
    no_room="等待中：服务器的磁盘已满。有空间后会自动继续。",
    running="正在启动",
    done="完成",
    failed="失败",
    canceled="已取消",
    stage_speech="正在分析音频",
    stage_track="正在跟踪人脸",
    stage_prepare="正在准备",
    stage_start="正在启动引擎",
    stage_render="正在绘制",
    frames_per_second="每秒 {rate} 帧",
    left="剩余 {time}",
    figures="数据",
    warnings="请注意",
    not_drawn="{total} 帧中有 {count} 帧没有绘制嘴部：{reasons}。",
    about_files="关于文件的提示（英文）：",
    settings="此视频的选项",
    defaults="默认值。",
    length="时长",
    picture="画面",
    frames="帧数",
    counted="{name} {count}",
    comma="，",
    colon="：",
    rendered="已渲染",
    no_face="无人脸",
    other_person="其他人",
    covered="被遮挡",
    turned_away="头部侧转",
    outside="在画面外",
    shots="镜头",
    shown_people="人物",
    work="用时",
    size="大小",
    where_left="左",
    where_center="中",
    where_right="右",
    person_in_photo="{number}：{where}",
    person_in_video="{number}：{where}，占帧数的 {share}，{first:.1f}–{last:.1f} 秒",
)

TEXTS: Mapping[Language, Texts] = {"en": EN, "zh-CN": ZH}


def choose_language(wanted: str) -> Language:
    """Return the language for what a cookie or ``Accept-Language`` says: Chinese if that comes first."""
    return "zh-CN" if wanted.strip().lower().startswith("zh") else "en"


@functools.cache
def errors_in_chinese() -> Mapping[str, Sequence[str]]:
    """Return the meaning and the remedy of each error code: those of docs/errors.zh-CN.md, with code in backticks.

    ``python -m tools.docs_tables`` copies them from there.
    """
    content: Mapping[str, Sequence[str]] = json.loads(ERRORS_ZH.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class OptionTexts:
    """What the page says of an option: its name, its help, and its default where that is in words."""

    label: str
    help: str
    default: str = ""


OPTIONS_ZH: Mapping[str, OptionTexts] = {
    "mouth": OptionTexts("嘴部张开幅度", "嘴张开的幅度，0 到 1.5：1 为此人原本的幅度，越小越平静"),
    "idle": OptionTexts("照片中的动作", "照片中的人除嘴以外的动作幅度，0 到 1：眨眼、头部运动和呼吸；0 表示只动嘴"),
    "quality": OptionTexts("质量", "`draft` 快，口腔绘制较粗糙；`best` 慢；它决定 `--crf` 和 `--preset`"),
    "loop": OptionTexts(
        "循环",
        "音频比人脸视频长时：`pingpong` 正放与倒放交替，`forward` 从头重放，`hold` 重复最后一帧，`none` 报错",
    ),
    "on_missing_face": OptionTexts(
        "没有人脸的帧", "没有人脸的帧：`pass` 原样保留，`hold` 重复最后一个有人脸的帧，`fail` 报错"
    ),
    "start": OptionTexts("音频起点", "从 AUDIO 的何处开始，以秒或 `h:mm:ss` 表示", "开头"),
    "duration": OptionTexts("音频长度", "使用 AUDIO 的多长一段，以秒或 `h:mm:ss` 表示", "全部"),
    "background": OptionTexts("背景颜色", "FACE 透明部分后面的颜色：CSS 颜色名（例如 `green`）或 `'#RRGGBB'`", "white"),
    "audio_track": OptionTexts("音轨", "使用 AUDIO 的第几条音轨，从 1 数起", "文件的默认音轨；没有则第一条"),
}
"""The options that the page offers, in Chinese as in README.zh-CN.md; in English all of this is declared."""
