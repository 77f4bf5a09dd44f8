"""Frames and samples out of media files, as streams: at no time is a whole clip in memory unless it is small."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import IO, TypeVar

import numpy as np

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.media import ffmpeg
from heygem_cli.media.types import AudioInfo, Frame, Samples, VideoInfo
from heygem_cli.options import LoopMode

_Item = TypeVar("_Item")

LOOP_BYTES = 256 << 20
"""Frames held to play a clip backwards. More is faster: every chunk is decoded from the key frame before it."""

AUDIO_BLOCK = 1 << 16
"""Samples in a chunk of audio."""


def read_frames(
    video: VideoInfo, start: int = 0, count: int | None = None, threads: int = 0
) -> Generator[Frame, None, None]:
    """Decode ``count`` frames from frame ``start`` on (all that follow without ``count``), at the rate ``video.fps``.

    Frame n is the same picture, bit for bit, wherever reading starts. Each frame is a fresh array. Damaged parts of a
    file are passed over as ffmpeg does. Closing the generator ends the decoder.

    Raises:
        InputError: ``no-frames`` when reading from the beginning gives none.
        HeygemError: the decoder failed on the way.
    """
    if count == 0:
        return
    with ffmpeg.running(ffmpeg.decode_video_args(video, start, count, threads), stdout=True) as child:
        done = 0
        while (frame := _read_frame(child.stdout, video)) is not None:
            yield frame
            done += 1
        if child.finish() != 0:
            raise child.error(video.path, "reading")
    if start == done == 0:
        raise InputError("no-frames", "not one picture in it can be decoded", path=video.path)


def prefetch(items: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Give the same items, the next of which is read in a thread while the one before it is used."""
    with closing(items), ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def loop_index(i: int, n: int, mode: LoopMode) -> int:
    """Give the source frame that is shown as frame ``i`` when a clip of ``n`` frames is looped.

    Raises:
        IndexError: the mode is ``none`` and the clip has ended.
    """
    if i < n:
        return i
    if mode == "pingpong" and n > 1:
        period = 2 * n - 2
        return min(i % period, period - i % period)
    if mode == "none":
        raise IndexError(i)
    return i % n if mode == "forward" else n - 1


def loop_frames(
    video: VideoInfo, total: int, mode: LoopMode, threads: int = 0
) -> Generator[tuple[int, Frame], None, None]:
    """Give exactly ``total`` frames, each with its index in the video, looped as :func:`loop_index` says.

    Frames are read-only, since one may come again. Memory is bounded by :data:`LOOP_BYTES`. A still image is held in
    every mode.

    Raises:
        HeygemError: ``video-too-short`` when the mode is ``none`` and the video ends early.
    """
    room = min(total - 1, _frames_held(video))
    kept: list[Frame] = []
    keep = mode in ("pingpong", "forward") and video.frames <= room
    n = 0
    with closing(read_frames(video, count=total, threads=threads)) as frames:
        for frame in frames:
            frame.flags.writeable = False
            if keep and n < room:
                kept.append(frame)
            yield n, frame
            n += 1
    if n == total:
        return
    if mode == "none" and not video.is_still:
        message = f"the video has {n} frames, the audio needs {total}"
        raise HeygemError("video-too-short", message, hint="Loop it: --loop pingpong", path=video.path)
    if mode == "hold" or n == 1:
        yield from itertools.repeat((n - 1, frame), total - n)
    elif len(kept) == n:
        yield from ((j, kept[j]) for j in (loop_index(i, n, mode) for i in range(n, total)))
    else:
        with closing(_again(video, n, mode, threads)) as more:
            yield from itertools.islice(more, total - n)


def read_audio(audio: AudioInfo, rate: int = 16000) -> Generator[Samples, None, None]:
    """Decode the first audio stream as mono samples at ``rate``, in chunks of at most :data:`AUDIO_BLOCK`.

    The first sample is the first one heard; gaps in the timestamps are silence; NaN is silence too.

    Raises:
        InputError: ``no-samples`` when nothing can be decoded.
        HeygemError: the decoder failed on the way.
    """
    with ffmpeg.running(ffmpeg.decode_audio_args(audio, rate), stdout=True) as child:
        done = 0
        while True:
            chunk = np.empty(AUDIO_BLOCK, dtype=np.float32)
            size = _fill(child.stdout, chunk.data.cast("B")) // chunk.itemsize
            if size == 0:
                break
            chunk = np.nan_to_num(chunk[:size], copy=False, posinf=1.0, neginf=-1.0)
            yield np.clip(chunk, -1.0, 1.0, out=chunk)
            done += size
        if child.finish() != 0:
            raise child.error(audio.path, "reading")
    if done == 0:
        raise InputError("no-samples", "the audio stream holds no sound that can be decoded", path=audio.path)


def _frames_held(video: VideoInfo) -> int:
    return max(1, LOOP_BYTES // (video.width * video.height * 3 // 2))


def _again(video: VideoInfo, n: int, mode: LoopMode, threads: int) -> Generator[tuple[int, Frame], None, None]:
    """Go on for ever after the first pass over a clip that is too large to keep."""
    while True:
        if mode == "pingpong":
            yield from _backwards(video, n - 2, threads)
        yield from _forwards(video, 1 if mode == "pingpong" else 0, n, threads)


def _forwards(video: VideoInfo, start: int, stop: int, threads: int) -> Generator[tuple[int, Frame], None, None]:
    index = start
    with closing(read_frames(video, start, stop - start, threads)) as frames:
        for frame in frames:
            frame.flags.writeable = False
            yield index, frame
            index += 1
    if index != stop:
        raise HeygemError("reading-failed", "it has fewer frames when it is read again", path=video.path)


def _backwards(video: VideoInfo, last: int, threads: int) -> Iterator[tuple[int, Frame]]:
    """Give the frames ``last`` … 0, decoded forwards in chunks that fit into memory."""
    stop = last + 1
    while stop > 0:
        start = max(0, stop - _frames_held(video))
        chunk = list(_forwards(video, start, stop, threads))
        while chunk:  # popped, not reversed, so that memory is free again as soon as a frame has been used
            yield chunk.pop()
        stop = start


def _read_frame(pipe: IO[bytes], video: VideoInfo) -> Frame | None:
    frame = np.empty((video.height * 3 // 2, video.width), dtype=np.uint8)
    return frame if _fill(pipe, frame.data.cast("B")) == frame.nbytes else None


def _fill(pipe: IO[bytes], buffer: memoryview) -> int:
    """Read into the buffer until it is full or the pipe ends; give the number of bytes."""
    filled = 0
    while filled < len(buffer) and (size := pipe.readinto(buffer[filled:])):  # type: ignore[attr-defined]
        filled += size
    return filled
