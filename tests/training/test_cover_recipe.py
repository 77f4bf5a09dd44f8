from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from training.cover_data import CANVAS, LowerFace, cut_out
from training.cover_evaluate import CoverScore, merged, score_faces, table

from heygem_cli.mesh import cover_network
from heygem_cli.mesh.cover_network import SIDE
from heygem_cli.runtime import read_settings
from portrait import i420, scene, track_frame
from training import cover_examples, cover_faces, cover_train


@pytest.fixture(scope="module")
def face() -> LowerFace:
    frame = i420(scene(640, 480, (320, 240, 460)))
    return cut_out(frame, track_frame(frame), "someone_1.mpg")


@pytest.fixture(scope="module")
def occluders() -> list[cover_examples.Occluder]:
    return cover_examples.draw_occluders(12, np.random.default_rng(3))


def test_lower_face_is_upright_and_in_the_middle(face: LowerFace) -> None:
    assert face.speaker == "someone"
    assert face.image.shape == (CANVAS, CANVAS, 3)
    assert np.abs(face.landmarks[[13, 14]].mean(0) - CANVAS / 2).max() < CANVAS / 12
    assert abs(face.landmarks[33, 1] - face.landmarks[263, 1]) < CANVAS / 30


@pytest.mark.parametrize("kind", cover_examples.KINDS, ids=lambda kind: kind.draw.__name__)
def test_occluders_of_every_kind_are_drawn(kind: cover_examples.Kind) -> None:
    for seed in range(4):
        layer = kind.draw(np.random.default_rng(seed))
        assert layer.image.shape == (CANVAS, CANVAS, 3)
        assert layer.opacity.shape == (CANVAS, CANVAS)
        assert 0 <= layer.opacity.min() <= layer.opacity.max() <= 1
        assert np.isfinite(layer.image).all()


def test_what_is_drawn_is_marked_as_covered(face: LowerFace, occluders: list[cover_examples.Occluder]) -> None:
    examples = cover_examples.make_examples([face], [face], occluders, 24, np.random.default_rng(0))
    assert examples.image.shape == (24, SIDE, SIDE, 3)
    covered = examples.covered.reshape(24, -1).any(1)
    assert 0.2 < covered.mean() < 0.95
    assert set(np.unique(examples.covered)) == {0, 1}


def test_lips_count_most() -> None:
    weights = cover_examples.pixel_weights()
    assert weights[SIDE // 2, SIDE // 2] == weights.max() > 1
    assert weights[0, 0] == weights.min() > 0


def test_varied_faces_stay_pictures(face: LowerFace) -> None:
    for seed in range(30):
        view = cover_faces.vary_face(face, np.random.default_rng(seed))
        assert view.image.shape == (cover_faces.VIEW, cover_faces.VIEW, 3)
        assert 0 <= view.image.min() <= view.image.max() <= 255


def test_exported_network_matches_torch(
    face: LowerFace, occluders: list[cover_examples.Occluder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = cover_examples.make_examples([face], [face], occluders, 64, np.random.default_rng(0))
    network = cover_train.train_cover(examples, steps=2, seed=1)
    cover_train.export_cover(network, tmp_path / cover_network.MODEL)
    monkeypatch.setattr(cover_network, "model_path", lambda name: tmp_path / name)
    exported = cover_network.CoverNetwork("cpu", read_settings(os.environ))
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(examples.image[:1])))[0].numpy()
    assert np.allclose(exported.predict_image(examples.image[0]), expected, atol=1e-3)
    loaded = cover_train.load_cover(tmp_path / cover_network.MODEL).state_dict()
    assert all((loaded[name] == weights).all() for name, weights in network.state_dict().items())


class Everything:
    """Stands in for a network that takes everything for covered."""

    def predict_image(self, _image: np.ndarray) -> np.ndarray:
        return np.ones((SIDE, SIDE), np.float32)


def test_a_network_that_covers_everything_gets_no_credit_for_it(
    face: LowerFace, occluders: list[cover_examples.Occluder]
) -> None:
    score = score_faces(Everything(), [face] * 12, occluders, np.random.default_rng(0))
    assert score.clean == [1] * 12
    assert all(share == 1 for shares in score.found.values() for share in shares)
    assert all(score.passed)
    assert all(score.stopped)
    total = merged([score, CoverScore()])
    assert "| all | 12 | 100.00 % | 100.00 % |" in table({"all": total})
