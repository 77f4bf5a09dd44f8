"""Compare a finished video with the recipe of the files that it was made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from formats import AUDIO_CODECS
from recipe import Recipe
from shown import Shown
from sound import find_click

MAX_COLOR_ERROR = 2.0
MAX_CLICK_ERROR = 0.001
ROUNDING = 0.0005
"""Of the time at which late sound starts: Matroska and FLV store milliseconds."""
MAX_GEOMETRY_ERROR = 0.7
MAX_RATE_ERROR = 1e-6
"""Matroska stores how long a frame lasts in nanoseconds."""
SAMPLE_RATE = 16000
"""Of what the mouth follows, in hertz."""
LOSSLESS = ("pcm", "flac", "alac", "tta", "wavpack")


def differences(recipe: Recipe, shown: Shown, heard: np.ndarray) -> list[str]:
    """Return what is wrong with a video, one line each.

    Args:
        recipe: How the files were made.
        shown: The video.
        heard: The samples that the mouth follows, 16 kHz mono.
    """
    return [
        *_size(recipe, shown),
        *_picture(recipe, shown),
        *_timing(recipe, shown),
        *_length(recipe, shown, heard),
        *_sound(recipe, shown, heard),
    ]


def _size(recipe: Recipe, shown: Shown) -> Iterator[str]:
    picture = recipe.picture
    even = picture.height // 2 * 2, picture.width // 2 * 2
    if any(frame.shape[:2] != even for frame in shown.frames):
        yield f"size {shown.frames[0].shape[1]}×{shown.frames[0].shape[0]}"
    if abs(shown.aspect / recipe.aspect - 1) > 0.01:
        yield f"sample aspect ratio {shown.aspect} instead of {recipe.aspect}"


def _picture(recipe: Recipe, shown: Shown) -> Iterator[str]:
    picture = recipe.expected_picture
    for index in (0, len(shown.frames) // 2):
        frame = shown.frames[index]
        if frame.shape[0] > picture.height or frame.shape[1] > picture.width:
            return
        if (color := picture.color_error(frame)) > MAX_COLOR_ERROR:
            yield f"colours differ by {color:.1f} in frame {index}"
        if (geometry := picture.geometry_error(frame)) > MAX_GEOMETRY_ERROR:
            yield f"the picture is {geometry:.1f} pixels off in frame {index}"


def _timing(recipe: Recipe, shown: Shown) -> Iterator[str]:
    if abs(shown.rate / recipe.rate - 1) > MAX_RATE_ERROR:
        yield f"rate {shown.rate}"
    steps = np.diff(shown.times) * float(shown.rate)
    if len(steps) and np.abs(steps - 1).max() > 0.1:
        yield f"frames are not evenly spaced: {steps.min():.2f} to {steps.max():.2f}"
    indices = [recipe.picture.index_of(frame) for frame in shown.frames]
    wrong = [(number, index) for number, index in enumerate(indices) if index != recipe.index_at(number)]
    if wrong:
        number, index = wrong[0]
        expected = recipe.index_at(number)
        yield f"{len(wrong)} of {len(indices)} frames are wrong: frame {number} is {index}, not {expected}"


def _sound(recipe: Recipe, shown: Shown, heard: np.ndarray) -> Iterator[str]:
    sound = recipe.sound
    codec = AUDIO_CODECS[sound.codec]
    channels = shown.samples.shape[1]
    if channels != sound.channels:
        yield f"{channels} channels instead of {sound.channels}"
        return
    delay = codec.delay / sound.rate if sound.codec in recipe.sound_container.delayed else 0.0
    expected = sound.click + recipe.offset + delay
    start = shown.sound_start - shown.times[0]
    for kind, time in (
        ("the click", start + find_click(shown.samples[:, sound.channel or 0], shown.sample_rate)),
        ("the click that the mouth follows", find_click(heard, SAMPLE_RATE)),
    ):
        if abs(time - expected) > max(MAX_CLICK_ERROR + (ROUNDING if recipe.offset else 0.0), codec.blur):
            yield f"{kind} is {1000 * (time - expected):+.1f} ms off"


def _length(recipe: Recipe, shown: Shown, heard: np.ndarray) -> Iterator[str]:
    sound, seconds = recipe.sound, len(heard) / SAMPLE_RATE
    padding = 0.001 if sound.codec.startswith(LOSSLESS) else 0.06 + 2048 / sound.rate
    if abs(seconds - recipe.offset - sound.seconds) > padding:
        yield f"{seconds:.3f} s of sound instead of {recipe.offset + sound.seconds}"
    if abs(len(shown.frames) - seconds * recipe.rate) > 1:
        yield f"{len(shown.frames)} frames for {seconds:.3f} s"
    end = shown.sound_start - shown.times[0] + len(shown.samples) / shown.sample_rate
    if not -0.001 < end - seconds < 2048 / shown.sample_rate:
        yield f"the sound of the output ends at {end:.3f} s instead of {seconds:.3f} s"
