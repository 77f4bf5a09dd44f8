"""The page of ``heygem serve`` in a real browser, with real renders."""

import json
import os
import signal
import wave
from pathlib import Path

import cv2
import pytest

from heygem_cli.face.sheet import CELL, GAP
from heygem_cli.serve.job import ServedJob
from heygem_cli.serve.page import STATIC
from heygem_cli.serve.page_html import history
from heygem_cli.serve.texts import EN
from heygem_cli.serve_options import ServeOptions, Size
from media_factory import ffmpeg
from page_actions import SHOWN, choose, open_options, says, start, wait_until_filled
from page_server import CHROMIUM, SECONDS, running, wait_for, wait_in_queue, wait_until_ended, worker_pid
from portrait import make_face_video, make_voice, scene

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

MAX_UPLOAD = 3_000_000
DARK_PHONE = {"locale": "zh-CN", "color_scheme": "dark", "viewport": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEYGEM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        options = ServeOptions(max_upload=Size(MAX_UPLOAD))
        with running(tmp_path_factory.mktemp("serve"), options) as service_and_address:
            yield service_and_address


@pytest.fixture
def service(served):
    """The service, without jobs that wait or run."""
    service = served[0]
    yield service
    for job in service.jobs():
        if not job.has_ended:
            service.cancel(job.id)
    wait_for(lambda: all(job.has_ended for job in service.jobs()))


@pytest.fixture(scope="module")
def address(served):
    return served[1]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as programs:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = programs.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def contexts(browser):
    """Return the context with some settings, always the same one: it has the page's scripts in its cache."""
    made = {}

    def context(settings):
        key = json.dumps(settings, sort_keys=True)
        if key not in made:
            made[key] = browser.new_context(**settings)
        return made[key]

    return context


@pytest.fixture
def open_page(contexts, address):
    """Open pages; none may ask another host, get an error from ours that is not expected, or fail in a script."""
    pages, problems, expected_errors = [], [], []

    def asked(request):
        if not request.url.startswith((address, "data:", "blob:")):
            problems.append(f"it asks {request.url}")

    def answered(response):
        just_ended = response.status == 404 and "/preview?" in response.url  # when it is asked for, there is a video
        expected = response.status == 413 or "upload_progress" in response.url or just_ended
        if response.status in expected_errors:
            expected_errors.remove(response.status)
        elif response.status >= 400 and not expected:
            problems.append(f"{response.status}: {response.url}")

    def open_page(path="", unexpected_errors=0, **settings):
        page = contexts({"locale": "en-US", **settings}).new_page()
        pages.append(page)
        page.set_default_timeout(1000 * SECONDS)
        page.on("request", asked)
        page.on("response", answered)
        expected_errors.extend([500] * unexpected_errors)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address + path)
        wait_until_filled(page)
        return page

    yield open_page
    for page in pages:
        page.context.clear_cookies()
        page.close()
    assert problems + expected_errors == []


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "speech.wav", 1.0)


@pytest.fixture(scope="module")
def long_voice(media):
    return make_voice(media / "long speech.wav", 90)


@pytest.fixture(scope="module")
def interview(media):
    """Two people, the left one darker and narrower."""
    picture = scene(640, 400, (480, 200, 330))
    narrow = cv2.resize(scene(640 * 2 // 3, 400, (160 * 4 / 3, 200, 330)), (320, 400))
    picture[:, :320] = narrow * [0.5, 0.6, 0.8]
    return make_face_video(media / "interview.mp4", [picture] * 10)


@pytest.fixture(scope="module")
def photo(media):
    path = media / "photo.jpg"
    cv2.imwrite(str(path), scene(320, 320, (160, 160, 300)))
    return path


@pytest.fixture(scope="module")
def text(media):
    path = media / "text.mp4"
    path.write_text("no video")
    return path


def test_a_video_of_the_person_who_was_clicked(open_page, service, voice, interview):
    page = open_page()
    choose(page, audio=voice, face=interview)
    picture = page.locator("#people-picture img")
    picture.wait_for()
    assert picture.get_attribute("src").startswith("data:image/jpeg;")
    size = picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size == [3 * GAP + 2 * CELL, 2 * GAP + CELL]  # without captions, which would be in English
    box = picture.bounding_box()
    picture.click(position={"x": 0.75 * box["width"], "y": 0.4 * box["height"]})
    page.locator("#person input[value='2']:checked").wait_for(state="attached")
    id = start(page)
    page.locator("#job-result video").wait_for()
    assert service.job(id).options == {"person": "2"}
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.0, abs=0.1)
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').ended")
    assert "25: 25 rendered" in page.locator("#job-result").inner_text()
    with page.expect_download() as download:
        page.locator("#job-result a.button").click()
    assert download.value.suggested_filename == "interview_speech.mp4"
    assert Path(download.value.path()).stat().st_size == service.job(id).output.stat().st_size
    page.locator("#job-again a", has_text="New video").click()
    says(page, "history", "interview.mp4 · speech.wav")
    says(page, "history", "Who speaks: 2")


def test_the_keyboard_suffices(open_page, service, voice, interview):
    page = open_page()
    choose(page, audio=voice, face=interview)
    page.locator("#person input").first.wait_for()
    page.locator("#person input").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.locator("#person input[value='1']:checked").wait_for(state="attached")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "start":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/job?id=*")
    assert service.job(page.url.rpartition("=")[2]).options == {"person": "1"}


def test_a_reload_and_a_second_tab_show_the_same_job_and_cancel_ends_it(open_page, service, long_voice, photo):
    job = service.submit(long_voice, photo, {"mouth": 0.5}, audio_name="long.wav", face_name="photo.jpg")
    first, second = (open_page(f"job?id={job.id}") for _ in range(2))
    says(first, "job-status", "Drawing")
    first.locator("progress").wait_for()
    first.locator("#job-preview img").wait_for()
    first.reload()
    says(first, "job-title", "photo.jpg · long.wav")
    says(first, "job-status", "Drawing")
    says(first, "job-settings", "Mouth")
    says(second, "job-progress", "frames per second")
    first.locator("#cancel").click()
    assert wait_for(lambda: service.job(job.id).has_ended) < 5
    says(first, "job-status", "Canceled")
    says(second, "job-status", "Canceled")
    first.locator("#cancel").wait_for(state="hidden")


def test_again_with_other_options(open_page, service, voice, photo):
    job = service.submit(voice, photo, {"mouth": 0.5, "crf": 30}, audio_name="a.wav", face_name="b.jpg")
    wait_until_ended(service, job.id)
    page = open_page(f"job?id={job.id}")
    page.locator("#job-again a", has_text="Again").click()
    says(page, "again", "Again with a.wav and b.jpg")
    page.locator("#audio").wait_for(state="hidden")
    page.locator("#people-picture img").wait_for()
    open_options(page)
    page.locator("#option-quality label", has_text="draft").click()
    assert page.locator("#option-mouth input[type=number]").input_value() == "0.5"
    id = start(page)
    assert id != job.id
    assert service.job(id).options == {"mouth": 0.5, "crf": 30, "quality": "draft"}


def test_a_worker_that_is_killed_costs_no_job(open_page, service, photo, long_voice):
    job = service.submit(long_voice, photo, {"duration": "4"}, audio_name="a.wav", face_name="b.jpg")
    wait_for(lambda: service.job(job.id).progress is not None)
    page = open_page(f"job?id={job.id}")
    os.kill(worker_pid(service), signal.SIGKILL)
    says(page, "job-status", "Done")
    page.locator("#job-result video").wait_for()


def test_a_worker_that_hangs_blocks_neither_the_page_nor_the_next_job(open_page, service, voice, photo, long_voice):
    job = service.submit(long_voice, photo, {}, audio_name="a.wav", face_name="b.jpg")
    wait_for(lambda: service.job(job.id).progress is not None)
    os.kill(worker_pid(service), signal.SIGSTOP)
    (waiting,) = wait_in_queue(service, voice, photo, 1)
    page = open_page(f"job?id={waiting}")
    says(page, "job-status", "Waiting: number 1 in the queue")
    page.goto(page.url.replace(waiting, job.id))
    page.locator("#cancel").click()
    assert wait_for(lambda: service.job(job.id).has_ended) < 5
    assert wait_until_ended(service, waiting).phase == "done"


def test_the_eleventh_is_told_that_the_queue_is_full(open_page, service, voice, photo, long_voice):
    wait_in_queue(service, long_voice, photo, 10)
    page = open_page()
    choose(page, audio=voice, face=photo)
    page.locator("#start").click()
    says(page, "error", "the queue is full")
    assert page.url.endswith("/")
    service.cancel(service.jobs()[-1].id)
    service.cancel(service.jobs()[0].id)
    start(page)


def test_files_that_cannot_be_used_are_named(open_page, service, voice, text, media):
    silent = media / "silent.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=320x240:duration=1", f"file:{silent}")
    page = open_page()
    page.locator("#start").click()
    says(page, "error", "The audio is missing. Drop a file, or record one.")
    choose(page, audio=voice)
    page.locator("#start").click()
    says(page, "error", "The face is missing.")
    choose(page, face=text)
    says(page, "people-said", "text.mp4: ")
    page.locator("#start").click()
    says(page, "error", "text.mp4: ")
    page.locator("#face button[aria-label='Clear']").click()
    choose(page, face=silent)
    says(page, "people-said", "silent.mp4: no face found in 25 frames. Use a file with a real face")
    for part in ("people-said", "error"):
        said = page.locator(f"#{part}").inner_text()
        assert "Traceback" not in said
        assert str(service.store.folder) not in said


def test_an_error_that_nobody_thought_of_is_said_too(open_page, service, photo, monkeypatch):
    monkeypatch.setattr(service, "people", lambda _: 1 / 0)
    page = open_page(unexpected_errors=1)
    choose(page, face=photo)
    says(page, "people-said", "That did not work.")


def test_an_upload_over_the_limit_and_an_option_out_of_range(open_page, service, photo, voice, media):
    large = media / "large.wav"
    with wave.open(str(large), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", "NONE"))
        file.writeframes(bytes(MAX_UPLOAD + 1000))
    page = open_page()
    page.locator("#audio input[type=file]").set_input_files(large)
    page.get_by_text("large.wav").wait_for()
    assert not any(path.stat().st_size > MAX_UPLOAD for path in service.store.uploads.rglob("*.wav"))
    page.reload()
    wait_until_filled(page)
    choose(page, audio=voice, face=photo)
    open_options(page)
    page.locator("#option-duration input, #option-duration textarea").fill("soon")
    page.locator("#start").click()
    says(page, "error", "the time 'soon' is not understood. Use seconds, such as 12.5, or h:mm:ss")


def test_audio_is_recorded(open_page, service, photo):
    page = open_page(permissions=["microphone"])
    page.locator("#audio button[aria-label='Record audio']").click()
    page.locator("#audio .record-button").click()
    page.wait_for_timeout(1000)
    page.locator("#audio .stop-button").click()
    choose(page, face=photo)
    page.locator(SHOWN["audio"]).first.wait_for(state="attached")
    page.locator("#people-picture img").wait_for()
    job = wait_until_ended(service, start(page))
    assert job.phase == "done"
    assert job.result["duration"] > 0.5


def test_names_are_text_and_nothing_else(open_page, service, voice, photo):
    name = "<img src=x onerror=alert(1)> ${1+1} {{value}} \"'&.wav"
    job = service.submit(voice, photo, {}, audio_name=name, face_name=name)
    page = open_page(f"job?id={job.id}")
    says(page, "job-title", name)
    page.goto(page.url.partition("job")[0])
    says(page, "history", name)


def test_a_job_that_is_not_there(open_page):
    page = open_page(f"job?id={'0' * 32}")
    says(page, "job-status", "There is no such video.")


def test_the_language_is_the_browsers_until_another_is_chosen(open_page, text):
    page = open_page(locale="zh-CN")
    page.locator("#start").click()
    says(page, "error", "缺少音频。")
    choose(page, face=text)
    says(page, "people-said", "不是媒体文件")
    says(page, "people-said", "text.mp4: this is not a media file")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.locator("#language").click()
    says(page, "start", "Start")
    page.reload()
    says(page, "start", "Start")
    says(page, "history", "Last videos")
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("looks", [{}, {"color_scheme": "dark"}, DARK_PHONE], ids=["light", "dark", "Chinese phone"])
@pytest.mark.usefixtures("service")
def test_nothing_keeps_anybody_out(open_page, voice, interview, looks):
    page = open_page(**looks)
    choose(page, audio=voice, face=interview)
    page.locator("#people-picture img").wait_for()
    page.locator("#options button").first.click()
    page.locator("#option-quality").wait_for()
    assert violations(page) == []
    assert is_narrow(page)
    page.locator("#person input").nth(1).check()
    start(page)
    page.locator("#job-status p").wait_for()
    assert violations(page) == []
    page.locator("#job-result video").wait_for()
    assert violations(page) == []
    assert is_narrow(page)


def test_a_long_state_does_not_squeeze_the_name_of_a_job(browser):
    waiting = ServedJob("a" * 32, "queued", 1, "speech.wav", "anna.mp4", {}, 0.0, error={"code": "disk-full"})
    css = (STATIC / "page.css").read_text(encoding="utf-8")
    page = browser.new_page(viewport=DARK_PHONE["viewport"])
    page.set_content(f"<style>{css}</style><div class=prose>{history([waiting], EN)}</div>")
    assert page.locator(".history a").bounding_box()["width"] > 100
    assert is_narrow(page)
    page.close()


def violations(page):
    """Return what axe-core finds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.add_style_tag(content="* { transition: none !important }")  # what fades in has not its colour yet
    found = axe.run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def is_narrow(page):
    """Return whether nothing of the page lies beside the window."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
