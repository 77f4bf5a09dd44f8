"""Parsing, checking and editing config.ini."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import config_ini
from heygem_tree import CONFIG, DANGEROUS, make_installation

FILE = Path("config.ini")


def parse(text: str) -> config_ini.Config:
    return config_ini.parse(text.encode(), FILE)


def test_values():
    config = parse("[temp]\ntemp_dir = ./x\n")
    assert config.get("temp", "temp_dir") == "./x"
    assert config.get("temp", "clean_switch") is None
    assert config.get("result", "result_dir") is None


def test_byte_order_mark_is_detected():
    assert config_ini.parse(b"\xef\xbb\xbf" + CONFIG.encode(), FILE).bom
    assert not parse(CONFIG).bom


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("[temp]\ntemp_dir = 临时\n".encode("gbk"), "not-utf-8"),
        (CONFIG.encode("utf-16"), "not-utf-8"),
        (b"temp_dir = ./\n", "not-ini"),
        (b"[temp]\ntemp_dir = ./\ntemp_dir = ./x\n", "not-ini"),
        (b"[temp]\ntemp_dir = %(home)s\n", "not-ini"),
    ],
)
def test_unreadable_for_heygem(data, code):
    with pytest.raises(InputError, match=r"config\.ini") as caught:
        config_ini.parse(data, FILE)
    assert caught.value.code == code


def test_unknown_keys():
    text = CONFIG.replace("log_file = dh.log", "log_file = dh.log\nlevel = 1\nbatch_size = 4") + "\n[other]\nx = 1\n"
    assert list(config_ini.unknown_keys(parse(text))) == [
        "unknown key level in [log]",
        "batch_size is in [log] instead of [digital]",
        "unknown section [other]",
    ]
    assert not list(config_ini.unknown_keys(parse(CONFIG)))


@pytest.mark.parametrize(
    "temp_dir",
    ["./", ".", "", "..", "/", "./config", "./xseg", "./landmark2face_wy", "./result", "/tmp"],  # noqa: S108
)
def test_temp_dir_that_contains_other_files(tmp_path, temp_dir):
    home = make_installation(tmp_path / "HeyGem")
    config = parse(CONFIG.replace("./temp", temp_dir))
    assert config_ini.endangered(home, config, tmp_path / "user") is not None


def test_temp_dir_that_contains_the_user_home(tmp_path):
    home = make_installation(tmp_path / "HeyGem")
    config = parse(CONFIG.replace("./temp", str(tmp_path / "user")))
    assert config_ini.endangered(home, config, tmp_path / "user") == tmp_path / "user"


@pytest.mark.parametrize("temp_dir", ["./temp", "./heygem_temp", "/var/heygem", "../temp"])
def test_safe_temp_dir(tmp_path, temp_dir):
    home = make_installation(tmp_path / "HeyGem")
    assert config_ini.endangered(home, parse(CONFIG.replace("./temp", temp_dir)), tmp_path / "user") is None


@pytest.mark.parametrize(("switch", "cleans"), [("1", True), ("0", False), ("true", True), (" 0 ", False)])
def test_clean_up_is_enabled_unless_zero(switch, cleans):
    assert config_ini.cleans(parse(f"[temp]\nclean_switch = {switch}\n")) is cleans


def test_edit_keeps_everything_else():
    edited = config_ini.set_value(DANGEROUS, "temp", "temp_dir", "./x")
    assert edited == DANGEROUS.replace("temp_dir = ./\n", "temp_dir = ./x\n")
    # A key with the same name in another section is unchanged.
    edited = config_ini.set_value(CONFIG, "result", "clean_switch", "1")
    assert parse(edited).get("temp", "clean_switch") == "0"
    assert parse(edited).get("result", "clean_switch") == "1"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30).filter(lambda text: text == text.strip()))
def test_any_value_on_one_line_can_be_replaced(value):
    text = f"; 注释\r\n[temp]\r\nTemp_Dir: {value}\r\nclean_switch=1"
    latin = text.encode().decode("latin-1")
    edited = config_ini.set_value(latin, "temp", "temp_dir", "./x").encode("latin-1").decode()
    assert edited == "; 注释\r\n[temp]\r\nTemp_Dir: ./x\r\nclean_switch=1"


@pytest.mark.parametrize("text", ["[temp]\n", "temp_dir = ./\n", "[temp]\ntemp_dir = ./\n  more\n"])
def test_impossible_edit_is_refused(text):
    with pytest.raises(ValueError, match="temp_dir"):
        config_ini.set_value(text, "temp", "temp_dir", "./x")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_that_python_knows(newline):
    """HeyGem opens the file as text; what one of them hides is what the clean-up deletes."""
    config = config_ini.parse("; 注释\n[temp]\ntemp_dir = ./\nclean_switch = 1\n".replace("\n", newline).encode(), FILE)
    assert (config.get("temp", "temp_dir"), config.get("temp", "clean_switch")) == ("./", "1")
