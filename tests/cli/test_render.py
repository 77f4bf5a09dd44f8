"""Tests of ``heygem render`` as a process with real files: what it prints, writes and leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from fractions import Fraction
from pathlib import Path

import pytest

from heygem_cli.cli.render import summary
from heygem_cli.job import RenderResult, Span
from heygem_cli.media.probe_video import probe_video
from media_factory import ffmpeg
from messages import without_progress
from portrait import make_face_video, make_voice, scene


@pytest.fixture(scope="module")
def face(media):
    return make_face_video(media / "cli face.mp4", [scene(320, 240, (160 + k, 120, 220)) for k in range(6)])


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "half a second.wav", 0.5)


@pytest.fixture
def heygem(tmp_path):
    """Run heygem in an empty folder; more options go to subprocess."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*args, **environment):
        environment = {"HEYGEM_CACHE_DIR": str(tmp_path / "cache"), **environment}
        command = [sys.executable, "-m", "heygem_cli", *map(str, args)]
        return subprocess.run(
            command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
        )

    run.folder = folder
    return run


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_default_output_name_and_summary(heygem, face, voice):
    done = heygem("render", voice, face)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert left_in(heygem.folder) == ["cli face_half a second.mp4"]
    assert "cli face_half a second.mp4" in done.stdout
    assert "12: 12 rendered" in done.stdout
    made = probe_video(heygem.folder / "cli face_half a second.mp4")
    assert (made.width, made.height) == (320, 240)


def test_json_prints_exactly_one_object(heygem, face, voice):
    done = heygem("render", voice, face, "-o", "out.mp4", "--json", "--device", "cpu")
    printed = json.loads(done.stdout)
    assert (printed["schema"], printed["frames"], printed["provider"]) == (1, 12, "CPUExecutionProvider")
    assert Path(printed["output"]) == Path("out.mp4")
    assert set(printed["seconds"]) == {"speech", "track", "prepare", "render"}


def test_quiet_prints_nothing(heygem, face, voice):
    done = heygem("render", voice, face, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["no.wav", "FACE"], 2, "no.wav: "),
        (["VOICE", "no.mp4"], 2, "no.mp4: "),
        (["FACE", "FACE"], 2, "no audio stream"),
        (["VOICE", "VOICE"], 2, "half a second.wav: "),
        (["VOICE", "FACE", "-o", "/dev/null/out.mp4"], 2, "not a folder"),
        (["VOICE", "FACE", "-o", "out.webm"], 2, "ends in .mp4, .mov or .mkv"),
        (["VOICE", "FACE", "--person", "biggest"], 2, "largest, left, center, right"),
        (["VOICE", "FACE", "--crf", "99"], 2, "crf"),
        (["VOICE", "FACE", "--loop", "sideways"], 2, "pingpong"),
        (["VOICE", "FACE", "--loop", "none"], 2, "6 frames, the audio needs 12"),
        (["VOICE", "FACE", "--engine", "wav2lip"], 2, "mesh"),
        (["VOICE", "FACE", "--threads", "100000"], 2, "128"),
        (["VOICE", "FACE", "--person", "7", "--no-cache"], 2, "heygem faces"),
        (["VOICE"], 2, "FACE is missing"),
        ([], 2, "AUDIO and FACE are missing"),
        (["VOICE", "--face", "anna.mp4"], 2, "Run: heygem render '"),
        (["VOICE", "--face=anna.mp4"], 2, "half a second.wav' anna.mp4"),
        (["--face", "anna.mp4", "VOICE", "--crf", "20"], 2, "half a second.wav' anna.mp4"),
        (["VOICE", "FACE", "--face", "biggest"], 2, "largest, left, center, right"),
        (["VOICE", "FACE", "--face", "left", "--person", "right"], 2, "--face and --person"),
        (["VOICE", "FACE", "--engine", "heygem-http", "--crf", "20"], 2, "--crf: the engine heygem-http cannot use it"),
        (["VOICE", "FACE", "--home", "."], 2, "--home: the engine mesh cannot use it"),
    ],
)
def test_unusable_input_is_an_error_before_anything_is_written(heygem, face, voice, args, code, says):
    done = heygem("render", *({"VOICE": voice, "FACE": face}.get(arg, arg) for arg in args))
    assert done.returncode == code
    assert says.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert left_in(heygem.folder) == []


def test_error_is_one_line_and_with_json_an_object(heygem, face):
    done = heygem("render", "no.wav", face, "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert set(error) == {"code", "message", "hint"}


def test_files_are_found_as_other_programs_name_them(heygem, face, voice):
    composed, decomposed = (unicodedata.normalize(form, "Zoë.mp4") for form in ("NFC", "NFD"))
    shutil.copy(face, heygem.folder / composed)
    done = heygem("render", voice.as_uri(), decomposed, "-o", "made.mp4", "--quiet")
    assert (done.returncode, done.stderr, left_in(heygem.folder)) == (0, "", [composed, "made.mp4"])
    missing = heygem("render", "file:///no%20such.wav", decomposed)
    assert "/no such.wav: there is no such file" in missing.stderr


def test_recording_that_a_crash_cut_off_is_rendered_with_a_note(heygem, face, voice):
    ffmpeg("-i", face, "-c:v", "libx264", "-g", 2, heygem.folder / "whole.flv")
    recording = (heygem.folder / "whole.flv").read_bytes()
    (heygem.folder / "obs.flv").write_bytes(recording[: len(recording) * 2 // 3])
    done = heygem("render", voice, "obs.flv", "-o", "made.mp4", "--json")
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning == "obs.flv: the file breaks off, as after a crash or an incomplete copy; it was used up to there"
    assert warning in " ".join(done.stderr.split())


def test_video_without_a_face_is_an_error(heygem, voice, clip):
    done = heygem("render", voice, clip)
    assert done.returncode == 2
    assert "no face found in 12 frames" in done.stderr
    assert left_in(heygem.folder) == []


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_missing_cuda_exits_4(heygem, face, voice):
    done = heygem("render", voice, face, "--device", "cuda")
    assert done.returncode == 4
    assert "doctor" in done.stderr
    assert left_in(heygem.folder) == []


def test_existing_output_is_kept_without_overwrite(heygem, face, voice):
    output = heygem.folder / "out.mp4"
    output.write_bytes(b"precious")
    assert heygem("render", voice, face, "-o", output).returncode == 2
    assert output.read_bytes() == b"precious"
    assert heygem("render", voice, face, "-o", output, "--overwrite").returncode == 0
    assert probe_video(output).width == 320


def test_options_are_read_from_the_environment(heygem, face, voice):
    done = heygem("render", voice, face, HEYGEM_LOOP="none")
    assert done.returncode == 2
    assert "audio needs 12" in done.stderr
    bad = heygem("render", voice, face, OMP_NUM_THREADS="many")
    assert bad.returncode == 2
    assert "OMP_NUM_THREADS='many'" in bad.stderr


def test_the_former_face_option_still_chooses_a_person(heygem, face, voice):
    assert heygem("render", voice, face, "--face", "left", "--quiet").returncode == 0
    done = heygem("render", voice, face, "--overwrite", HEYGEM_FACE="7")
    assert done.returncode == 2
    assert "there is no person 7; it shows 1 (center)" in done.stderr


@pytest.mark.parametrize(
    "name", ["a b'c\"d$e", "-dash", "新闻 播报", "per%dcent", "new\nline", "http:colon", "x" * 200]
)
def test_unusual_file_names(heygem, face, voice, name):
    audio, video = heygem.folder / f"{name}.wav", heygem.folder / f"{name}.mp4"
    audio.write_bytes(voice.read_bytes())
    video.write_bytes(face.read_bytes())
    output = f"{name}-out.mp4"
    done = heygem("render", "-o", output, "--quiet", "--", audio.name, video.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert left_in(heygem.folder) == sorted([audio.name, video.name, output])


@pytest.fixture
def rendering(tmp_path, face):
    """A render of a minute, in the middle of writing frames."""
    folder = tmp_path / "work"
    folder.mkdir()
    voice = make_voice(tmp_path / "long.wav", 60)
    command = [sys.executable, "-m", "heygem_cli", "render", str(voice), str(face), "-o", "out.mp4"]
    environment = os.environ | {"HEYGEM_CACHE_DIR": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 0 for path in folder.iterdir()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, folder
        process.kill()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stops_the_render_and_leaves_nothing(rendering, signum, code):
    process, folder = rendering
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert "stopped" in stderr
    assert "Traceback" not in stderr
    assert left_in(folder) == []


def test_killed_run_leaves_no_output_and_does_not_disturb_the_next(rendering, heygem_again):
    process, folder = rendering
    process.kill()
    process.wait()
    assert not (folder / "out.mp4").exists()
    assert heygem_again(folder).returncode == 0
    assert left_in(folder) == ["out.mp4"]


@pytest.fixture
def heygem_again(face, voice, tmp_path):
    def run(folder):
        time.sleep(0.5)
        command = [sys.executable, "-m", "heygem_cli", "render", str(voice), str(face), "-o", "out.mp4"]
        environment = os.environ | {"HEYGEM_CACHE_DIR": str(tmp_path / "cache")}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)

    return run


def test_help_lists_options_and_variables(heygem):
    done = heygem("render", "--help")
    for option in (
        "--output",
        "--overwrite",
        "--person",
        "--loop",
        "--on-missing-face",
        "--crf",
        "--preset",
        "--encoder",
    ):
        assert option in done.stdout
    assert "--face" not in done.stdout.split()
    for variable in ("HEYGEM_CRF", "HEYGEM_PERSON", "HEYGEM_DEVICE"):
        assert variable in done.stdout


def test_pipe_is_never_replaced(heygem, face, voice):
    pipe = heygem.folder / "pipe"
    os.mkfifo(pipe)
    done = heygem("render", voice, face, "-o", pipe, "--overwrite")
    assert done.returncode == 2
    assert "not a file" in done.stderr
    assert pipe.is_fifo()


STDOUT_CLOSED = b"error: standard output cannot be written (Bad file descriptor). Redirect it elsewhere\n"


@pytest.mark.parametrize(
    ("closed", "options", "code", "stderr"),
    [
        (">&-", ["--json"], 1, STDOUT_CLOSED),
        (">&-", ["--quiet"], 0, b""),
        ("2>&-", [], 0, b""),
        ("<&- >&- 2>&-", [], 1, b""),
        ("<&- >&- 2>&-", ["--quiet"], 0, b""),
    ],
)
def test_render_with_closed_standard_streams(heygem, face, voice, closed, options, code, stderr):
    command = [sys.executable, "-m", "heygem_cli", "render", str(voice), str(face), "-o", "out.mp4", *options]
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command], cwd=heygem.folder, capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (code, stderr)
    assert probe_video(heygem.folder / "out.mp4").width == 320


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii"])
def test_undecodable_names_can_be_printed(heygem, face, voice, encoding):
    output = "\udcff×.mp4"  # a byte that is not UTF-8
    done = heygem("render", voice, face, "-o", output, "--json", PYTHONIOENCODING=encoding)
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert left_in(heygem.folder) == [output]
    assert heygem("render", voice, face, "-o", "b.mp4", PYTHONIOENCODING=encoding).returncode == 0


def test_deleted_current_folder_is_an_error(heygem, face, voice):
    script = 'cd gone && rmdir ../gone && exec "$@"'
    (heygem.folder / "gone").mkdir()
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "heygem_cli", "render", str(voice), str(face)]
    done = subprocess.run(command, cwd=heygem.folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "current folder" in done.stderr


def test_full_temporary_folder_is_an_error(heygem, face, voice):
    script = 'trap "" XFSZ; ulimit -f 8; exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "heygem_cli", "render", str(voice), str(face)]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=heygem.folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 4
    assert "TMPDIR" in done.stderr
    assert left_in(heygem.folder) == []


@pytest.mark.parametrize(
    ("without", "other", "turned", "covered", "printed"),
    [
        (0, 0, 0, 0, "50: 50 rendered"),
        (0, 0, 7, 0, "50: 43 rendered, 7 turned away"),
        (5, 0, 7, None, "50: 38 rendered, 5 no face, 7 turned away"),
        (5, 2, 7, 1, "50: 37 rendered, 3 no face, 2 other person, 1 covered, 7 turned away"),
        (50, 50, 0, 0, "50: 50 other person"),
    ],
)
def test_summary_counts_frames_by_reason(without, other, turned, covered, printed):
    result = RenderResult(
        output=Path("out.mp4"),
        width=640,
        height=360,
        fps=Fraction(25),
        frames=50,
        duration=2.0,
        bytes=1000,
        frames_with_face=50 - without,
        frames_without_face=without,
        frames_turned_away=turned,
        seconds={"render": 1.0},
        track_cached=False,
        engine="mesh",
        provider="CPUExecutionProvider",
        frames_covered=covered,
        frames_other_person=other,
        shots=3,
        people=2,
        spans=(Span(0, 49, 1, 2, "rendered"),),
    )
    assert summary(result)["frames"] == printed
    assert summary(result)["face"] == "3 shots, 2 people, number 2 speaks"
    assert result.to_dict()["frames_turned_away"] == turned
    assert (result.to_dict()["shots"], result.to_dict()["people"]) == (3, 2)


def test_damaged_track_is_replaced_and_the_summary_says_so(heygem, face, voice, tmp_path):
    assert heygem("render", voice, face, "-o", "first.mp4").returncode == 0
    (track,) = (tmp_path / "cache").rglob("*.track")
    track.write_bytes(track.read_bytes()[:5000] + bytes(4096) + track.read_bytes()[9096:])
    done = heygem("render", voice, face, "-o", "second.mp4")
    problem = "damaged, or that of another face; it was computed again"
    warning = f"warning: {track}: the cached face track is {problem}\n"
    assert (done.returncode, without_progress(done.stderr)) == (0, warning)
    assert without_progress(heygem("render", voice, face, "-o", "third.mp4").stderr) == ""
    outputs = {(heygem.folder / f"{name}.mp4").read_bytes() for name in ("first", "second", "third")}
    assert len(outputs) == 1
