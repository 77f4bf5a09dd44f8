"""Probe the audio of a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np

from heygem_cli.errors import InputError
from heygem_cli.media.container import (
    BREAKS_OFF,
    check_end,
    decode,
    demuxer_name,
    no_samples,
    open_media,
    read_packets,
    timestamp,
)
from heygem_cli.media.first_samples import reading_first_samples
from heygem_cli.media.joined import joined_notes
from heygem_cli.media.mp3 import has_xing
from heygem_cli.media.program_map import check_program_map
from heygem_cli.media.streams import channel_names, choose_track, track_note, tracks_of
from heygem_cli.media.timing import MAX_AUDIO_GAP, MAX_AUDIO_JITTER, are_reliable
from heygem_cli.media.types import AudioInfo
from heygem_cli.media.wav import has_more_samples

MAX_PRIMING = 4500
"""Samples that encoders add before the first one, at the most (HE-AAC), and that decoders skip."""

MAX_MISSING = 0.2
"""Seconds by which the length in a header may be too long: a last packet that was padded."""

_LINK = 0.1
"""Seconds of sound after which times that are again those of the beginning are no jitter."""

_COUNTED = frozenset({"flac", "aiff", "au"})
"""Formats whose header has the number of samples, but nothing at the end that would be missing."""


def probe_audio(path: Path, track: int | None = None) -> AudioInfo:
    """Return the properties of an audio stream of a file, after decoding its first frame.

    Args:
        path: The file.
        track: Which audio stream, counted from 1; None for the one that players choose.

    Raises:
        InputError: As :func:`probe_video`, with ``no-audio-stream``, ``picture-not-audio`` and ``no-samples``.
    """
    with open_media(path) as container:
        joined = joined_notes(path, "audio")
        if not container.streams.audio:
            raise _no_audio(container, path)
        streams = container.streams.audio
        stream = choose_track(streams, track, path)
        check_program_map(path, stream)
        demuxer, index, ignores_length = demuxer_name(container), streams.index(stream), _has_more_samples(path)
        reading: AbstractContextManager[Callable[[], Fraction | None]] = nullcontext(lambda: None)
        if not stream.codec_context.name.startswith("pcm_"):  # of which nothing is skipped
            reading = reading_first_samples(path, demuxer, index, ignores_length=ignores_length)
        with reading as first_samples:
            scan = _scan_audio(container, stream, path, first_samples)
        channels = channel_names(stream.codec_context)
        delay, delay_note = _delay(container, scan, stream.codec_context.sample_rate)
        end_note = check_end(stream, path) or scan.notes or _short_note(path, demuxer, stream, scan)
        notes = (*track_note(streams, stream, track), *delay_note, *(joined or end_note))
        return AudioInfo(
            path=path,
            duration=float(delay + (scan.seconds or Fraction(container.duration or 0, av.time_base))),
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=stream.codec_context.sample_rate,
            channels=len(channels),
            ignores_length=ignores_length,
            low_frequencies=_low_frequencies(channels),
            demuxer=demuxer,
            stream=index,
            start=scan.start,
            delay=delay,
            reliable_times=scan.reliable,
            # An MP4 cannot skip the beginning of a stream that starts late.
            seamless=scan.seamless and not (delay and scan.skipped * stream.codec_context.sample_rate > MAX_PRIMING),
            notes=tuple(dict.fromkeys(notes)),
        )


def _no_audio(container: av.container.InputContainer, path: Path) -> InputError:
    if container.format.name.endswith("_pipe"):
        return InputError("picture-not-audio", "this is an image, not audio", hint="Give the audio first", path=path)
    return InputError("no-audio-stream", "it has no audio stream", hint="Give a file that has one", path=path)


@dataclass(frozen=True)
class _AudioScan:
    start: Fraction
    seconds: Fraction
    reliable: bool
    seamless: bool
    skipped: float
    notes: tuple[str, ...]


def _low_frequencies(channels: list[str]) -> int | None:
    """Return the channel of the subwoofer; where channels have no names it is the one that ffmpeg takes for it."""
    if set(channels) == {"NONE"}:
        return {3: 2, 6: 3, 7: 3, 8: 3}.get(len(channels))
    return channels.index("LFE") if "LFE" in channels else None


def _short_note(path: Path, demuxer: str, stream: av.AudioStream, scan: _AudioScan) -> tuple[str, ...]:
    """Return a note about a file that has less sound than its header says."""
    is_counted = demuxer in _COUNTED or (demuxer == "mp3" and has_xing(path))
    if not is_counted or stream.duration is None or stream.time_base is None:
        return ()
    declared = stream.duration * stream.time_base
    return (BREAKS_OFF,) if scan.seconds < declared - MAX_MISSING else ()


def _has_more_samples(path: Path) -> bool:
    with path.open("rb") as file:
        return has_more_samples(file)


def _delay(container: av.container.InputContainer, scan: _AudioScan, rate: int) -> tuple[Fraction, tuple[str, ...]]:
    """Return how long after the picture of a file its sound begins, in seconds; 0 where no picture would be shown.

    The second value are notes about a delay that is not used.

    Negative if the sound begins earlier by no more than what an encoder adds: some containers cannot say that this is
    not to be heard, and the picture starts later instead.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in tracks_of(container.streams.video)
        if stream.start_time is not None and stream.time_base is not None
    ]
    if not starts or not scan.reliable:
        return Fraction(0), ()
    delay = scan.start - min(starts)
    if delay > MAX_AUDIO_GAP:
        note = (
            f"its sound starts {float(delay):.0f} s after the picture, which was taken for an error: it starts at once"
        )
        return Fraction(0), (note,)
    return max(delay, Fraction(0)) if delay < -Fraction(MAX_PRIMING, rate) else delay, ()


def _first_sample(packet: av.Packet[av.AudioStream], codec: str) -> Fraction | None:
    """Return the time of the first sample that a packet yields; None if it yields none."""
    if codec.startswith("pcm_"):
        # Any bytes are samples, and a frame frees the order of its channels twice, see channel_names.
        return timestamp(packet) if packet.size else None
    return next((timestamp(frame) for frame in decode(packet)), None)


def _scan_audio(
    container: av.container.InputContainer,
    stream: av.AudioStream,
    path: Path,
    first_samples: Callable[[], Fraction | None],
) -> _AudioScan:
    """Read all packets; ``first_samples`` is called at the end, and says when the first sample is heard."""
    start: Fraction | None = None
    stamps: list[float] = []
    ends: list[float] = []
    end = total = Fraction(0)
    seamless = True
    notes: list[str] = []
    for packet in read_packets(container, stream, lambda: notes.append(BREAKS_OFF)):
        if start is None:
            start = _first_sample(packet, stream.codec_context.name)
        # The last packet of an Ogg file may have a negative duration, which arrives as an unsigned number.
        ticks = packet.duration if packet.duration and packet.duration < 1 << 31 else 0
        length = Fraction(ticks) * (packet.time_base or 0)
        if packet.size and stamps and abs(timestamp(packet) - end) > MAX_AUDIO_JITTER:
            seamless = False
        end = max(end, timestamp(packet) + length)
        total += length
        if packet.size and packet.dts is not None:
            stamps.append(float(timestamp(packet)))
            ends.append(float(timestamp(packet) + length))
    if start is None:
        check_end(stream, path)
        several = len(container.streams.audio) > 1
        raise no_samples(path, "It has other audio tracks: choose one with --audio-track" if several else "")
    heard = first_samples()
    start = start if heard is None else heard
    reliable = are_reliable(np.array(stamps), MAX_AUDIO_GAP)
    skipped = max(0.0, float(start) - stamps[0]) if stamps else 0.0
    seconds = max(Fraction(0), end - start) if reliable else total
    links = _links(stamps, ends) if stamps else []
    if len(links) > 1:
        reliable, seconds = False, Fraction(sum(links))
    return _AudioScan(start, seconds, reliable, seamless, skipped, tuple(notes))


def _links(stamps: list[float], ends: list[float]) -> list[float]:
    """Return the lengths of recordings that follow one another in a file, each with times of its own: a chained Ogg.

    Args:
        stamps: The times of the packets in seconds.
        ends: When each packet ends.
    """
    starts = [0]
    for place, stamp in enumerate(stamps):
        if stamp < stamps[0] + _LINK / 2 and max(stamps[starts[-1] : place + 1]) > stamps[0] + _LINK:
            starts.append(place)
    return [max(ends[start:stop]) - stamps[start] for start, stop in zip(starts, [*starts[1:], len(ends)], strict=True)]
