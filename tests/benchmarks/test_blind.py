import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.blind import ANSWERS, CROPS, KEY, Item, chance, count_answers, crop_items, pair_items, write_questions

from heygem_cli.errors import InputError

CLIPS = [f"clip {number}" for number in range(20)]


def test_each_clip_is_judged_in_a_random_order_and_on_random_sides() -> None:
    pairs = pair_items(CLIPS, np.random.default_rng(1))
    assert sorted(item.clip for item in pairs) == sorted(CLIPS)
    assert [item.clip for item in pairs] != CLIPS
    assert 4 < sum(item.right == "left" for item in pairs) < 16
    assert pair_items(CLIPS, np.random.default_rng(1)) == pairs
    assert pair_items(CLIPS, np.random.default_rng(2)) != pairs


def test_crops_are_half_real_and_mixed() -> None:
    crops = crop_items(CLIPS, np.random.default_rng(1))
    kinds = [item.right for item in crops]
    assert len(crops) == 2 * CROPS * len(CLIPS)
    assert kinds.count("real") == kinds.count("rendered") == CROPS * len(CLIPS)
    assert len({item.name for item in crops}) == len(crops)
    assert 0.3 < np.mean(np.array(kinds[1:]) == np.array(kinds[:-1])) < 0.7


def answer(folder: Path, *answers: str) -> None:
    rows = [line.removesuffix(",") for line in (folder / ANSWERS).read_text().splitlines()]
    filled = [rows[0], *(f"{row},{given}" for row, given in zip(rows[1:], answers, strict=True))]
    (folder / ANSWERS).write_text("\n".join(filled))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    items = [Item("pair 1", "a", "left"), Item("pair 2", "b", "right"), Item("crop 1", "a", "real")]
    write_questions(tmp_path, [*items, Item("crop 2", "b", "rendered")])
    return tmp_path


def test_questions_do_not_tell_the_answers(folder: Path) -> None:
    assert (folder / ANSWERS).read_text().split("\n") == [
        "question,answer",
        "pair 1,",
        "pair 2,",
        "crop 1,",
        "crop 2,",
        "",
    ]
    assert json.loads((folder / KEY).read_text())["pair 2"] == {"clip": "b", "right": "right"}


def test_right_answers_are_counted_and_those_left_empty_are_not(folder: Path) -> None:
    answer(folder, "left", "Left", "rendered", "")
    assert count_answers(folder) == [("pairs", 1, 2), ("crops", 0, 1)]


@pytest.mark.parametrize("given", ["real", "lefft", "1"])
def test_an_answer_that_is_none_is_an_error(folder: Path, given: str) -> None:
    answer(folder, given, "", "", "")
    with pytest.raises(InputError, match=r"pair 1: .* is no answer"):
        count_answers(folder)


def test_a_folder_without_a_key_is_an_error(folder: Path) -> None:
    (folder / KEY).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        count_answers(folder)


def test_chance_of_guessing() -> None:
    assert chance(0, 5) == 1
    assert chance(5, 5) == pytest.approx(1 / 32)
    assert chance(4, 5) == pytest.approx(6 / 32)
