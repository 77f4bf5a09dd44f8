"""Tests of the Python API."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heygem_cli import Renderer, RenderResult, render
from heygem_cli.errors import InputError
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_audio, read_frames
from media_factory import ffmpeg, make_damaged_audio
from portrait import make_face_video, make_voice, scene

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEYGEM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # restored, whatever the renderer sets


@pytest.fixture(scope="module")
def face(media):
    return make_face_video(media / "api face.mp4", [scene(256, 256, (128, 140, 200))] * 6)


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "api voice.wav", 0.4)


def test_render_takes_the_options_of_the_command_line(tmp_path, face, voice):
    result = render(str(voice), face, tmp_path / "out.mp4", crf=20, preset="ultrafast", device="cpu", threads=1)
    assert isinstance(result, RenderResult)
    assert (result.frames, result.provider) == (10, "CPUExecutionProvider")
    assert probe_video(tmp_path / "out.mp4").width == 256


def test_the_mouth_opens_as_far_as_it_is_told(tmp_path, face, voice):
    """How much the mouth's part of the picture changes from frame to frame says how far it opens."""
    changes = []
    with Renderer(device="cpu") as renderer:
        for number, options in enumerate(({"mouth": 0}, {"mouth": 0.5}, {}, {"mouth": 1.5})):
            output = tmp_path / f"{number}.mp4"
            renderer.render(voice, face, output, quality="best", **options)
            luma = np.array([frame[:256].astype(float) for frame in read_frames(probe_video(output))])
            changes.append(luma[:, 128:220, 80:180].std(0).mean())
    assert changes == sorted(changes)


def test_a_draft_is_painted_without_the_network(tmp_path, face, voice):
    frames = []
    with Renderer(device="cpu") as renderer:
        for quality in ("draft", "good", "best"):
            output = tmp_path / f"{quality}.mp4"
            renderer.render(voice, face, output, quality=quality, crf=0, preset="ultrafast")
            frames.append(np.array([frame[:256].astype(int) for frame in read_frames(probe_video(output))]))
    draft, good, best = frames
    assert (good == best).all()
    different = np.abs(draft - good) > 4
    assert different.any()
    assert not different[:, :128].any()  # only the inside of the mouth


def mouth_of(path):
    """Return how the mouth's part of the picture differs from its mean, frame by frame."""
    luma = np.array([frame[:256].astype(float) for frame in read_frames(probe_video(path))])[:, 128:220, 80:180]
    return np.abs(luma - luma.mean(0)).mean((1, 2))


@pytest.mark.parametrize("length", [0.2, 0.4, 1.0])
def test_mouth_follows_the_drive_audio_and_the_sound_is_the_audio(tmp_path, media, face, voice, length):
    silence, words = media / "silence 0.4.wav", make_voice(media / f"vocals {length}.wav", length)
    ffmpeg("-i", voice, "-af", "volume=0", silence)
    with Renderer(device="cpu") as renderer:
        still = renderer.render(silence, face, tmp_path / "still.mp4", quality="best")
        driven = renderer.render(silence, face, tmp_path / "driven.mp4", quality="best", drive_audio=words)
        quiet = renderer.render(voice, face, tmp_path / "quiet.mp4", quality="best", drive_audio=str(silence))
    assert still.frames == driven.frames == 10
    assert mouth_of(still.output).max() < 0.5
    assert mouth_of(driven.output).max() > 1
    assert mouth_of(quiet.output).max() < 0.5
    assert any(str(silence) in text and "silent" in text for text in quiet.warnings)
    assert silent(tmp_path / "driven.mp4")
    assert not silent(tmp_path / "quiet.mp4")
    warned = [text for text in driven.warnings if "they begin together" in text]
    assert len(warned) == (length == 1.0)


def test_damage_of_the_drive_audio_is_told(tmp_path, face, voice):
    damaged = make_damaged_audio(tmp_path / "damaged.aac", voice)
    result = render(voice, face, tmp_path / "out.mp4", drive_audio=damaged)
    message = "the audio is damaged; the mouth follows it, without the parts that cannot be decoded"
    assert [text for text in result.warnings if "damaged;" in text] == [f"{damaged}: {message}"]


def silent(path):
    return not np.abs(np.concatenate(list(read_audio(probe_audio(path))))).max() > 0.01


def test_renderer_is_reused_and_reports_progress(tmp_path, face, voice):
    stages = []
    with Renderer(device="cpu") as renderer:
        renderer.render(voice, face, tmp_path / "one.mp4", on_progress=lambda progress: stages.append(progress.stage))
        second = renderer.render(voice, face, tmp_path / "two.mp4", person="left", loop="hold")
    assert second.frames == 10
    assert {"speech", "track", "render"} <= set(stages)


def test_exception_of_the_progress_callback_ends_the_render(tmp_path, face, voice):
    class EnoughError(Exception):
        pass

    def stop(_progress):
        raise EnoughError

    with Renderer() as renderer, pytest.raises(EnoughError):
        renderer.render(voice, face, tmp_path / "out.mp4", on_progress=stop)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crf": 99}, "crf: 99 is not a whole number from 0 to 51"),
        ({"crf": "99"}, "crf: '99' is not a whole number from 0 to 51"),
        ({"crf": 20.5}, "crf: 20.5 is not a whole number"),
        ({"crf": True}, "crf: True is not a whole number"),
        ({"crff": 20}, r"render\(\) takes no option crff. Did you mean crf"),
        ({"loop": "never"}, "loop: 'never' is not one of pingpong, forward, hold, none"),
        ({"loop": 1}, "loop: 1 is not a value"),
        ({"person": "biggest"}, "person 'biggest' is not understood"),
        ({"threads": 0}, "threads: 0 is not a whole number from 1 to 128"),
        ({"overwrite": "maybe"}, "overwrite: 'maybe' is not one of true"),
        ({"engine": "heygem-http", "crf": 20}, "--crf: the engine heygem-http cannot use it"),
        ({"home": "/srv/HeyGem"}, "--home: the engine mesh cannot use it"),
    ],
)
def test_unusable_option_is_an_input_error(tmp_path, face, voice, options, message):
    with pytest.raises(InputError, match=message):
        render(voice, face, tmp_path / "out.mp4", **options)
    assert not (tmp_path / "out.mp4").exists()


def test_missing_input_is_an_error_and_native_output_comes_back(tmp_path, face):
    with pytest.raises(InputError, match=r"no\.wav"):
        render("no.wav", face, tmp_path / "out.mp4")
    assert str(Path("/proc/self/fd/2").readlink()) != os.devnull


def run_python(script, *args):
    return subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True)


def test_import_is_light_and_limits_threads_before_numpy_is_loaded():
    script = """
import os, sys
import heygem_cli
print([name for name in ("numpy", "cv2", "onnxruntime", "av", "mediapipe", "typer") if name in sys.modules])
heygem_cli.Renderer
print("numpy" in sys.modules)
heygem_cli.Renderer(device="cpu").close()
print(os.environ["OPENBLAS_NUM_THREADS"])
"""
    assert run_python(script).stdout.split("\n")[:3] == ["[]", "False", "1"]


def test_errors_of_the_host_still_reach_stderr(tmp_path, face, voice):
    script = """
import os, sys
from heygem_cli import render
def noisy(progress):
    os.write(2, b"native noise")
    print("from Python", file=sys.stderr)
render(*sys.argv[1:], on_progress=noisy)
os.write(2, b"after")
"""
    stderr = run_python(script, str(voice), str(face), str(tmp_path / "out.mp4")).stderr
    assert "native noise" not in stderr
    assert "from Python" in stderr
    assert stderr.endswith("after")


@pytest.mark.parametrize("page", ["docs/python.md", "docs/python.zh-CN.md"])
def test_examples_of_the_documentation_run(tmp_path, face, voice, page):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "speech.wav").write_bytes(voice.read_bytes())
    (tmp_path / "anna.mp4").write_bytes(face.read_bytes())
    assert len(blocks) >= 3
    for block in blocks:
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True, timeout=120)
