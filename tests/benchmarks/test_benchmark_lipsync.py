import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.lipsync import EARLIER, Judged, compare, goals_of, groups_of, mean, read_figures

from benchmarks import pixels
from heygem_cli.errors import InputError
from heygem_cli.face.canonical import canonical_face
from heygem_cli.face.geometry import INNER_LOWER_MID

SCORES = {"correlation": 0.9, "lag": 0, "best": 0.9, "silent": 9, "closure": 0.0, "sharpness": 1.0, "jitter": 1.0}


def judged(clip: str, group: str, **now: float) -> Judged:
    return Judged(clip, group, SCORES, None, {**SCORES, **now})


def reached(clips: list[Judged]) -> dict[str, bool]:
    return {goal.what: goal.reached for goal in goals_of(clips)}


def test_a_person_of_the_training_data_counts_apart() -> None:
    groups = groups_of([judged("bbaf2n", "grid"), judged("lbax4n", "grid")])
    assert [each.clip for each in groups["grid, people never seen"]] == ["lbax4n"]
    assert len(groups["grid, all"]) == 2
    assert "wild" not in groups


@pytest.mark.parametrize(
    ("score", "value"),
    [("correlation", 0.83), ("closure", 0.021), ("sharpness", 0.84), ("sharpness", 1.16), ("jitter", 1.11), ("lag", 2)],
)
def test_a_goal_that_is_missed_is_told(score: str, value: float) -> None:
    assert all(reached([judged("lbax4n", "grid")]).values())
    assert list(reached([judged("lbax4n", "grid", **{score: value})]).values()).count(False) == 1


def test_what_could_not_be_measured_is_left_out_of_a_mean_and_misses_its_goal() -> None:
    assert mean([{"seam": 1.0}, {"seam": float("nan")}, {}], "seam") == 1
    assert not reached([judged("lbax4n", "grid", closure=float("nan"))])[
        "all clips: share of silent frames that are open"
    ]


def test_a_share_of_silent_frames_is_taken_over_all_of_them() -> None:
    assert mean([{"silent": 30, "closure": 0.0}, {"silent": 10, "closure": 1.0}], "closure") == pytest.approx(0.25)


def test_the_engine_of_the_main_job_has_figures_for_all_scores() -> None:
    earlier = read_figures(EARLIER)
    assert len(earlier) == 15
    assert set(earlier["lbax4n"]) >= set(SCORES)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"clips": [{"clip": "a"}]}'])
def test_a_file_without_figures_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "before.json"
    path.write_text(content)
    with pytest.raises(InputError, match="has no figures"):
        read_figures(path)


def test_figures_of_an_earlier_run_stand_beside_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    path.write_text(json.dumps({"clips": [{"clip": "a", "heygem": {"seam": float("nan"), "lag": 1}}]}))
    before = read_figures(path)
    assert before["a"]["lag"] == 1
    assert np.isnan(before["a"]["seam"])
    assert compare([], before) == []


def face() -> tuple[np.ndarray, np.ndarray]:
    """Luma (400, 400) with some grain, and landmarks of a face of 100 px between the eyes."""
    luma = np.random.default_rng(3).integers(100, 140, (400, 400), np.uint8)
    return luma, (canonical_face() * 100 + np.float32([200, 150, 0])).astype(np.float32)


def test_blur_takes_sharpness() -> None:
    luma, landmarks = face()
    assert pixels.mouth_sharpness(cv2.GaussianBlur(luma, (0, 0), 1), landmarks) < 0.2 * pixels.mouth_sharpness(
        luma, landmarks
    )


def test_light_moves_with_the_face() -> None:
    luma, landmarks = face()
    moved = np.roll(luma, (6, 4), (0, 1))
    assert pixels.light(moved, landmarks + np.float32([4, 6, 0])) == pytest.approx(pixels.light(luma, landmarks))
    landmarks[INNER_LOWER_MID] = np.nan
    assert np.isnan(pixels.light(luma, landmarks)).all()


def test_a_pasted_box_has_a_seam_and_a_soft_change_has_none() -> None:
    luma = (50 + np.arange(200) // 2 + np.zeros((200, 1))).astype(np.uint8)
    pasted = luma.copy()
    pasted[60:140, 60:140] += 30
    soft = luma + (20 * np.exp(-((np.indices(luma.shape) - 100) ** 2).sum(0) / 3200)).astype(np.uint8)
    there, before = pixels.seam(pasted, luma, 2)
    assert there > 1.4 * before
    there, before = pixels.seam(soft, luma, 2)
    assert there < 1.1 * before
    assert np.isnan(pixels.seam(luma, luma, 2)).all()
