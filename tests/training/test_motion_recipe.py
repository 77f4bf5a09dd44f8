from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from heygem_cli.face.geometry import INNER_LOWER_MID, INNER_UPPER_MID, LIPS, Array, canonical_face
from heygem_cli.face.tracker import FaceTracker
from heygem_cli.files import sha256
from heygem_cli.runtime import Settings

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("librosa", reason="training needs the extra `train`")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from training.canonical_face import mean_of_speakers  # noqa: E402
from training.closing import closure_loss, train_closing  # noqa: E402
from training.spoken import Phone  # noqa: E402
from training.spoken_closures import smallest_gaps  # noqa: E402
from training.whisper import FEATURES  # noqa: E402

from training import augment, cards, clips, evaluate, network, speech_model, train, whisper  # noqa: E402

DATA = ROOT.parent / "shared" / "data"


def talking(name: str, seed: int) -> clips.Clip:
    """Return three seconds of the canonical face whose jaw moves with the loudness of a tone."""
    random = np.random.default_rng(seed)
    frames = 75
    swell = np.clip(np.sin(np.arange(frames) * 0.4 + seed), 0, 1)
    face = np.repeat(canonical_face()[None], frames, axis=0)
    lower = [*range(11, 20), *range(31, 40)]
    face[:, np.array(LIPS)[lower], 1] += 0.12 * swell[:, None]
    landmarks = face * random.uniform(80, 120) + np.array([180, 140, 0])
    loudness = np.repeat(swell, 640)
    samples = 0.3 * loudness * np.sin(np.arange(frames * 640) * 0.05)
    return clips.Clip(name, 25.0, samples.astype(np.float32), landmarks.astype(np.float32))


@pytest.fixture(scope="module")
def clip_pair() -> list[clips.Clip]:
    return [talking("a_1.mpg", 1), talking("b_1.mpg", 2)]


def gap(offsets: Array) -> Array:
    points = offsets.reshape(len(offsets), -1, 2)
    return points[:, LIPS.index(INNER_LOWER_MID), 1] - points[:, LIPS.index(INNER_UPPER_MID), 1]


def test_offsets_start_at_the_closed_mouth(clip_pair: list[clips.Clip]) -> None:
    offsets = clips.lip_offsets(clip_pair[0].landmarks, canonical_face())
    assert offsets.shape == (75, 41, 2)
    # The mouth of the mean face is slightly open; offsets are measured from a closed mouth.
    least = gap(canonical_face()[None, [*LIPS, 152], :2])[0]
    assert least > 0.04
    assert np.isclose(gap(offsets).min(), least, atol=0.01)
    assert np.isclose(gap(offsets).max(), least + 0.12, atol=0.01)


def test_frames_without_a_face_are_interpolated() -> None:
    landmarks = np.full((3, 478, 3), np.nan, np.float32)
    landmarks[0], landmarks[2] = 1, 3
    present = np.array([True, False, True])
    assert np.allclose(clips.interpolate_missing(landmarks, present)[1], 2)


def test_faster_speech_is_shorter_with_the_same_motion(clip_pair: list[clips.Clip]) -> None:
    utterance = train.make_utterances(clip_pair, canonical_face(), {})[0]
    for seed in range(20):
        varied = augment.vary(utterance, np.random.default_rng(seed))
        assert len(varied.samples) == 640 * len(varied.offsets)
        assert 75 / 1.23 - 1 <= len(varied.offsets) <= 75 / 0.81
        assert np.isclose(gap(varied.offsets).max(), gap(utterance.offsets).max(), atol=0.02)


def test_exported_network_matches_torch(clip_pair: list[clips.Clip], tmp_path: Path) -> None:
    encoder = whisper.load_encoder()
    utterances = train.make_utterances(clip_pair, canonical_face(), {})
    examples = list(augment.make_examples(utterances, encoder.encode, 2, np.random.default_rng(0)))
    assert all(len(example.features) == 2 * len(example.offsets) for example in examples)
    basis = network.principal_components(np.concatenate([utterance.offsets for utterance in utterances]))
    means = network.position_means(examples)
    nets = [network.train_network(examples, means, basis, 2, seed) for seed in (1, 2)]
    path = tmp_path / "net.onnx"
    closing = train_closing(examples, examples, means, steps=2, seed=1)
    model = speech_model.SpeechModel(encoder, nets, closing, means, basis)
    speech_model.export(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    loaded = speech_model.load(path)
    for count in (1, 640, 8_000, 48_000, 49_001, 192_000):
        samples = 0.1 * torch.randn(1, count, generator=torch.manual_seed(count))
        outputs = session.run(None, {"samples": samples.numpy()})
        with torch.no_grad():
            expected, again = model(samples), loaded(samples)
        assert [output.shape for output in outputs] == [(1, -(-count // 640), 41, 2), (1, -(-count // 640))]
        for output, of_model, of_file in zip(outputs, expected, again, strict=True):
            assert np.allclose(output, of_model.numpy(), atol=1e-3)
            assert np.allclose(output, of_file.numpy(), atol=1e-5)


def test_the_same_seed_gives_the_same_network() -> None:
    offsets = np.random.default_rng(0).standard_normal((60, 82)).astype(np.float32)
    example = augment.Example(np.ones((120, FEATURES), np.float16), offsets, np.zeros(60, np.float32), 1.0)
    basis, means = network.principal_components(offsets), np.zeros((600, FEATURES), np.float32)
    first, second, third = (network.train_network([example], means, basis, 2, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.out.weight.detach(), second.out.weight.detach())
    assert not np.array_equal(first.out.weight.detach(), third.out.weight.detach())


def test_position_means_average_over_examples() -> None:
    expected = np.linspace(0, 1, 600)[:, None] * np.ones((1, FEATURES))
    noise = np.random.default_rng(0).standard_normal((50, 600, FEATURES)) * 0.1
    examples = [
        augment.Example((expected + sample).astype(np.float16), np.zeros((300, 82), np.float32), np.zeros(300), 1)
        for sample in noise
    ]
    assert np.abs(network.position_means(examples) - expected).max() < 0.05


def test_principal_components_keep_the_motion() -> None:
    random = np.random.default_rng(0)
    offsets = (random.standard_normal((500, 4)) @ random.standard_normal((4, 82))).astype(np.float32)
    basis = network.principal_components(offsets)
    components = offsets @ (basis / (basis**2).sum(1, keepdims=True)).T
    assert np.isclose(components[:, 0].std(), 1, atol=0.05)
    assert np.allclose(components @ basis, offsets, atol=1e-3)


def test_correlation_is_highest_at_the_lag() -> None:
    curve = np.random.default_rng(0).standard_normal(60)
    late = np.roll(curve, 2)
    assert evaluate.correlation_at(late, curve, 2) > 0.99
    assert evaluate.correlation_at(late, curve, 0) < 0.6
    assert evaluate.correlation_at(np.ones(60), curve, 0) == 0


def test_the_mean_face_is_symmetric_and_upright(clip_pair: list[clips.Clip]) -> None:
    face = mean_of_speakers(clip_pair)
    assert np.allclose(face[33] + face[263], 0, atol=1e-3)
    assert np.isclose(np.linalg.norm(face[33] - face[263]), 1)


def test_cards_contain_the_digests_of_the_models(tmp_path: Path) -> None:
    for name in cards.MODELS:
        (tmp_path / name).write_bytes(name.encode())
    cards.write_cards(tmp_path, {"grid/dev": [evaluate.Score("x", 0.8, 0.9, 1, 1.0)]})
    for name in ("mouth_painter.onnx", "face_cover.onnx"):
        cards.write_card(tmp_path / name, {"wild": "| y |"})
    for name in ("face_landmarks.onnx", "face_detector.onnx"):
        cards.write_card(tmp_path / name, {}, {"{source}": "ab12", "{agreement}": "| z |"})
    facts = {"{clips}": "3", "{speakers}": "2", "{blinks}": "4", "{rows}": "| pitch |"}
    cards.write_card(tmp_path / "head_motion.npz", {}, facts)
    for name in cards.MODELS:
        text = (tmp_path / name).with_suffix(".md").read_text()
        assert sha256(tmp_path / name) in text
        assert "{" not in text
    assert "| x | 0.80 | 0.90 | +1 | 1.00 |" in (tmp_path / "mouth_motion.md").read_text()
    listed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, check=False)
    assert listed.returncode == 0


@pytest.mark.parametrize(
    "recipe", ["train", "measure", "painter", "cover", "head_motion", "held_out_closures", "canonical_face"]
)
def test_command_has_help(recipe: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", f"training.{recipe}", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--data" in shown.stdout


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the corpus")
def test_real_clip_is_loaded_and_its_track_cached(tmp_path: Path) -> None:
    source = DATA / "grid" / "dev" / "bbaf2n.mpg"
    tracker = FaceTracker("cpu", Settings())
    clip = clips.load_clip(source, tracker, tmp_path / "track.npy")
    assert clip is not None
    assert clip.landmarks.shape == (75, 478, 3)
    assert abs(len(clip.samples) / 16_000 - 2.98) < 0.05
    reloaded = clips.load_clip(source, tracker, tmp_path / "track.npy")
    assert reloaded is not None
    assert np.array_equal(reloaded.landmarks, clip.landmarks)


def test_component_openings_match_their_offsets() -> None:
    basis = np.random.default_rng(3).normal(0, 0.05, (12, 82)).astype(np.float32)
    assert np.allclose(network.component_openings(basis), gap(basis), atol=1e-6)


def test_timing_loss_ignores_amplitude() -> None:
    time = torch.arange(48) * 0.4
    target = 0.1 * torch.stack([torch.sin(time), torch.cos(time), 0 * time])
    wide, late, flat = 3 * target + 0.2, target.roll(4, 1), torch.zeros(3, 48, requires_grad=True)
    assert network.timing_loss(wide, target).item() < 0.01
    assert network.timing_loss(late, target).item() > 0.5
    assert network.timing_loss(-wide, target).item() > 1.9
    network.timing_loss(flat, target).backward()
    assert torch.isfinite(flat.grad).all()
    assert network.timing_loss(target, 0 * target).item() == 0


def test_unknown_closures_do_not_count() -> None:
    logits = torch.tensor([[3.0, -3.0, 9.0, -9.0]])
    known, unknown = torch.tensor([[1.0, 0.0]]), torch.full((1, 2), torch.nan)
    right, wrong = (closure_loss(logits, torch.cat([labels, unknown], 1)) for labels in (known, 1 - known))
    assert right < 0.1
    assert wrong > 1
    assert closure_loss(logits[:, 2:], unknown) == 0


def test_a_bilabial_closes_by_its_smallest_gap_within_a_frame() -> None:
    gaps = np.array([0.1, 0.02, 0.1, 0.1, 0.1, 0.1, 0.03, 0.0], np.float32)
    phones = [Phone("p", 0.08, 0.16), Phone("a", 0.16, 0.2), Phone("m", 0.2, 0.24)]
    assert list(smallest_gaps(gaps, phones, 25)) == pytest.approx([0.02, 0.03])
