"""Speech of hibari, a synthesizer that nothing was trained on, with the timing of each phone.

Its package is not in the extra ``train``: ``pip install --no-deps hibari-tts==0.2.1``, as ``examples/README.md`` says.
"""

from __future__ import annotations

import librosa
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from heygem_cli.media.types import Samples
from heygem_cli.speech.windows import SAMPLE_RATE
from training.spoken import Phone

DURATIONS = "/Clip_output_0"
"""Where its network has the durations of the phones, in frames."""
EDGE = "_"
"""The silence before and after a sentence."""


class HibariVoice:
    """The voice that the package contains."""

    def __init__(self) -> None:
        from hibari import Hibari  # noqa: PLC0415 - not in the extra `train`

        self._voice = Hibari()
        network = onnx.load(self._voice.model_path)
        network.graph.output.append(helper.make_tensor_value_info(DURATIONS, TensorProto.FLOAT, None))
        self._session = InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])

    def say(self, text: str, speed: float, seed: int) -> tuple[Samples, list[Phone]]:
        """Return speech at 16 kHz and its phones."""
        from hibari import dsp  # noqa: PLC0415

        random, parts, phones = np.random.default_rng(seed), [], []
        start = 0.0
        for sentence in self._voice.phonemize(text):
            symbols = [EDGE, *(symbol for symbol in sentence if symbol in self._voice.vocab), EDGE]
            inputs = {"ids": np.array([self._voice.ids(sentence)]), "speed": np.array([speed], np.float32)}
            *parameters, durations = self._session.run(None, inputs)
            parts.append(dsp.synth(*(each[0] for each in parameters), random))
            seconds = len(parts[-1]) / self._voice.sample_rate
            edges = start + seconds * np.append(0, np.cumsum(durations)) / np.sum(durations)
            phones += [Phone(*each) for each in zip(symbols, edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
            start += seconds
        spoken = librosa.resample(np.concatenate(parts), orig_sr=self._voice.sample_rate, target_sr=SAMPLE_RATE)
        return np.asarray(spoken, np.float32), phones
