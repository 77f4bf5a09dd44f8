from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.speech.encoder import find_whisper
from heygem_cli.speech.whisper_file import BadModelFileError, first_layers


def name(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(text: str, content: bytes) -> bytes:
    return name(text) + struct.pack("<BIBI", 1, len(content), 4, len(content)) + content


def model(*names: str, aliases: int = 1) -> bytes:
    head = struct.pack("<I", 6) + name("WhisperSpec") + struct.pack("<II", 3, len(names))
    body = b"".join(variable(text, text.encode() * 2) for text in names)
    return (
        head + body + struct.pack("<I", aliases) + (name("decoder/projection") + name("decoder/embeddings")) * aliases
    )


LAYERS = [f"encoder/layer_{layer}/ffn/{what}" for layer in range(12) for what in ("weight", "bias")]
OTHERS = ["encoder/conv1/weight", "decoder/layer_3/ffn/weight", "encoder/layer_norm/gamma"]


@given(st.lists(st.sampled_from([*LAYERS, *OTHERS]), unique=True), st.integers(0, 12), st.integers(0, 2))
def test_later_layers_are_left_out_and_nothing_else(names: list[str], layers: int, aliases: int) -> None:
    later = {text for text in LAYERS if int(text.split("_")[1].split("/")[0]) >= layers}
    wanted = [text for text in names if text not in later]
    assert first_layers(model(*names, aliases=aliases), layers) == model(*wanted, aliases=aliases)


@given(st.integers(0, 10_000))
def test_a_file_that_is_cut_off_is_told(length: int) -> None:
    whole = model(*LAYERS, *OTHERS, aliases=0)
    with pytest.raises(BadModelFileError):
        first_layers(whole[: length % len(whole)], 2)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_file_or_our_error(content: bytes) -> None:
    try:
        first_layers(content, 2)
    except BadModelFileError:
        return


def test_the_model_that_comes_along_loses_its_later_layers() -> None:
    content = (find_whisper({}) / "model.bin").read_bytes()
    cut = first_layers(content, 2)
    assert b"encoder/layer_1/" in cut
    assert b"encoder/layer_2/" not in cut
    assert b"decoder/layer_3/" in cut
    assert first_layers(content, 4) == content
