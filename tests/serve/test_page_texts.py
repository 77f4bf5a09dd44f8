"""What the page says: both languages, the options, the figures of a job."""

from dataclasses import fields, replace
from pathlib import Path
from string import Formatter
from unittest import mock

import pytest
from tools.error_table import error_codes

from heygem_cli.engines import ENGINES
from heygem_cli.errors import InputError
from heygem_cli.face.listing import ListedPerson
from heygem_cli.job import Progress
from heygem_cli.options import RenderOptions
from heygem_cli.serve import page_html
from heygem_cli.serve.job import ServedJob
from heygem_cli.serve.page_options import given_options, kind, offered, offers_people, option_texts, shown_values
from heygem_cli.serve.page_people import found, person_at
from heygem_cli.serve.texts import EN, OPTIONS_ZH, ZH, Texts, choose_language, errors_in_chinese

README = Path(__file__).parents[2] / "README.zh-CN.md"
JOB = ServedJob("a" * 32, "running", 0, "a.wav", "b.mp4", {}, 0.0)
RESULT = {
    "width": 640, "height": 360, "fps": 25.0, "frames": 100, "duration": 4.0, "bytes": 1_234_567,
    "frames_without_face": 9, "frames_with_face": 91, "frames_turned_away": 3, "frames_covered": 2,
    "frames_outside": 1, "frames_other_person": 4, "shots": 5, "people": 2, "seconds": {"render": 2.0, "track": 1.5},
    "engine": "mesh", "warnings": ["b.mp4: <cut off>"],
}  # fmt: skip


def test_both_languages_fill_in_the_same_values():
    for each in fields(Texts):
        english, chinese = getattr(EN, each.name), getattr(ZH, each.name)
        assert english and chinese
        assert _filled_in(english) == _filled_in(chinese), each.name


def _filled_in(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("zh-CN", "zh-CN"),
        ("ZH-tw,zh;q=0.9", "zh-CN"),
        ("zh", "zh-CN"),
        ("en-US,zh;q=0.5", "en"),
        ("de", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_first_one_wanted(wanted, language):
    assert choose_language(wanted) == language


@pytest.mark.parametrize("name", OPTIONS_ZH)
def test_the_chinese_help_of_an_option_is_that_of_the_readme(name):
    flag = f"`--{name.replace('_', '-')}"
    row = next(line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {flag}"))
    help_text, default = (cell.strip() for cell in row.split("|")[2:4])
    texts = OPTIONS_ZH[name]
    assert texts.help == help_text
    if texts.default:
        assert texts.default == default.strip("`")


def test_the_english_help_of_an_option_is_the_declared_one():
    texts = option_texts("en")
    assert texts["option_on_missing_face_label"] == "On missing face"
    assert texts["option_mouth_help"].startswith("How far the mouth opens")
    assert texts["option_background_default"] == "white"


def test_only_what_differs_from_the_default_of_the_server_is_given():
    mesh = offered(RenderOptions())
    assert given_options(mesh, shown_values(mesh, {})) == {}
    values = {"mouth": 0.5, "quality": "draft", "start": "1:05", "background": "green", "audio_track": "2"}
    assert given_options(mesh, shown_values(mesh, values)) == values
    calm = offered(RenderOptions(mouth=0.5, start=3))
    assert shown_values(calm, {})[:1] == [0.5]
    assert given_options(calm, shown_values(calm, {})) == {}
    assert given_options(calm, shown_values(calm, {"mouth": 1})) == {"mouth": 1}


def test_a_value_that_cannot_be_used_is_an_error():
    mesh = offered(RenderOptions())
    with pytest.raises(InputError, match="is not understood"):
        given_options(mesh, shown_values(mesh, {"start": "soon"}))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_is_asked_only_for_what_it_uses(engine):
    options = RenderOptions(engine=engine)
    assert {each.name for each in offered(options)} == set(OPTIONS_ZH) & ENGINES[engine].uses
    assert offers_people(options) is (engine == "mesh")


def test_every_kind_of_field_is_used():
    assert {kind(each) for each in offered(RenderOptions())} == {"choice", "slider", "text"}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (replace(JOB, phase="queued", position=3), "Waiting: number 3 in the queue"),
        (JOB, "Starting"),
        (replace(JOB, progress=Progress("track", 5, 10)), "Following the faces"),
        (replace(JOB, phase="done"), "Done"),
    ],
)
def test_the_phase_in_words(job, said):
    assert page_html.phase(job, EN) == said


def test_the_progress_has_percent_speed_and_time_left():
    job = replace(JOB, progress=Progress("render", 50, 100), frames_per_second=48.4, seconds_left=3725.0)
    shown = page_html.progress(job, EN)
    assert f'value="{job.percent}"' in shown
    for fact in (f"{job.percent} %", "48 frames per second", "1:02:05 left"):
        assert f"<span>{fact}</span>" in shown
    assert page_html.progress(replace(job, phase="done"), EN) == ""


def test_the_figures_count_the_frames_by_reason():
    shown = page_html.figures(RESULT, EN)
    assert shown["Frames"] == "100: 85 rendered, 5 no face, 4 other person, 2 covered, 3 turned away, 1 outside"
    assert shown["Shots"] == "5"
    assert shown["Time taken"] == "3.5 s (mesh)"
    unknown = dict.fromkeys(["frames_with_face", "frames_without_face", "shots", "people"])
    shown = page_html.figures({**RESULT, **unknown, "engine": "heygem"}, EN)
    assert shown["Frames"] == "100"
    assert "Shots" not in shown


def test_warnings_and_errors_are_text():
    done = replace(JOB, phase="done", result=RESULT)
    assert "b.mp4: &lt;cut off&gt;" in page_html.result(done, EN)
    failed = replace(JOB, phase="failed", error={"code": "x", "message": "<b>it</b> failed", "hint": "Do that"})
    for texts in (EN, ZH):
        assert "&lt;b&gt;it&lt;/b&gt; failed. Do that" in page_html.status(failed, texts)
        error = InputError("x", "bad", path="/srv/uploads/0a/my.wav", hint="Try again")
        assert ">my.wav: bad. Try again<" in page_html.error_of(error, ["/srv/uploads/0a/my.wav"], texts)


def test_sizes_in_words():
    sizes = {30_228: "30 kB", 100_000: "0.1 MB", 1_234_567: "1.2 MB"}
    assert {count: page_html.size(count) for count in sizes} == sizes


@pytest.mark.parametrize(("texts", "said"), [(EN, "Waiting: the disk of the server is full"), (ZH, "服务器的磁盘已满")])
def test_a_job_that_waits_for_room_says_so(texts, said):
    waiting = replace(JOB, phase="queued", position=1, error={"code": "disk-full", "message": "x", "hint": "y"})
    assert said in page_html.status(waiting, texts).partition("</p>")[0]
    assert said not in page_html.status(replace(waiting, error=None), texts)


def test_an_error_is_said_in_chinese_with_what_is_said_of_this_case():
    error = {"code": "time-limit", "message": "a.wav: too <long>", "hint": "Cut it"}
    with mock.patch.dict(errors_in_chinese(), {"time-limit": ["超过 `<limit>` 秒", "截短"]}):
        said = page_html.status(replace(JOB, phase="failed", error=error), ZH)
    assert "<p>超过 <code>&lt;limit&gt;</code> 秒。截短。</p>" in said
    assert '<p class="detail" lang="en">a.wav: too &lt;long&gt;. Cut it</p>' in said


def test_every_error_has_a_chinese_text():
    known = errors_in_chinese()
    assert [each.code for each in error_codes() if not known.get(each.code, [""])[0]] == []
    assert all(text.count("`") % 2 == 0 for texts in known.values() for text in texts)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (EN, "The mouth was not drawn in 15 of 100 frames: 5 no face, 4 other person, 2 covered, 3 turned away, "),
        (ZH, "100 帧中有 15 帧没有绘制嘴部：无人脸 5，其他人 4，被遮挡 2，头部侧转 3，在画面外 1。"),
    ],
)
def test_frames_without_a_drawn_mouth_are_noted(texts, said):
    done = replace(JOB, phase="done", result=RESULT)
    assert said in page_html.result(done, texts)
    complete = dict.fromkeys((name for name in RESULT if name.startswith("frames_")), 0)
    done = replace(JOB, phase="done", result={**RESULT, **complete, "warnings": []})
    assert texts.warnings not in page_html.result(done, texts)


@pytest.mark.parametrize(
    ("x", "y", "count", "number"),
    [(0.1, 0.5, 1, 1), (0.9, 0.5, 2, 2), (0.9, 0.9, 4, 4), (0.1, 0.9, 5, 5), (0.9, 0.9, 5, None), (1.5, 0.5, 2, None)],
)
def test_a_click_chooses_the_person_in_whose_cell_it_is(x, y, count, number):
    assert person_at(x, y, count) == number


def test_the_choice_describes_everybody_and_keeps_what_a_program_chose(tmp_path):
    picture = tmp_path / "people.jpg"
    picture.write_bytes(b"jpg")
    people = [ListedPerson(n, where, 0, 0, 9, 9, 0, 50, 0.5, 0.0, 3.6) for n, where in ((1, "left"), (2, "right"))]
    said, shown, choice, count = found(people, picture, "640,360", EN)
    assert "2 people are in it" in said
    assert shown.startswith('<img src="data:image/jpeg;base64,anBn"')
    assert [label for label, _ in choice.choices] == [
        "Who is seen most",
        "1: left, 50% of the frames, 0.0–3.6 s",
        "2: right, 50% of the frames, 0.0–3.6 s",
        "640,360",
    ]
    assert (choice.value, count) == ("640,360", 2)
