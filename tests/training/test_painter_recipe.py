from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")

import torch
from training.painter_data import Mouth
from training.painter_network import Painter, mixed

from drawn_mouth import lips, photographed
from heygem_cli.mesh import painter
from heygem_cli.mesh.interior import lip_light, take_interior
from heygem_cli.mesh.view import HEIGHT, MIDDLE, SCALE, WIDTH, View
from heygem_cli.runtime import read_settings
from training import painter_evaluate, painter_lessons, painter_train


def mouth(number: int, opening: float) -> Mouth:
    frame, points = photographed(opening, SCALE)
    view = View.of(points, SCALE)
    interior = take_interior(frame, points, SCALE)
    return Mouth("s1_x.mpg", number, view.picture(frame), view.lips, opening, lip_light(frame, points), interior)


@pytest.fixture(scope="module")
def clip() -> list[Mouth]:
    return [mouth(number, 0.05 + 0.15 * abs(np.sin(number / 5))) for number in range(30)]


@pytest.fixture(scope="module")
def lessons(clip: list[Mouth]) -> list[painter_lessons.Lesson]:
    return list(painter_lessons.make_lessons([clip], np.random.default_rng(0)))


def test_no_lesson_shows_its_answer(lessons: list[painter_lessons.Lesson]) -> None:
    assert len(lessons) > 30
    for seed, lesson in enumerate(lessons):
        picture, _, hidden, _, wanted = painter_lessons.vary(lesson, np.random.default_rng(seed))
        assert picture.shape == wanted.shape == (3, HEIGHT, WIDTH)
        assert 0 <= picture.min() <= picture.max() <= 255
        assert 0 <= hidden.min() <= hidden.max() <= 1
    network = Painter().eval()
    inputs = [torch.rand(1, 3, HEIGHT, WIDTH) * 200, torch.rand(1, 2, 3, HEIGHT, WIDTH) * 200]
    inside = torch.from_numpy(painter.hidden(lips(0.2) * SCALE + MIDDLE))[None, None]
    other = inputs[0] * (1 - (inside > 0.999).float())
    known = torch.zeros(1, 2)
    with torch.no_grad():
        one, another = (network(picture, inputs[1], inside, known)[0] for picture in (inputs[0], other))
    assert torch.allclose(one, another, atol=0.5)


def test_a_mirrored_mouth_keeps_its_order() -> None:
    here = lips(0.2) * SCALE + MIDDLE
    there = painter_lessons._mirrored(here)
    assert there[0, 0] < there[10, 0]
    assert np.allclose(painter_lessons._mirrored(there), here, atol=1e-4)


def test_an_unknown_reference_has_no_share() -> None:
    network = Painter().eval()
    known = torch.tensor([[1.0, 0.0]])
    pictures = torch.rand(1, 2, 3, HEIGHT, WIDTH) * 200
    with torch.no_grad():
        painted, shares = network(
            torch.rand(1, 3, HEIGHT, WIDTH) * 200, pictures, torch.ones(1, 1, HEIGHT, WIDTH) / 2, known
        )
    assert shares[:, 2].max() < 1e-6
    assert torch.allclose(shares.sum(1), torch.ones(1, HEIGHT, WIDTH))
    assert mixed(painted, shares, pictures).shape == painted.shape


def test_recipe_ends_in_a_network_that_says_what_torch_says(
    lessons: list[painter_lessons.Lesson], clip: list[Mouth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = painter_train.train_painter(lessons, steps=3, seed=1)
    painter_train.export_painter(network, tmp_path / painter.MODEL)
    monkeypatch.setattr(painter, "model_path", lambda name: tmp_path / name)
    exported = painter.Painter("cpu", read_settings(os.environ))
    painted, _ = exported.see(clip[3].picture, clip[3].lips, [])
    inputs = (
        torch.from_numpy(np.moveaxis(clip[3].picture, -1, 0)[None].astype(np.float32)),
        torch.zeros(1, 2, 3, HEIGHT, WIDTH),
        torch.from_numpy(painter.hidden(clip[3].lips))[None, None],
        torch.zeros(1, 2),
    )
    with torch.no_grad():
        said = network(*inputs)[0][0].numpy()
    assert np.allclose(np.moveaxis(painted, -1, 0), said, atol=0.5)
    found = painter_evaluate.judge_clip(exported, clip)
    assert found is not None
    assert found.psnr["nearest frame copied"] > found.psnr["one wide frame copied"]
    assert "| **mean** |" in painter_evaluate.table([found])


def test_a_perfect_restoration_scores_best(clip: list[Mouth]) -> None:
    psnr, ssim = painter_evaluate.compare(clip[4].picture, clip[4])
    assert psnr > 70
    assert ssim == pytest.approx(1)
    dark = clip[4].picture // 2
    assert painter_evaluate.compare(dark, clip[4])[0] < 30
