"""What users of other programs expect of the command line."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from heygem_cli.cli.examples import EXAMPLES
from heygem_cli.cli.main import COMMANDS, app
from heygem_cli.cli.render import output_path
from media_factory import ffmpeg
from messages import without_progress
from portrait import make_face_video, make_voice, scene


@pytest.fixture(scope="module")
def face(media):
    return make_face_video(media / "habit.mp4", [scene(320, 240, (160 + k, 120, 220)) for k in range(3)])


@pytest.fixture(scope="module")
def voice(media):
    return make_voice(media / "habit.wav", 0.2)


@pytest.fixture
def heygem(tmp_path):
    """Run heygem in an empty folder."""

    def run(*args):
        command = [sys.executable, "-m", "heygem_cli", *map(str, args)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_output_may_be_a_folder(tmp_path):
    name = "habit_habit.mp4"
    assert str(output_path("", name)) == name
    assert output_path(str(tmp_path), name) == tmp_path / name
    assert str(output_path("new/folder/", name)) == f"new/folder/{name}"
    assert str(output_path("new/folder", name)) == "new/folder"


def test_missing_folders_of_the_output_are_made(heygem, tmp_path, face, voice):
    done = heygem("render", voice, face, "-o", "a/b/", "--no-cache")
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["habit_habit.mp4"]


def test_folder_below_a_file_is_an_error_before_anything_starts(heygem, tmp_path, face, voice):
    (tmp_path / "taken").touch()
    failed = heygem("render", voice, face, "-o", "taken/x/y.mp4")
    assert failed.returncode == 2
    assert (
        failed.stderr
        == f"error: {tmp_path}/taken: this is a file, not a folder. Choose another folder for the output\n"
    )


@pytest.fixture(params=["silent video", "picture", "video with sound"])
def person(request, media, face, voice):
    if request.param == "silent video":
        return face
    if request.param == "picture":
        cv2.imwrite(str(media / "one face.png"), scene(320, 240, (160, 120, 220)))
        return media / "one face.png"
    ffmpeg("-i", face, "-i", voice, "-c:v", "copy", media / "talks.mp4")
    return media / "talks.mp4"


def test_swapped_files_are_told_in_the_right_order(heygem, person, voice):
    failed = heygem("render", person, voice)
    assert failed.returncode == 2
    order = f"{shlex.quote(str(voice))} {shlex.quote(str(person))}"
    message = "the audio and the face video are the wrong way round"
    assert failed.stderr == f"error: {person}: {message}. Give the audio first: {order}\n"


def test_files_that_fit_in_neither_order_are_not_swapped(heygem, face, voice):
    for files, says in (((face, face), "it has no audio stream"), ((voice, voice), "it has no video stream")):
        failed = heygem("render", *files)
        assert failed.returncode == 2
        assert says in failed.stderr


@pytest.mark.parametrize("url", ["https://example.org/a b.wav", "s3://bucket/x.wav", "HTTP://h/x"])
def test_url_is_named_as_such(heygem, face, url):
    failed = heygem("render", url, face)
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"error: {url}: this is a URL, not a file. Download it first")


@pytest.mark.parametrize(("command", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines])
def test_examples_of_help_name_options_that_exist(command, line):
    arguments = shlex.split(line.rpartition("| ")[2])
    name = command.replace("_", "-")
    assert arguments[:2] == ["heygem", name]
    shown = CliRunner().invoke(app, [name, "--help"]).output
    assert line in shown
    known = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.partition("Options:")[2].partition("Examples:")[0])
    assert {each for each in arguments if each.startswith("-") and each != "-"} <= set(known)


def test_help_is_a_command_too(heygem):
    assert heygem("help").stdout == heygem("--help").stdout
    assert heygem("help", "fix-config").stdout == heygem("fix-config", "--help").stdout
    wrong = heygem("help", "fixconfig")
    assert wrong.returncode == 2
    hint = "Did you mean 'fix-config', 'config'? Run: heygem --help"
    assert wrong.stderr == f"error: no such command 'fixconfig'. {hint}\n"
    assert heygem("-V").stdout == heygem("--version").stdout


def test_the_list_of_commands_fits_a_terminal(heygem):
    commands = heygem("--help").stdout.partition("Commands:")[2]
    assert len(commands.splitlines()) > len(COMMANDS)
    assert "..." not in commands


@pytest.mark.parametrize(("command", "files"), [("render", "AUDIO FACE"), ("faces", "FILE")])
def test_usage_names_the_files(heygem, command, files):
    assert heygem(command, "--help").stdout.startswith(f"Usage: heygem {command} [OPTIONS] {files}\n")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rendr"], "no such command 'rendr'", "Did you mean 'render'? Run: heygem --help"),
        (["batch", "--retrys", "2"], "no such option: --retrys", "Did you mean --retries? Run: heygem batch --help"),
        (["faces"], "missing argument 'FILE'", "Run: heygem faces --help"),
        (
            ["batch", "--retries", "x"],
            "invalid value for '--retries' (env var: 'HEYGEM_RETRIES'): 'x' is not a whole number",
            "Run: heygem batch --help",
        ),
        (
            ["doctor", "--watch", "x"],
            "invalid value for '--watch': 'x' is not a number",
            "Run: heygem doctor --help",
        ),
        (["doctor", "--watch"], "option '--watch' requires an argument", "Run: heygem --help"),
        (["config", "shw"], "no such command 'shw'", "Did you mean 'show'? Run: heygem config --help"),
        (["engines", "a\nb"], "got unexpected extra argument(s) (a\\x0ab)", "Run: heygem engines --help"),
    ],
)
def test_wrong_usage_is_one_line_and_with_json_an_object(heygem, arguments, message, hint):
    failed = heygem(*arguments)
    assert (failed.returncode, failed.stdout, failed.stderr) == (2, "", f"error: {message}. {hint}\n")
    if arguments[0] in COMMANDS:
        failed = heygem(arguments[0], "--json", *arguments[1:])
        error = {"code": "wrong-usage", "message": message, "hint": hint}
        assert json.loads(failed.stdout) == {"schema": 1, "error": error}
        assert (failed.returncode, failed.stderr) == (2, f"error: {message}. {hint}\n")


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_a_command_alone_shows_its_help_as_wrong_usage(heygem, arguments):
    shown = heygem(*arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == heygem(*arguments, "--help").stdout


COMPLETIONS = [
    ("heygem fix", ["fix-config"]),
    ("heygem render --person", ["--person"]),
    ("heygem render --loop ", ["pingpong", "forward", "hold", "none"]),
]


@pytest.fixture
def bash(tmp_path):
    """Run a script of bash in a folder with a program heygem, which is also the home folder."""
    program = tmp_path / "heygem"
    program.write_text(f"#!{sys.executable}\nfrom heygem_cli.__main__ import main\nmain()\n")
    program.chmod(0o755)

    def run(script):
        environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = ["bash", "-c", f"{script}\n:"]  # bash would become the last command
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    return run


@pytest.mark.parametrize(("typed", "offered"), COMPLETIONS)
def test_bash_completes_commands_options_and_values(bash, tmp_path, typed, offered):
    assert "completion installed" in bash("heygem --install-completion")
    (installed,) = (tmp_path / ".bash_completions").iterdir()
    words = typed.split(" ")
    script = f"""
        source {installed}
        COMP_WORDS=({" ".join(words)} {'""' if not words[-1] else ""}) COMP_CWORD={len(words) - 1}
        _heygem_completion heygem
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert bash(script).split() == offered


@pytest.mark.parametrize(("shell", "begins"), [("zsh", "#compdef heygem"), ("fish", "complete --command heygem")])
def test_other_shells_have_completion_scripts(bash, shell, begins):
    assert bash(f"_HEYGEM_COMPLETE=source_{shell} heygem").strip().startswith(begins)


def test_preview_is_short_and_small_and_does_not_take_the_name(heygem, tmp_path, face, media):
    speech = make_voice(media / "six.wav", 6)
    done = heygem("render", speech, face, "--preview", "--start", "0:00.5", "--json", "--no-cache")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["width"], made["height"], made["duration"]) == (160, 120, 5)
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["habit_six_preview.mp4"]


def test_dry_run_says_what_would_be_made_and_writes_nothing(heygem, tmp_path, face, voice):
    done = heygem("render", voice, face, "-n", "-o", "new/x.mkv")
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.strip().split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["output"] == "new/x.mkv"
    assert lines["video"].startswith("0.20 s, 320×240, 25 fps, about 5 frames")
    assert lines["face"] == "3 frames, 0.12 s, pingpong"
    assert list(tmp_path.iterdir()) == []
    assert json.loads(heygem("render", voice, face, "-n", "--json").stdout)["dry_run"] is True
    failed = heygem("render", voice, voice, "-n")
    assert failed.returncode == 2


@pytest.mark.parametrize("time", ["-1", "1:2:3:4", "x", "1h", "", "9" * 12])
def test_times_that_are_none_are_errors(heygem, face, voice, time):
    failed = heygem("render", voice, face, f"--start={time}")
    assert failed.returncode == 2
    assert "Use seconds, such as 12.5, or h:mm:ss" in failed.stderr


def test_debug_shows_the_traceback(heygem, face):
    plain, debug = (heygem("render", "missing.wav", face, *more) for more in ((), ("--debug",)))
    assert plain.returncode == debug.returncode == 2
    assert "Traceback" not in plain.stderr
    assert debug.stderr.startswith("Traceback")
    assert debug.stderr.endswith(plain.stderr)


def test_every_option_is_in_a_test():
    tests = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("*.py"))
    options = {each for function in COMMANDS.values() for each in function.declared}
    named = ((each, (*each.flags, each.variable, f'"{each.name}"', f"{each.name}=")) for each in options)
    assert [each.flags for each, names in named if not any(name and name in tests for name in names)] == []


@pytest.mark.parametrize(
    "arguments", [["doctor"], ["engines"], ["fix-config"], ["restart"], ["faces", "x.mp4"], ["render", "a", "b"]]
)
def test_a_deleted_current_folder_is_named(tmp_path, arguments):
    folder = tmp_path / "gone"
    folder.mkdir()
    command = shlex.join([sys.executable, "-m", "heygem_cli", *arguments])
    line = ["sh", "-c", f"rmdir {folder} && exec {command}"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: the current folder has been deleted. Change into one that exists: cd ~\n"


def test_a_locale_without_the_characters_of_a_name_is_named(tmp_path):
    (tmp_path / "list.csv").write_text("audio,face\n语音.wav,人脸.mp4\n", encoding="utf-8")
    locale = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "heygem_cli", "batch", "list.csv"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | locale, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "error: this locale encodes the names of files in ascii, which lacks characters of one of them. "
        "Set PYTHONUTF8=1, or LC_ALL=C.UTF-8\n"
    )
