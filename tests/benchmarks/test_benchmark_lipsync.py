import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import INNER_LOWER_MID, canonical_face

pytest.importorskip("mediapipe", reason="the benchmark needs the extra `train`")

from benchmarks.lipsync import BASELINE, ClipScores, combine_scores, group_clips, make_targets, mean, read_scores

from benchmarks import image_quality

SCORES = {
    "correlation": 0.9,
    "lag": 0,
    "best": 0.9,
    "silent": 9,
    "closure": 0.0,
    "bilabials": 3,
    "bilabials_closed": 1.0,
    "sharpness": 1.0,
    "jitter": 1.0,
    "leak": 0.03,
}


def make_scores(clip: str, group: str, **current: float) -> ClipScores:
    return ClipScores(clip, group, SCORES, None, {**SCORES, **current})


def reached(clips: list[ClipScores]) -> dict[str, bool]:
    return {target.name: target.reached for target in make_targets(clips)}


def test_speaker_of_the_training_data_is_not_unseen() -> None:
    groups = group_clips([make_scores("bbaf2n", "grid"), make_scores("lbax4n", "grid")])
    assert [each.clip for each in groups["grid, unseen speakers"]] == ["lbax4n"]
    assert len(groups["grid, all"]) == 2
    assert "wild" not in groups


@pytest.mark.parametrize(
    ("score", "value"),
    [
        ("correlation", 0.83),
        ("closure", 0.021),
        ("bilabials_closed", 0.94),
        ("sharpness", 0.84),
        ("sharpness", 1.16),
        ("jitter", 1.11),
        ("lag", 2),
        ("leak", 0.06),
    ],
)
def test_missed_target_is_reported(score: str, value: float) -> None:
    assert all(reached([make_scores("lbax4n", "grid")]).values())
    assert list(reached([make_scores("lbax4n", "grid", **{score: value})]).values()).count(False) == 1


def test_unknown_score_is_left_out_of_the_mean_and_misses_its_target() -> None:
    assert mean([{"seam": 1.0}, {"seam": float("nan")}, {}], "seam") == 1
    assert not reached([make_scores("lbax4n", "grid", closure=float("nan"))])[
        "all clips: share of silent frames that are open"
    ]


def test_share_of_silent_frames_is_weighted_by_their_number() -> None:
    assert mean([{"silent": 30, "closure": 0.0}, {"silent": 10, "closure": 1.0}], "closure") == pytest.approx(0.25)


def test_baseline_has_all_scores_of_all_clips() -> None:
    baseline = read_scores(BASELINE)
    assert len(baseline) == 15
    # What leaks in silence, and closures, were not measured then.
    assert set(baseline["lbax4n"]) >= set(SCORES) - {"leak", "bilabials", "bilabials_closed"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"clips": [{"clip": "a"}]}'])
def test_file_without_scores_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "before.json"
    path.write_text(content)
    with pytest.raises(InputError, match="contains no scores"):
        read_scores(path)


def test_scores_of_an_earlier_run_are_read_by_clip(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    path.write_text(json.dumps({"clips": [{"clip": "a", "heygem": {"seam": float("nan"), "lag": 1}}]}))
    before = read_scores(path)
    assert before["a"]["lag"] == 1
    assert np.isnan(before["a"]["seam"])
    assert combine_scores([], before) == []


def face() -> tuple[np.ndarray, np.ndarray]:
    """Return noisy luma (400, 400) and landmarks of a face with 100 px between the eyes."""
    luma = np.random.default_rng(3).integers(100, 140, (400, 400), np.uint8)
    return luma, (canonical_face() * 100 + np.float32([200, 150, 0])).astype(np.float32)


def test_blur_reduces_sharpness() -> None:
    luma, landmarks = face()
    blurred = cv2.GaussianBlur(luma, (0, 0), 1)
    sharpness, after_blur = (image_quality.mouth_sharpness(each, landmarks) for each in (luma, blurred))
    assert after_blur < 0.2 * sharpness


def test_luma_samples_follow_the_face() -> None:
    luma, landmarks = face()
    moved = np.roll(luma, (6, 4), (0, 1))
    samples = image_quality.sample_luma(luma, landmarks)
    assert image_quality.sample_luma(moved, landmarks + np.float32([4, 6, 0])) == pytest.approx(samples)
    landmarks[INNER_LOWER_MID] = np.nan
    assert np.isnan(image_quality.sample_luma(luma, landmarks)).all()


def test_pasted_box_has_a_seam_and_a_smooth_change_has_none() -> None:
    luma = (50 + np.arange(200) // 2 + np.zeros((200, 1))).astype(np.uint8)
    pasted = luma.copy()
    pasted[60:140, 60:140] += 30
    soft = luma + (20 * np.exp(-((np.indices(luma.shape) - 100) ** 2).sum(0) / 3200)).astype(np.uint8)
    in_output, in_source = image_quality.seam_gradients(pasted, luma, 2)
    assert in_output > 1.4 * in_source
    in_output, in_source = image_quality.seam_gradients(soft, luma, 2)
    assert in_output < 1.1 * in_source
    assert np.isnan(image_quality.seam_gradients(luma, luma, 2)).all()
