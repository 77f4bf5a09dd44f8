from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.speech.encoder import find_whisper
from heygem_cli.speech.whisper_file import ModelFileError, truncate_encoder


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
def test_only_later_layers_are_removed(names: list[str], layers: int, aliases: int) -> None:
    removed = {text for text in LAYERS if int(text.split("_")[1].split("/")[0]) >= layers}
    kept = [text for text in names if text not in removed]
    assert truncate_encoder(model(*names, aliases=aliases), layers) == model(*kept, aliases=aliases)


@given(st.integers(0, 10_000))
def test_truncated_file_is_rejected(length: int) -> None:
    whole = model(*LAYERS, *OTHERS, aliases=0)
    with pytest.raises(ModelFileError):
        truncate_encoder(whole[: length % len(whole)], 2)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_converted_or_rejected(content: bytes) -> None:
    try:
        truncate_encoder(content, 2)
    except ModelFileError:
        return


def test_bundled_model_loses_its_later_layers() -> None:
    content = (find_whisper({}) / "model.bin").read_bytes()
    cut = truncate_encoder(content, 2)
    assert b"encoder/layer_1/" in cut
    assert b"encoder/layer_2/" not in cut
    assert b"decoder/layer_3/" in cut
    assert truncate_encoder(content, 4) == content
