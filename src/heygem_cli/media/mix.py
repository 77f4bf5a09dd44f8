"""Mix the audios of several people into the sound of one video."""

from __future__ import annotations

import wave
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import numpy as np

from heygem_cli.errors import write_error
from heygem_cli.files import temporary_folder, work_folder
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.read import read_audio, read_stereo
from heygem_cli.media.types import AudioInfo, ChannelSamples

RATE = 48000
BLOCK = RATE
"""Samples that are mixed at a time."""


@contextmanager
def mixed(audios: Sequence[AudioInfo], tick: Callable[[], object] = lambda: None) -> Iterator[AudioInfo]:
    """Yield the sum of several audios, which begin together, as long as the longest, in a temporary file.

    It is stereo if one of them is.

    Raises:
        HeygemError: ``disk-full``, ``writing-failed``, or an audio cannot be read.
    """
    with work_folder(temporary_folder()) as folder:
        path = folder / "mix.wav"
        try:
            with wave.open(str(path), "wb") as file:
                file.setparams((_channels(audios), 2, RATE, 0, "NONE", "NONE"))
                for block in mix(audios):
                    file.writeframes(np.round(32767 * block).astype("<i2").tobytes())
                    tick()
        except OSError as error:
            raise write_error(error, path, folder) from error
        yield probe_audio(path)


def mix(audios: Sequence[AudioInfo]) -> Iterator[ChannelSamples]:
    """Yield blocks (samples, channels) of the sum of audios; what is louder than full scale is limited to it."""
    channels = _channels(audios)
    with ExitStack() as stack:
        streams = [_Blocks(stack.enter_context(closing(_read(audio, channels))), channels) for audio in audios]
        while blocks := [block for stream in streams if len(block := stream.next())]:
            total = np.zeros((max(map(len, blocks)), channels), np.float32)
            for block in blocks:
                total[: len(block)] += block
            yield np.clip(total, -1, 1)


def _channels(audios: Sequence[AudioInfo]) -> int:
    return 2 if any(audio.channels > 1 and not audio.downmix for audio in audios) else 1


def _read(audio: AudioInfo, channels: int) -> Generator[ChannelSamples, None, None]:
    if channels > 1:
        yield from read_stereo(audio, RATE)
    else:
        with closing(read_audio(audio, RATE)) as chunks:
            for chunk in chunks:
                yield chunk[:, None]


class _Blocks:
    """Blocks of :data:`BLOCK` samples of a stream; the last one is shorter, all after it are empty."""

    def __init__(self, chunks: Iterator[ChannelSamples], channels: int) -> None:
        self._chunks = chunks
        self._rest = np.zeros((0, channels), np.float32)

    def next(self) -> ChannelSamples:
        """Return the next block."""
        while len(self._rest) < BLOCK and (chunk := next(self._chunks, None)) is not None:
            self._rest = np.concatenate([self._rest, chunk])
        block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
        return block
