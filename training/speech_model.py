"""The whole speech model, from sound to lip offsets, and its ONNX file: ``python -m training.speech_model``.

``training.train`` makes the file. This command makes it again from the networks that it contains, with Whisper's
encoder read anew: for changes of what surrounds the networks, which need no training. ``training.measure`` then writes
the card. Requires the extra ``train``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from heygem_cli.face.geometry import Array
from heygem_cli.onnx import model_path
from heygem_cli.speech.motion import MODEL, POINTS
from heygem_cli.speech.windows import WINDOW
from training.network import COMPONENTS, MouthNetwork
from training.whisper import FEATURES, SAMPLES_PER_FEATURE, WhisperEncoder, load_encoder

OPSET = 17
EXACT = "encoder.log_mel."
"""Beginning of the names of the weights that are not stored as float16: the range of a spectrogram is 80 dB."""
HALF = ".float16"
"""End of the names of the weights that are."""


class SpeechModel(nn.Module):
    """What the ONNX file has: Whisper's encoder, the mean of the motion networks, and that of closures."""

    means: Tensor
    basis: Tensor

    def __init__(
        self,
        encoder: WhisperEncoder,
        networks: Sequence[MouthNetwork],
        closing: MouthNetwork,
        means: Array | Tensor,
        basis: Array | Tensor,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.networks = nn.ModuleList(networks)
        self.closing = closing
        self.register_buffer("means", torch.as_tensor(means))
        self.register_buffer("basis", torch.as_tensor(basis))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Map the samples (1, n) of a window to lip offsets (1, ceil(n / 640), 41, 2) and closures (1, ceil(n / 640)).

        A closure is the probability, 0 … 1, that the lips are closed for p, b or m.
        """
        features = self.encoder(samples)
        centered = features - self.means[: features.shape[1]]
        components = torch.stack([network(centered) for network in self.networks]).mean(0)
        offsets: Tensor = components @ self.basis
        return offsets.reshape(1, -1, POINTS, 2), self.closing(centered)[..., 0].sigmoid()


def export(model: SpeechModel, path: Path) -> None:
    """Write the ONNX file: ``samples`` (1, n) at 16 kHz to ``offsets`` and ``closures``, see :class:`SpeechModel`."""
    torch.onnx.export(
        model.eval(),
        (torch.zeros(1, WINDOW),),
        path,
        input_names=["samples"],
        output_names=["offsets", "closures"],
        dynamic_axes={"samples": {1: "samples"}, "offsets": {1: "frames"}, "closures": {1: "frames"}},
        opset_version=OPSET,
        dynamo=False,
        do_constant_folding=False,  # so that the weights keep their names; ONNX Runtime does it as well
    )
    store_as_float16(path)


def store_as_float16(path: Path) -> None:
    """Store the weights of an ONNX file as float16; they are cast to float32 at run time."""
    file = onnx.load(path)
    for weights in list(file.graph.initializer):
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and not weights.name.startswith(EXACT):
            half = numpy_helper.from_array(values.astype(np.float16), weights.name + HALF)
            file.graph.initializer.remove(weights)
            file.graph.initializer.append(half)
            file.graph.node.insert(0, helper.make_node("Cast", [half.name], [weights.name], to=TensorProto.FLOAT))
    onnx.save(file, path)


def load(path: Path) -> SpeechModel:
    """Return the model of an ONNX file that :func:`export` has written, with all of its weights."""
    weights = {
        each.name.removesuffix(HALF): torch.from_numpy(numpy_helper.to_array(each).astype(np.float32))
        for each in onnx.load(path).graph.initializer
    }
    count = 1 + max(int(match[1]) for name in weights if (match := re.match(r"networks\.(\d+)\.", name)))
    empty = torch.zeros(WINDOW // SAMPLES_PER_FEATURE, FEATURES), torch.zeros(COMPONENTS, 2 * POINTS)
    model = SpeechModel(WhisperEncoder(), [MouthNetwork() for _ in range(count)], MouthNetwork(1), *empty)
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model.eval()


def main() -> None:
    """Run the command."""
    path = model_path(MODEL)
    model = load(path)
    model.encoder = load_encoder()
    export(model, path)
    print(path, f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
