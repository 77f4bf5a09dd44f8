from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from training.painter_data import Mouth
from training.painter_network import Painter, compose

from drawn_mouth import lip_points, mouth_frame
from heygem_cli.mesh import painter
from heygem_cli.mesh.crop import CENTER, HEIGHT, SCALE, WIDTH, MouthCrop
from heygem_cli.mesh.interior import extract_interior, lip_brightness
from heygem_cli.mesh.mouth_shape import mouth_shape
from heygem_cli.runtime import read_settings
from training import painter_evaluate, painter_examples, painter_train


def make_mouth(frame_index: int, opening: float) -> Mouth:
    frame, points = mouth_frame(opening, SCALE)
    crop = MouthCrop.from_lips(points, SCALE)
    interior = extract_interior(frame, points, SCALE)
    brightness = lip_brightness(frame, points)
    canonical = np.zeros((41, 3), np.float32)
    canonical[:40, :2] = lip_points(opening)
    shape = mouth_shape(canonical)
    return Mouth("s1_x.mpg", frame_index, crop.sample(frame), crop.lips, opening, brightness, shape, interior)


@pytest.fixture(scope="module")
def clip() -> list[Mouth]:
    return [make_mouth(index, 0.05 + 0.15 * abs(np.sin(index / 5))) for index in range(30)]


@pytest.fixture(scope="module")
def examples(clip: list[Mouth]) -> list[painter_examples.PainterExample]:
    return list(painter_examples.make_examples([clip], np.random.default_rng(0)))


def test_augmented_examples_have_the_shape_and_range_of_the_network(
    examples: list[painter_examples.PainterExample],
) -> None:
    assert len(examples) > 30
    for seed, example in enumerate(examples):
        image, _, mask, _, target = painter_examples.augment(example, np.random.default_rng(seed))
        assert image.shape == target.shape == (3, HEIGHT, WIDTH)
        assert 0 <= image.min() <= image.max() <= 255
        assert 0 <= mask.min() <= mask.max() <= 1


def test_network_does_not_see_the_hidden_pixels() -> None:
    network = Painter().eval()
    image, references = torch.rand(1, 3, HEIGHT, WIDTH) * 200, torch.rand(1, 2, 3, HEIGHT, WIDTH) * 200
    mask = torch.from_numpy(painter.paint_mask(lip_points(0.2) * SCALE + CENTER))[None, None]
    blackened = image * (1 - (mask > 0.999).float())
    with torch.no_grad():
        first, second = (network(each, references, mask, torch.zeros(1, 2))[0] for each in (image, blackened))
    assert torch.allclose(first, second, atol=0.5)


def test_mirrored_lips_keep_their_order() -> None:
    original = lip_points(0.2) * SCALE + CENTER
    mirrored = painter_examples._mirror_lips(original)
    assert mirrored[0, 0] < mirrored[10, 0]
    assert np.allclose(painter_examples._mirror_lips(mirrored), original, atol=1e-4)


def test_absent_reference_has_no_share() -> None:
    network = Painter().eval()
    known = torch.tensor([[1.0, 0.0]])
    references = torch.rand(1, 2, 3, HEIGHT, WIDTH) * 200
    with torch.no_grad():
        painted, shares = network(
            torch.rand(1, 3, HEIGHT, WIDTH) * 200, references, torch.ones(1, 1, HEIGHT, WIDTH) / 2, known
        )
    assert shares[:, 2].max() < 1e-6
    assert torch.allclose(shares.sum(1), torch.ones(1, HEIGHT, WIDTH))
    assert compose(painted, shares, references).shape == painted.shape


def test_exported_painter_matches_torch(
    examples: list[painter_examples.PainterExample],
    clip: list[Mouth],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = painter_train.train_painter(examples, steps=3, seed=1)
    painter_train.export_painter(network, tmp_path / painter.MODEL)
    monkeypatch.setattr(painter, "model_path", lambda name: tmp_path / name)
    exported = painter.Painter("cpu", read_settings(os.environ))
    painted = exported.predict(clip[3].image, clip[3].lips, [])
    inputs = (
        torch.from_numpy(np.moveaxis(clip[3].image, -1, 0)[None].astype(np.float32)),
        torch.zeros(1, 2, 3, HEIGHT, WIDTH),
        torch.from_numpy(painter.paint_mask(clip[3].lips))[None, None],
        torch.zeros(1, 2),
    )
    with torch.no_grad():
        expected = network(*inputs)[0][0].numpy()
    assert np.allclose(np.moveaxis(painted, -1, 0), expected, atol=0.5)
    score = painter_evaluate.score_clip(exported, clip)
    assert score is not None
    assert score.psnr["nearest frame copied"] > score.psnr["one wide frame copied"]
    assert "| **mean** |" in painter_evaluate.table([score])


def test_perfect_restoration_scores_best(clip: list[Mouth]) -> None:
    psnr, ssim = painter_evaluate.compare(clip[4].image, clip[4])
    assert psnr > 70
    assert ssim == pytest.approx(1)
    dark = clip[4].image // 2
    assert painter_evaluate.compare(dark, clip[4])[0] < 30
