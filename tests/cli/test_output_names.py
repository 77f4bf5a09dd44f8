"""Programs that write MOV and Matroska: batches resume, HeyGem's videos get the container, other names are refused."""

import json
import subprocess
import sys

import pytest

from batch_program import is_complete
from heygem_cli.job import RenderJob
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.pipeline import Pipeline, check_job
from heygem_cli.runtime import Settings
from heygem_stand_in import environment, make_stand_in, set_behaviour
from media_factory import make_audio, make_video

OUTPUTS = ["a.mov", "a.mkv", "a.mp4", "ten.mkv"]


def test_batch_writes_every_container_and_resumes(batch):
    batch.rows("""
        audio;face;output;pixel_format
        a.wav;face.mp4;a.mov;
        b.wav;face.mp4;a.mkv;
        c.wav;face.mp4;a.mp4;
        a.wav;face.mp4;ten.mkv;10bit
    """)
    assert batch.statuses() == {"a.mov": "done", "a.mkv": "done", "a": "done", "ten.mkv": "done"}
    for name, seconds in zip(OUTPUTS, (0.4, 0.6, 0.5, 0.4), strict=True):
        assert is_complete(batch.folder / name, seconds)
    assert batch.new_files() == sorted(OUTPUTS)
    assert [probe_audio(batch.folder / name).codec for name in OUTPUTS] == [
        "pcm_s16le",
        "pcm_s16le",
        "aac",
        "pcm_s16le",
    ]
    assert [probe_video(batch.folder / name).source_bits for name in OUTPUTS] == [8, 8, 8, 10]
    (batch.folder / "a.mkv").unlink()
    plan = {job["id"]: job["action"] for job in batch.json("--dry-run")["jobs"]}
    assert plan == {"a.mov": "done", "a.mkv": "do", "a": "done", "ten.mkv": "done"}


def test_batch_names_the_rows_with_other_outputs(batch):
    batch.rows("""
        audio;face;output;encoder;pixel_format
        a.wav;face.mp4;a.webm;;
        b.wav;face.mp4;b.mov;h264_nvenc;10bit
    """)
    done = batch.run("--json")
    assert done.returncode == 2
    assert "a.webm: the output cannot have the format that its name says" in done.stdout
    assert "Use a name that ends in .mp4, .mov or .mkv" in done.stdout
    assert "the encoder h264_nvenc has only 8 bits" in done.stdout
    assert batch.new_files() == []


def test_render_refuses_other_names(clip, voice, tmp_path):
    command = [sys.executable, "-m", "heygem_cli", "render", voice, clip, "-o", "out.webm", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "not-an-mp4"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_stand_in(tmp_path_factory.mktemp("heygem") / "home")


@pytest.mark.parametrize("name", ["out.mov", "out.mkv"])
def test_videos_of_heygem_get_the_container_and_lost_bits_are_said(name, home, tmp_path, monkeypatch):
    set_behaviour(home)
    for variable, value in environment(home).items():
        monkeypatch.setenv(variable, value)
    codec = ("-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-preset", "ultrafast")
    face = make_video(tmp_path / "face.mp4", size=(128, 128), seconds=0.4, filters="hue=s=0", codec=codec)
    voice = make_audio(tmp_path / "voice.wav", seconds=0.4)
    job = RenderJob(voice, face, tmp_path / name, RenderOptions(engine="heygem"))
    pipeline = Pipeline(EngineOptions(home=home, python=sys.executable), Settings())
    try:
        result = pipeline.render(job, check_job(job))
    finally:
        pipeline.close()
    assert is_complete(tmp_path / name, 0.4)
    assert probe_audio(tmp_path / name).codec == "pcm_s16le"
    assert result.warnings == (f"{face}: it has 10 bits per colour, the output has 8",)
