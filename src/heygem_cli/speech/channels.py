"""Listen to all channels of an audio, and decide how they are mixed for the mouth: by level, not by a plain sum.

A sum loses what is out of phase, and speech on one of many channels drowns in the others. Ordinary stereo is left to
ffmpeg, which takes the mean of both channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from heygem_cli.face.geometry import Array
from heygem_cli.media.read import read_channels
from heygem_cli.media.types import AudioInfo
from heygem_cli.speech.silence import FLOOR, speech_levels
from heygem_cli.speech.windows import SAMPLE_RATE, SAMPLES_PER_FRAME

Matrix = npt.NDArray[np.float64]

LOUD_FRAMES = 25
"""Motion frames, one second in total, in which a channel is as loud as its level says."""
DIGITAL_SILENCE = -100.0
"""Decibels below which a frame is no sound of a room."""
SPEECH_RANGE = 12.0
"""Decibels between the loud and the soft frames of speech, at least: noise and most music vary less."""
LEVEL_RANGE = 20.0
"""Decibels by which a channel may be softer than the loudest one with speech and still be used."""
LOUDER = 6.0
"""Decibels by which a channel without speech is louder than the one with speech, so that the user is told."""
QUIET = -50.0
"""Decibels of full scale below which speech is hardly heard."""
CLIPPED = 0.5
"""Share of non-zero samples at full scale above which they are wrongly scaled, not only recorded too loudly."""
OUT_OF_PHASE = -0.5
"""Correlation with the channels before it below which a channel is inverted."""


@dataclass(frozen=True)
class Heard:
    """What was heard of each channel of an audio.

    Attributes:
        loud: (channels,) level in decibels of full scale.
        soft: (channels,) level of the pauses.
        covariance: (channels, channels), without constant parts.
        clipped: (channels,) share of the non-zero samples at full scale or beyond.
    """

    loud: Array
    soft: Array
    covariance: Matrix
    clipped: Array


def listen(audio: AudioInfo, tick: Callable[[], object] = lambda: None) -> AudioInfo:
    """Return the audio with the mix of its channels that the mouth follows, and notes about what is heard.

    Args:
        audio: The audio.
        tick: Called often.

    Raises:
        HeygemError: As :func:`heygem_cli.media.read.read_audio`.
    """
    channels = measure(audio, tick)
    used = select(channels)
    weights = mix(channels, used)
    if audio.channels <= 2 and min(weights) > 0:
        weights = ()
    only_low = audio.low_frequencies is not None and used == [audio.low_frequencies]
    downmix = audio.too_many_channels or only_low
    heard = replace(audio, mix=weights, downmix=downmix)
    return replace(heard, notes=(*audio.notes, *_notes(heard, channels, used)))


def measure(audio: AudioInfo, tick: Callable[[], object] = lambda: None) -> Heard:
    """Measure all channels of an audio."""
    covariance = np.zeros((audio.channels, audio.channels))
    levels: list[Array] = []
    clipped, sounding = np.zeros(audio.channels), np.zeros(audio.channels)
    with closing(read_channels(audio, SAMPLE_RATE, SAMPLES_PER_FRAME)) as blocks:
        for block in blocks:
            steps = np.diff(block, axis=0).astype(np.float64)
            covariance += steps.T @ steps
            clipped += (np.abs(block) >= 1).sum(0)
            sounding += (block != 0).sum(0)
            levels.append(np.stack([speech_levels(channel) for channel in block.T], axis=1))
            tick()
    frames = np.concatenate(levels)
    loud, soft = zip(*(_range(column) for column in frames.T), strict=True)
    share = np.asarray(clipped / np.maximum(sounding, 1), np.float32)
    return Heard(np.array(loud, np.float32), np.array(soft, np.float32), covariance, share)


def _range(levels: Array) -> tuple[float, float]:
    """Return the loud and the soft level of a channel."""
    rank = min(LOUD_FRAMES, len(levels) // 20 + 1)
    sounding = levels[levels > DIGITAL_SILENCE]
    soft = float(np.percentile(sounding, 5)) if sounding.size else DIGITAL_SILENCE
    return float(np.sort(levels)[-rank]), soft


def select(channels: Heard) -> list[int]:
    """Return the channels with speech, the loudest first; those with any sound if none has speech, else all."""
    loud = channels.loud.tolist()
    audible = [index for index, level in enumerate(loud) if level > FLOOR]
    ranges = (channels.loud - channels.soft).tolist()
    widest = max((ranges[index] for index in audible), default=0.0)
    # Channels that are alike are not told apart by a fraction of a decibel.
    least = min(SPEECH_RANGE, widest / 2) if widest >= SPEECH_RANGE else 0
    speech = [index for index in audible if ranges[index] >= least]
    found = sorted(speech or range(len(loud)), key=lambda index: -loud[index])
    return [index for index in found if loud[index] > loud[found[0]] - LEVEL_RANGE]


def mix(channels: Heard, used: list[int]) -> tuple[float, ...]:
    """Return the weights of all channels: the mean of those that are used, none canceled, as loud as the loudest."""
    weights = np.zeros(len(channels.loud))
    covariance = channels.covariance
    for index in used:
        scale = covariance[index, index] * (weights @ covariance @ weights)
        opposite = scale > 0 and covariance[index] @ weights < OUT_OF_PHASE * np.sqrt(scale)
        weights[index] = -1 if opposite else 1
    weights /= len(used)
    power = weights @ covariance @ weights
    gain = np.sqrt(covariance.diagonal()[used].max() / power) if power > 0 else 1.0
    return tuple(np.round(weights * min(gain, len(used)), 6).tolist())


def _notes(audio: AudioInfo, channels: Heard, used: list[int]) -> Iterator[str]:
    loudest, speech = int(channels.loud.argmax()), float(channels.loud[used].max())
    if (clipped := float(channels.clipped.max())) > CLIPPED:
        yield f"{clipped:.0%} of the samples reach full scale, so the sound is distorted; scale them to -1 … 1"
    if speech <= FLOOR:
        yield "the audio is silent, so the mouth stays closed"
    elif speech <= QUIET:
        yield f"the audio is nearly silent ({speech:.0f} dB), so the mouth may hardly move; amplify it"
    difference = float(channels.loud[loudest]) - speech
    if difference > LOUDER:
        names = ", ".join(str(index + 1) for index in sorted(used))
        channel = f"channels {names}, which are" if len(used) > 1 else f"channel {names}, which is"
        yield f"the mouth follows {channel} {difference:.0f} dB softer than channel {loudest + 1}"
    if min(audio.mix, default=0) < 0:
        yield "channels of the audio are out of phase: where it is played in mono, little is heard"
    if audio.too_many_channels:
        yield f"the audio has {audio.channels} channels, more than AAC can have: the output has their mix, in stereo"
    elif audio.downmix:
        yield "the only sound is on the channel of the subwoofer, which players leave out: the output has it in stereo"
