"""Mix the audios of several people into the sound of one video."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import numpy as np

from heygem_cli.errors import write_error
from heygem_cli.files import temporary_folder, work_folder
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import read_audio
from heygem_cli.media.types import AudioInfo, Samples

RATE = 48000
BLOCK = RATE
"""Samples that are mixed at a time."""


@contextmanager
def mixed(audios: Sequence[AudioInfo], tick: Callable[[], object] = lambda: None) -> Iterator[AudioInfo]:
    """Yield the sum of several audios, which begin together: mono, as long as the longest, in a temporary file.

    Raises:
        HeygemError: ``disk-full``, ``writing-failed``, or an audio cannot be read.
    """
    with work_folder(temporary_folder()) as folder:
        path = folder / "mix.wav"
        try:
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", "NONE"))
                for block in mix(audios):
                    file.writeframes(np.round(32767 * block).astype("<i2").tobytes())
                    tick()
        except OSError as error:
            raise write_error(error, path, folder) from error
        yield probe_audio(path)


def mix(audios: Sequence[AudioInfo]) -> Iterator[Samples]:
    """Yield blocks of the sum of audios; what is louder than full scale is limited to it."""
    with ExitStack() as stack:
        streams = [_Blocks(stack.enter_context(closing(read_audio(audio, RATE)))) for audio in audios]
        while blocks := [block for stream in streams if len(block := stream.next())]:
            total = np.zeros(max(map(len, blocks)), np.float32)
            for block in blocks:
                total[: len(block)] += block
            yield np.clip(total, -1, 1)


class _Blocks:
    """Blocks of :data:`BLOCK` samples of a stream; the last one is shorter, all after it are empty."""

    def __init__(self, chunks: Iterator[Samples]) -> None:
        self._chunks = chunks
        self._rest = np.zeros(0, np.float32)

    def next(self) -> Samples:
        """Return the next block."""
        while len(self._rest) < BLOCK and (chunk := next(self._chunks, None)) is not None:
            self._rest = np.concatenate([self._rest, chunk])
        block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
        return block
