"""Editing opt.txt without changing anything but the value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.heygem.installation import opt_file
from heygem_cli.heygem.installation.files import decode_lossless, split_lines
from heygem_tree import opt_text

LINE = "              num_threads: 4                             \n"

words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=60)
keys = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=40)
newlines = st.sampled_from(["\n", "\r\n", "\r"])
options = st.builds(
    lambda key, value, default, newline: f"{key:>25}: {value:<30}{default}{newline}",
    keys,
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\t"), max_size=40),
    st.one_of(st.just(""), words.map(lambda word: f"\t[default: {word}]")),
    newlines,
)
lines = st.one_of(options, st.builds(lambda text, newline: text + newline, words, newlines))


@given(options)
def test_option_line_round_trip(line):
    option = opt_file.parse_line(line)
    assert option is not None
    assert "".join(option) == line


@given(st.lists(lines))
def test_split_lines_loses_nothing(texts):
    assert "".join(split_lines("".join(texts))) == "".join(texts)


@given(st.lists(options), st.lists(options), newlines)
def test_edit_changes_one_value_only(before, after, newline):
    before, after = (
        [line for line in each if not line.lstrip(" ").startswith("num_threads:")] for each in (before, after)
    )
    line = LINE.replace("\n", newline)
    text = "".join([*before, line, *after])
    edited = opt_file.set_value(text, "num_threads", "0")
    assert edited == "".join([*before, line.replace("4", "0"), *after])
    assert opt_file.set_value(edited, "num_threads", "0") == edited


@given(st.binary(max_size=300).filter(lambda data: b"\0" not in data), st.binary(max_size=100))
def test_edit_keeps_bytes_in_any_encoding(before, after):
    data = before + b"\n" + LINE.encode() + after.replace(b"\0", b"")
    text, codec = decode_lossless(data, None)
    assert text.encode(codec) == data
    edited = opt_file.set_value(text, "num_threads", "0").encode(codec)
    assert len(edited) == len(data)
    assert edited.startswith(before + b"\n" + LINE.encode().replace(b"4", b"0"))


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=50), newlines)
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_edit_keeps_utf_16(codec, word, newline):
    data = ("\ufeff" + opt_text(threads="4", newline=newline) + word).encode(codec)
    text, found_codec = decode_lossless(data, None)
    assert text.encode(found_codec) == data
    edited = opt_file.set_value(text, "num_threads", "0").encode(found_codec)
    assert edited == ("\ufeff" + opt_text(threads="4", newline=newline).replace(": 4 ", ": 0 ") + word).encode(codec)


def test_parse():
    text = opt_text()
    values = {option.key: option.value for option in opt_file.parse(text)}
    assert values["num_threads"] == "0"
    assert values["suffix"] == ""
    assert values["feature_layers"] == "['relu_1_1', 'relu_2_1']"
    assert values["perceptual_use_style_loss"] == "True"
    assert len(values) == len(opt_file.parse(text)) == 11
    assert opt_file.parse(text)[0].default == ""
    assert next(each for each in opt_file.parse(text) if each.key == "num_threads").default == "\t[default: 4]"


@pytest.mark.parametrize("rule", ["----------------- Options ---------------\n", "\n", "", "no option here\n"])
def test_lines_without_option(rule):
    assert opt_file.parse_line(rule) is None


@pytest.mark.parametrize(
    ("line", "edited"),
    [
        ("num_threads: 16                            \n", "num_threads: 0                             \n"),
        ("num_threads: 4\n", "num_threads: 0\n"),
        ("num_threads: 4", "num_threads: 0"),
        ("num_threads:\n", "num_threads:0\n"),
        ("  num_threads : four  \t[default: 4]\r\n", "  num_threads : 0     \t[default: 4]\r\n"),
        ("test_num_threads: 4\n", "test_num_threads: 4\n"),
        ("num_threads: 0  \n", "num_threads: 0  \n"),
    ],
)
def test_edit_keeps_the_column_width(line, edited):
    assert opt_file.set_value(line, "num_threads", "0") == edited


def test_repeated_lines_are_all_edited():
    text = LINE + LINE.replace("4", "8")
    assert opt_file.values(text, "num_threads") == ["4", "8"]
    assert opt_file.values(opt_file.set_value(text, "num_threads", "0"), "num_threads") == ["0", "0"]
