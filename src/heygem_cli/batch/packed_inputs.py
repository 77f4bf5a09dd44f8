"""The probed inputs of jobs in little memory: a manifest can have a million rows with files of their own."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from heygem_cli.job import Inputs, RenderJob, Speaker
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.pipeline import used_part

Packed = bytes
"""The properties of a file; jobs that share the file share them."""


def pack(info: AudioInfo | VideoInfo) -> Packed:
    """Pack the properties of a file."""
    return pickle.dumps(info, pickle.HIGHEST_PROTOCOL)


@dataclass(frozen=True, slots=True)
class PackedFiles:
    """The properties of the files of a job; the attributes are those of :class:`heygem_cli.job.Inputs`.

    Attributes:
        speakers: The audio of each person who speaks, and the picture that says who that is.
    """

    audio: Packed
    video: Packed
    picture: Packed | None = None
    drive: Packed | None = None
    speakers: tuple[tuple[Packed, Packed | None], ...] = ()

    def unpack(self, job: RenderJob) -> Inputs:
        """Return the inputs of the job.

        Raises:
            InputError: ``empty-part``.
        """
        speakers = tuple(
            Speaker(speech.person, _unpack(audio), _unpack(picture))
            for speech, (audio, picture) in zip(job.options.speak, self.speakers, strict=True)
        )
        inputs = Inputs(_unpack(self.audio), _unpack(self.video), _unpack(self.picture), _unpack(self.drive), speakers)
        return used_part(job, inputs)


@dataclass(frozen=True, slots=True)
class PackedInputs:
    """The inputs of a job until it runs.

    Attributes:
        seconds: Duration of the audio, of the part that is used.
        width: Of the face video.
        height: Likewise.
        files: The properties of the whole files.
    """

    seconds: float
    width: int
    height: int
    files: PackedFiles


def check_inputs(files: PackedFiles, job: RenderJob) -> PackedInputs:
    """Return the inputs of a job.

    Raises:
        InputError: ``empty-part``.
    """
    inputs = files.unpack(job)
    return PackedInputs(inputs.audio.duration, inputs.video.width, inputs.video.height, files)


def _unpack(packed: Packed | None) -> Any:  # noqa: ANN401 - of audio or video
    return None if packed is None else pickle.loads(packed)  # noqa: S301 - pack() made it in this process
