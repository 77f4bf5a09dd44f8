"""``heygem.toml``, the user's own file, and ``heygem config show``."""

import json
import os
import subprocess
import sys

import pytest

from heygem_cli.cli.config_file import read_config
from heygem_cli.cli.main import COMMANDS
from heygem_cli.cli.parameters import options_of
from heygem_cli.errors import InputError

OPTIONS = {name: options_of(function) for name, function in COMMANDS.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a file of the user beside it."""
    (tmp_path / "user" / "heygem").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def user(folder):
    return folder.parent / "user" / "heygem" / "config.toml"


def heygem(*args, **environment):
    command = [sys.executable, "-m", "heygem_cli", *args]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


def shown(**environment):
    """Return value and source by option and command."""
    done = heygem("config", "show", "--json", **environment)
    assert done.returncode == 0, done.stderr
    options = json.loads(done.stdout)["options"]
    return {(each["option"], name): (each["value"], each["source"]) for each in options for name in each["commands"]}


def test_command_line_before_variable_before_folder_before_user(folder, user):
    user.write_text('crf = 30\nloop = "hold"\nhome = "/opt/heygem"\n[batch]\nretries = 5\n')
    (folder / "heygem.toml").write_text("crf = 25\npreset = 'fast'\n[batch]\ncrf = 20\n")
    found = shown(HEYGEM_PRESET="slow")
    assert found["crf", "render"] == ("25", "heygem.toml")
    assert found["crf", "batch"] == ("20", "heygem.toml")
    assert found["preset", "render"] == ("slow", "HEYGEM_PRESET")
    assert found["loop", "batch"] == ("hold", str(user))
    assert found["retries", "batch"] == ("5", str(user))
    assert found["home", "doctor"] == ("/opt/heygem", str(user))
    assert found["encoder", "render"] == ("auto", "default")


def test_values_reach_the_command_and_the_command_line_comes_first(folder):
    (folder / "heygem.toml").write_text('engine = "mesh"\n[render]\nengine = "meshh"\n')
    (folder / "x.wav").touch()
    (folder / "x.mp4").touch()
    assert "--engine 'meshh' is not known" in heygem("render", "x.wav", "x.mp4").stderr
    assert "the file is empty" in heygem("render", "x.wav", "x.mp4", "--engine", "mesh").stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crf = 99", "heygem.toml: crf: 99 is not a whole number from 0 to 51"),
        ("crf = 'x'", "heygem.toml: crf: 'x' is not a whole number from 0 to 51"),
        ("[batch]\nfail-fast = 1", "heygem.toml: fail-fast: 1 is not true or false"),
        ("loop = 'up'", "'up' is not one of pingpong, forward, hold, none"),
        ("person = 'nobody at all'", "person"),
        ("crf 20", "heygem.toml: it is not TOML"),
        ("mouth = nan", "heygem.toml: mouth: nan is not a number from 0 to 1.5"),
        ("[batch]\ntimeout = inf", "heygem.toml: timeout: inf is not a number of at least 1"),
        ("[" * 3000, "heygem.toml: it is not TOML"),
        ("python = './evil'", "heygem.toml: python cannot be set for a folder. Write it into"),
        ("[doctor]\nurl = 'http://evil'", "heygem.toml: url cannot be set for a folder. Write it into"),
    ],
)
def test_unusable_files_are_errors_that_name_them(folder, text, says):
    (folder / "heygem.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_config(OPTIONS, {})
    assert caught.value.code in ("bad-config", "bad-face-choice")
    assert says in str(caught.value)


def test_a_file_may_begin_with_a_byte_order_mark(folder):
    (folder / "heygem.toml").write_text("crf = 20\r\n", encoding="utf-8-sig", newline="")
    assert read_config(OPTIONS, {}).settings["render"]["crf"].value == 20


def test_another_encoding_is_an_error(folder):
    (folder / "heygem.toml").write_text("crf = 20\n", encoding="utf-16")
    done = heygem("engines")
    assert (done.returncode, done.stderr) == (2, "error: heygem.toml: it is not UTF-8. Save it as UTF-8\n")


def test_what_is_no_file_is_an_error(folder):
    os.mkfifo(folder / "heygem.toml")
    done = heygem("engines")
    assert (done.returncode, done.stderr) == (2, "error: heygem.toml: this is not a file. Move it away\n")


def test_a_link_to_itself_is_an_error(folder):
    (folder / "heygem.toml").symlink_to("heygem.toml")
    done = heygem("engines")
    problem = "error: heygem.toml: it cannot be read (Too many levels of symbolic links)"
    assert (done.returncode, done.stderr) == (2, f"{problem}. Make it readable, or move it away\n")


@pytest.mark.usefixtures("folder")
def test_hint_for_a_variable_counts_what_follows_the_prefix():
    hints = {
        "HEYGEM_START": "There is only the option --start",
        "HEYGEM_FACE_START": "There is only the option --face-start",
        "HEYGEM_OUTPUT": "There is only the option --output",
        "HEYGEM_CFR": "Did you mean HEYGEM_CRF?",
        "HEYGEM_XY": "See heygem config show",
        "HEYGEM_STORAGE": "See heygem config show",
    }
    warnings = heygem("config", "show", **dict.fromkeys(hints, "1")).stderr.splitlines()
    assert sorted(warnings) == sorted(
        f"warning: {name}: there is no such variable. {hint}" for name, hint in hints.items()
    )


def test_unknown_names_are_warned_of_with_the_nearest(folder):
    (folder / "heygem.toml").write_text("crff = 1\n[batch]\nretrys = 1\n[rendr]\ncrf = 1\n")
    assert read_config(OPTIONS, {"HEYGEM_LOP": "x", "HEYGEM_CACHE_DIR": "y", "OTHER": "z"}).warnings == (
        "heygem.toml: there is no option crff. Did you mean crf?",
        "heygem.toml: there is no option rendr. Did you mean render?",
        "heygem.toml: [batch] there is no option retrys. Did you mean retries?",
        "HEYGEM_LOP: there is no such variable. Did you mean HEYGEM_LOOP?",
    )
    assert "warning: heygem.toml: there is no option crff" in heygem("engines").stderr
    assert "warning" not in heygem("render", "-q").stderr
