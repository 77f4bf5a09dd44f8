"""The probed inputs of rows in little memory: a manifest can have a million rows with files of their own."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import dataclass

from heygem_cli.job import Inputs


@dataclass(frozen=True, slots=True)
class PackedInputs:
    """The probed inputs of a job until it runs.

    Attributes:
        seconds: Duration of the audio.
        width: Of the face video.
        height: Likewise.
        data: All of them, packed.
    """

    seconds: float
    width: int
    height: int
    data: bytes

    def unpack(self) -> Inputs:
        """Return the inputs."""
        inputs: Inputs = pickle.loads(zlib.decompress(self.data))  # noqa: S301 - pack() made it in this process
        return inputs


def pack(inputs: Inputs) -> PackedInputs:
    """Pack inputs."""
    data = zlib.compress(pickle.dumps(inputs, pickle.HIGHEST_PROTOCOL), level=1)
    return PackedInputs(inputs.audio.duration, inputs.video.width, inputs.video.height, data)
