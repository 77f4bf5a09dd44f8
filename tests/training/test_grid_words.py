from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("librosa", reason="training needs the extra `train`")

from training.bilabials import bilabial_times, closure_labels, find_closure
from training.grid_words import Word, WordModels, read_timings, sentence_of

RANDOM = np.random.default_rng(5)
SOUNDS = {word: RANDOM.standard_normal((4, 48)) for word in ("sil", "bin", "blue", "at", "now")}
"""Features of the four parts of each word; those of silence are one."""


def speak(*words: tuple[str, int]) -> tuple[np.ndarray, list[Word]]:
    """Return noisy features and the timings of words that last some frames of 20 ms."""
    features, timings, start = [], [], 0
    for word, frames in words:
        parts = SOUNDS[word][:1] if word == "sil" else SOUNDS[word]
        features.append(parts[np.arange(frames) * len(parts) // frames])
        timings.append(Word(word, start / 50, (start + frames) / 50))
        start += frames
    joined = np.concatenate(features)
    return joined + 0.3 * RANDOM.standard_normal(joined.shape), timings


def test_name_spells_a_sentence() -> None:
    assert sentence_of("s4_bbaf2n.mpg") == ["bin", "blue", "at", "f", "two", "now"]
    assert sentence_of("lwae8p.mpg")[-1] == "please"
    assert sentence_of("sx1_6a59e295.mpg") == []
    assert sentence_of("bbaw2n.mpg") == [], "GRID leaves out the letter w"


def test_timings_are_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "a.align").write_text("0 22500 sil\n22500 27500 bin\n")
    assert read_timings(tmp_path / "a.align") == [Word("sil", 0, 0.9), Word("bin", 0.9, 1.1)]


@pytest.mark.parametrize("pause", [0, 12])
def test_words_are_found_where_they_are(pause: int) -> None:
    examples = [
        speak(("sil", 15 + shift), ("bin", 9), ("blue", 11), ("at", 8), ("now", 12), ("sil", 20)) for shift in range(6)
    ]
    middle = [("sil", pause)] if pause else []
    features, timings = speak(("sil", 30), ("bin", 12), ("blue", 9), *middle, ("at", 10), ("now", 9), ("sil", 9))
    expected = [word for word in timings if word.text != "sil"]
    found = WordModels(examples).align(features, ["bin", "blue", "at", "now"])
    assert [word.text for word in found] == [word.text for word in expected]
    for one, other in zip(found, expected, strict=True):
        assert abs(one.start - other.start) <= 0.04
        assert abs(one.stop - other.stop) <= 0.04


def test_a_word_that_was_never_heard_takes_what_the_others_leave() -> None:
    examples = [speak(("sil", 15), ("bin", 9), ("blue", 11), ("now", 12), ("sil", 20)) for _ in range(4)]
    features, timings = speak(("sil", 10), ("bin", 9), ("at", 16), ("now", 12), ("sil", 10))
    found = WordModels(examples).align(features, ["bin", "at", "now"])
    assert abs(found[2].start - timings[3].start) <= 0.06


def test_bilabials_are_at_the_start_of_words_and_at_the_end_of_m() -> None:
    words = [Word("bin", 1, 2), Word("set", 2, 3), Word("m", 3, 4), Word("please", 4, 5)]
    assert bilabial_times(words) == [1, 4, 4]


def labels(openings: Sequence[float], time: float) -> list[int]:
    found = closure_labels(np.array(openings, np.float32), [Word("by", time, time + 1)])
    return np.flatnonzero(found).tolist()


def test_closure_has_the_frames_in_which_the_lips_touch() -> None:
    openings = [0.1] * 10 + [0.01] * 2 + [0.1] * 10
    assert labels(openings, 9 / 25) == [10, 11]
    assert labels(openings, 18 / 25) == []
    assert labels([0.0] * 22, 9 / 25) == [7, 8, 9, 10, 11], "not all of a silence"


def test_nothing_is_found_where_the_face_is_not_known() -> None:
    assert find_closure(np.full(10, np.nan, np.float32), 0.2) is None
