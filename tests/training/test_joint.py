from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pytest

from heygem_cli.face.geometry import INNER_LOWER_MID, canonical_face
from heygem_cli.speech.windows import WINDOW

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("librosa", reason="training needs the extra `train`")

from training.clips import Clip  # noqa: E402

from training import augment, held_out, joint, network, speech_model, whisper  # noqa: E402

FRAMES = 60


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: on a busy machine several mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder() -> whisper.WhisperEncoder:
    return whisper.load_encoder()


@pytest.fixture(scope="module")
def examples(encoder: whisper.WhisperEncoder) -> list[augment.Example]:
    """Return tones whose loudness moves the first components."""
    swell = np.clip(np.sin(np.arange(FRAMES) * 0.4), 0, 1).astype(np.float32)
    directions = np.random.default_rng(1).normal(0, 0.1, (3, 82)).astype(np.float32)
    found = []
    for pitch in (150, 220, 300):
        samples = 0.3 * swell.repeat(640) * np.sin(2 * np.pi * pitch * np.arange(FRAMES * 640) / 16_000)
        states = joint.encode_states(encoder, samples.astype(np.float32))
        offsets = np.stack([swell, swell**2, 1 - swell], axis=1) @ directions
        found.append(augment.Example(states.astype(np.float16), offsets.astype(np.float32), 0 * swell, FRAMES))
    return found


@pytest.fixture(scope="module")
def model(encoder: whisper.WhisperEncoder, examples: Sequence[augment.Example]) -> speech_model.SpeechModel:
    torch.manual_seed(0)
    basis = network.principal_components(np.concatenate([example.offsets for example in examples]))
    means = np.zeros((WINDOW // 320, whisper.FEATURES), np.float32)
    networks = [network.MouthNetwork(), network.MouthNetwork()]
    return speech_model.SpeechModel(encoder, networks, network.MouthNetwork(1), means, basis).eval()


def changed(before: speech_model.SpeechModel, after: speech_model.SpeechModel) -> set[str]:
    """Return the parts of the model whose weights differ, such as ``encoder.layers.1``."""
    state = after.state_dict()
    names = [name for name, weights in before.state_dict().items() if not torch.equal(weights, state[name])]
    return {".".join(name.split(".")[: 3 if ".layers." in name else 2]) for name in names}


@pytest.mark.parametrize(
    ("layers", "trained"),
    [
        (0, set()),
        (1, {"encoder.layers.1", "encoder.norm"}),
        (2, {"encoder.layers.0", "encoder.layers.1", "encoder.norm"}),
    ],
)
def test_only_the_last_layers_and_the_networks_are_trained(
    model: speech_model.SpeechModel, examples: list[augment.Example], layers: int, trained: set[str]
) -> None:
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    after = joint.train_jointly(model, examples, joint.JointTraining(layers, 1e-4, 3), 1)
    assert changed(model, after) == trained | {"networks.0", "networks.1"}
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    assert not after.training


def test_the_encoder_learns_what_the_networks_alone_would_not(
    model: speech_model.SpeechModel, examples: list[augment.Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint, "NETWORK_RATE", 1e-9)

    def error(after: speech_model.SpeechModel) -> float:
        with torch.no_grad():
            features = after.encoder.features(torch.from_numpy(examples[0].features.astype(np.float32))[None])
            target = torch.from_numpy(network.to_components(examples[0].offsets, after.basis.numpy()))
            return float((after.networks[0](features)[0] - target).abs().mean())

    frozen, trained = (
        joint.train_jointly(model, examples, joint.JointTraining(layers, 3e-4, 12), 1) for layers in (0, 2)
    )
    assert error(trained) < 0.9 * error(frozen)


def test_the_same_seed_gives_the_same_model(model: speech_model.SpeechModel, examples: list[augment.Example]) -> None:
    training = joint.JointTraining(1, 1e-4, 2)
    first, second, third = (joint.train_jointly(model, examples, training, seed) for seed in (1, 1, 2))
    assert not changed(first, second)
    assert "encoder.layers.1" in changed(first, third)


def test_states_become_the_features(encoder: whisper.WhisperEncoder) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    states = torch.from_numpy(joint.encode_states(encoder, samples))[None]
    with torch.no_grad():
        assert np.allclose(encoder.features(states)[0].numpy()[:150], encoder.encode(samples)[:150], atol=1e-4)


def talking(name: str) -> Clip:
    """Return three seconds of a face that opens the mouth with the loudness of a tone."""
    swell = np.clip(np.sin(np.arange(75) * 0.4), 0, 1).astype(np.float32)
    landmarks = 100 * canonical_face()[None].repeat(75, 0)
    landmarks[:, INNER_LOWER_MID, 1] += 10 * swell
    samples = 0.3 * swell.repeat(640) * np.sin(np.arange(75 * 640) * 0.05)
    return Clip(f"{name}_1.mpg", 25.0, samples.astype(np.float32), landmarks.astype(np.float32))


def test_speakers_are_scored_by_models_that_have_not_seen_them(
    encoder: whisper.WhisperEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "PASSES", 1)
    monkeypatch.setattr(held_out, "STEPS", 2)
    monkeypatch.setattr(held_out, "VARIANTS", {"first": joint.JointTraining(0, 0, 2)})
    seen = []

    def start(whisper_encoder: whisper.WhisperEncoder, examples: list[augment.Example], seed: int) -> object:
        seen.append({round(float(value)) for example in examples for value in np.unique(example.offsets)} - {0})
        return original(whisper_encoder, examples, seed)

    original = held_out.start
    monkeypatch.setattr(held_out, "start", start)
    clips = [talking(name) for name in ("s1", "s4", "sx2", "s26", "s31", "sx9")]
    # The offsets of each speaker tell who it is.
    utterances = [
        augment.Utterance(clip.samples, np.full((75, 82), number, np.float32), np.zeros(75, np.float32), 1.0)
        for number, clip in enumerate(clips, 1)
    ]
    groups = held_out.encode_groups(clips, utterances, partial(joint.encode_states, encoder))
    scores = held_out.judge(clips, groups, encoder, seed=1)
    assert seen == [{1, 4, 5, 6}, {1, 2, 3, 5, 6}, {1, 2, 3, 4, 6}]
    assert set(scores["first"]) == {"s4", "sx2", "s26", "s31"}
    assert all(-1 <= r <= 1 for r in scores["first"].values())
