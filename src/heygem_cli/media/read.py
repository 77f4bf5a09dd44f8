"""Decode frames and samples as streams: memory does not grow with the length of the input."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import IO, TypeVar

import numpy as np

from heygem_cli.errors import HeygemError, plural
from heygem_cli.media import arguments, ffmpeg
from heygem_cli.media.container import no_frames, no_samples
from heygem_cli.media.output_format import MP4, OutputFormat
from heygem_cli.media.still import opened_pixels
from heygem_cli.media.types import AudioInfo, ChannelSamples, Frame, Frame10, Samples, VideoInfo
from heygem_cli.options import LoopMode

_Item = TypeVar("_Item")

LOOP_BYTES = 224 << 20
"""Size of the frames that are kept in memory to loop a video. More is faster: each chunk that is played backwards is
decoded from the key frame before it."""

TICK_INTERVAL = 0.2
AUDIO_BLOCK = 1 << 16
"""Samples in a chunk of audio."""


def read_frames(video: VideoInfo, start: int = 0, count: int | None = None) -> Generator[Frame, None, None]:
    """Decode ``count`` frames of 8 bits from frame ``start`` on (without ``count``: all) at the rate ``video.fps``.

    Frame n is bit-identical wherever reading starts. Each frame is a new array. Damaged parts of a file are skipped, as
    ffmpeg does. Closing the generator ends the decoder.

    Raises:
        InputError: ``no-frames`` when reading from the beginning yields none.
        HeygemError: The decoder failed.
    """
    with closing(_decode(replace(video, bits=8), start, count)) as frames:
        for frame in frames:
            yield np.asarray(frame, np.uint8)


def _decode(video: VideoInfo, start: int = 0, count: int | None = None) -> Generator[Frame | Frame10, None, None]:
    """Do what :func:`read_frames` does, with as many bits as ``video`` says."""
    if count == 0:
        return
    args = arguments.decode_video_args(video, start, count)
    with opened_pixels(video) as pixels, ffmpeg.running(args, stdin=pixels or False, stdout=True) as decoder:
        done = 0
        while (frame := _read_frame(decoder.stdout, video)) is not None:
            yield frame
            done += 1
        if decoder.wait() != 0:
            raise decoder.error(video.path, "reading")
    if start == done == 0:
        raise no_frames(video.path)


def prefetch(items: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Yield the same items, reading the next one in a thread while the current one is used."""
    with closing(items), ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def loop_index(i: int, n: int, mode: LoopMode) -> int:
    """Return the source frame of frame ``i`` when a video of ``n`` frames is looped.

    Raises:
        IndexError: The mode is ``none`` and the video has ended.
    """
    if i < n:
        return i
    if mode == "pingpong" and n > 1:
        period = 2 * n - 2
        return min(i % period, period - i % period)
    if mode == "none":
        raise IndexError(i)
    return i % n if mode == "forward" else n - 1


def loop_frames(video: VideoInfo, total: int, mode: LoopMode) -> Generator[tuple[int, Frame | Frame10], None, None]:
    """Yield exactly ``total`` frames of ``video.bits``, each with its index in the video, looped by :func:`loop_index`.

    Frames are read-only, since one may be repeated. Memory is bounded by :data:`LOOP_BYTES`. A still image is repeated
    in every mode.

    Raises:
        HeygemError: ``video-too-short`` when the mode is ``none`` and the video ends early.
    """
    capacity = min(total - 1, _max_frames_in_memory(video))
    keep = mode in ("pingpong", "forward") and video.frames <= capacity
    kept: list[Frame | Frame10] = []
    n = 0
    with closing(_decode(video, count=total)) as frames:
        for frame in frames:
            frame.flags.writeable = False
            if keep and n < capacity:
                kept.append(frame)
            yield n, frame
            n += 1
    if n == total:
        return
    if mode == "none" and not video.is_still:
        message = f"the video has {plural(n, 'frame')}, the audio needs {total}"
        raise HeygemError(
            "video-too-short", message, hint="Use --loop pingpong, or a longer face video", path=video.path
        )
    if mode == "hold" or n == 1:
        yield from itertools.repeat((n - 1, frame), total - n)
    elif len(kept) == n:
        yield from ((j, kept[j]) for j in (loop_index(i, n, mode) for i in range(n, total)))
    else:
        with closing(_decode_again(video, n, mode)) as more:
            yield from itertools.islice(more, total - n)


def read_audio(audio: AudioInfo, rate: int = 16000) -> Generator[Samples, None, None]:
    """Decode the audio as mono samples at ``rate``, in chunks of at most :data:`AUDIO_BLOCK`.

    The first sample follows the audio's delay; gaps in the timestamps, and NaN, become silence.

    Raises:
        InputError: ``no-samples`` when nothing can be decoded.
        HeygemError: The decoder failed.
    """
    if not audio.is_silent:
        yield from _silence(audio, rate)
        with closing(_read_samples(audio, arguments.decode_audio_args(audio, rate), AUDIO_BLOCK)) as chunks:
            yield from chunks


def read_stereo(audio: AudioInfo, rate: int) -> Generator[ChannelSamples, None, None]:
    """Decode the audio as :func:`read_audio` does, but as stereo (samples, 2); mono is the same on both sides."""
    if audio.channels < 2 or audio.downmix or audio.is_silent:
        with closing(read_audio(audio, rate)) as chunks:
            for chunk in chunks:
                yield np.column_stack([chunk, chunk])
        return
    for chunk in _silence(audio, rate):
        yield np.column_stack([chunk, chunk])
    with closing(_read_samples(audio, arguments.decode_stereo_args(audio, rate), 2 * AUDIO_BLOCK)) as chunks:
        for chunk in chunks:
            yield chunk.reshape(-1, 2)


def _silence(audio: AudioInfo, rate: int) -> Iterator[Samples]:
    """Yield the silence before the sound begins."""
    silence = max(0, round(float(audio.delay - Fraction(audio.skipped)) * rate))
    for start in range(0, silence, AUDIO_BLOCK):
        yield np.zeros(min(AUDIO_BLOCK, silence - start), np.float32)


def fit_length(chunks: Generator[Samples, None, None], length: int) -> Generator[Samples, None, None]:
    """Yield ``length`` samples: those of the chunks, without the rest, or with silence after them."""
    left = length
    with closing(chunks):
        for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return
    for start in range(0, left, AUDIO_BLOCK):
        yield np.zeros(min(AUDIO_BLOCK, left - start), np.float32)


def read_channels(audio: AudioInfo, rate: int, multiple: int) -> Generator[ChannelSamples, None, None]:
    """Decode all channels of the audio, in chunks of a multiple of ``multiple`` samples (the last one may be shorter).

    Otherwise as :func:`read_audio`, but without the delay.
    """
    size = max(1, AUDIO_BLOCK // multiple // audio.channels) * multiple
    with closing(_read_samples(audio, arguments.decode_channels_args(audio, rate), size * audio.channels)) as chunks:
        for chunk in chunks:
            yield chunk.reshape(-1, audio.channels)


def _read_samples(audio: AudioInfo, args: list[str], block: int) -> Generator[Samples, None, None]:
    with ffmpeg.running(args, stdout=True) as decoder:
        done = 0
        while True:
            chunk = np.empty(block, dtype=np.float32)
            size = _fill(decoder.stdout, chunk.data.cast("B")) // chunk.itemsize
            if size == 0:
                break
            chunk = np.nan_to_num(chunk[:size], copy=False, posinf=1.0, neginf=-1.0)
            yield np.clip(chunk, -1.0, 1.0, out=chunk)
            done += size
        if decoder.wait() != 0:
            raise decoder.error(audio.path, "reading")
    if done == 0:
        raise no_samples(audio.path)


def has_damaged_audio(
    audio: AudioInfo, tick: Callable[[], object] = lambda: None, container: OutputFormat | None = MP4
) -> bool:
    """Return whether decoding the audio gives an error, or decoding its copy in the output would.

    Args:
        audio: The audio.
        tick: Called several times a second; an exception that it raises ends the check.
        container: That of the output; None: it is not copied.

    Raises:
        HeygemError: ffmpeg was killed.
    """
    if audio.codec.startswith("pcm_"):  # any bytes are samples
        return False
    with contextlib.ExitStack() as stack:
        processes = []
        if container is not None and arguments.can_copy_audio(audio, container=container):
            # Matroska as a stream begins with parameters that are not yet known of AAC from a transport stream.
            stream = MP4 if MP4.can_copy(audio.codec, audio.sample_rate) else container
            copy = stack.enter_context(ffmpeg.running(arguments.copy_audio_args(audio, stream), stdout=True))
            check = stack.enter_context(ffmpeg.running(arguments.check_audio_args(None, stream), stdin=copy.stdout))
            copy.stdout.close()  # else the first would not notice that the second has ended
            processes = [copy, check]
        else:
            processes = [stack.enter_context(ffmpeg.running(arguments.check_audio_args(audio)))]
        while any(process.popen.poll() is None for process in processes):
            tick()
            with contextlib.suppress(subprocess.TimeoutExpired):
                processes[-1].popen.wait(TICK_INTERVAL)
        for process in processes:
            if process.signal():
                raise process.error(audio.path, "reading")
        return any(process.wait() != 0 or _tells_damage(process.messages, audio) for process in processes)


def _tells_damage(messages: list[str], audio: AudioInfo) -> bool:
    """Return whether messages are about more than where one recording follows another in a file."""
    return any(audio.reliable_times or not message.startswith("[in#") for message in messages)


def _max_frames_in_memory(video: VideoInfo) -> int:
    return max(1, LOOP_BYTES // (video.width * video.height * 3 // 2 * (1 if video.bits == 8 else 2)))


def _decode_again(video: VideoInfo, n: int, mode: LoopMode) -> Generator[tuple[int, Frame | Frame10], None, None]:
    """Continue endlessly after the first pass over a video that is too large to keep in memory."""
    while True:
        if mode == "pingpong":
            yield from _read_backwards(video, n - 2)
        yield from _read_forwards(video, 1 if mode == "pingpong" else 0, n)


def _read_forwards(video: VideoInfo, start: int, stop: int) -> Generator[tuple[int, Frame | Frame10], None, None]:
    index = start
    with closing(_decode(video, start, stop - start)) as frames:
        for frame in frames:
            frame.flags.writeable = False
            yield index, frame
            index += 1
    if index != stop:
        message = "it had more frames when it was first read"
        raise HeygemError("reading-failed", message, hint="Do not change it while it is rendered", path=video.path)


def _read_backwards(video: VideoInfo, last: int) -> Iterator[tuple[int, Frame | Frame10]]:
    """Yield the frames ``last`` … 0, which are decoded forwards in chunks that fit into memory."""
    stop = last + 1
    while stop > 0:
        start = max(0, stop - _max_frames_in_memory(video))
        chunk = list(_read_forwards(video, start, stop))
        while chunk:  # pop frees the memory of each frame as soon as it has been used
            yield chunk.pop()
        stop = start


def _read_frame(pipe: IO[bytes], video: VideoInfo) -> Frame | Frame10 | None:
    shape = video.height * 3 // 2, video.width
    frame = np.empty(shape, np.uint8) if video.bits == 8 else np.empty(shape, np.uint16)
    return frame if _fill(pipe, frame.data.cast("B")) == frame.nbytes else None


def _fill(pipe: IO[bytes], buffer: memoryview) -> int:
    """Read until the buffer is full or the pipe ends; return the number of bytes."""
    filled = 0
    while filled < len(buffer) and (size := pipe.readinto(buffer[filled:])):  # type: ignore[attr-defined]
        filled += size
    return filled
