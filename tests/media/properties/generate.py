"""Random recipes."""

from __future__ import annotations

import random
from fractions import Fraction

from formats import AUDIO_CODECS, CONTAINERS, SOUND_FILES, STILLS, VIDEO_CODECS, Container, VideoCodec
from picture import COLORS, Picture
from recipe import Recipe, Sound

RATES = tuple(
    Fraction(rate)
    for rate in ("10", "12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "90",
                 "100", "120000/1001", "120")
)  # fmt: skip
SIZES = ((160, 120), (176, 144), (200, 152), (240, 136), (320, 180), (128, 160), (144, 256))
ODD_SIZES = ((161, 121), (175, 131), (200, 121), (151, 120))
ASPECTS = tuple(map(Fraction, ("1", "1", "1", "16/11", "12/11", "4/3", "8/9", "2")))
MATRICES = (None, "bt709", "smpte170m", "bt470bg")
LOW_FREQUENCY = 3
"""The channel of 5.1 and 7.1 that carries only the lowest frequencies."""
OFFSETS = (0.1, 0.35, 0.7)
OUTPUTS = ("mp4", "mp4", "mov", "mkv")
STILL_RATE = Fraction(25)
CODED_BLOCK = 64
"""The size of a stored picture that is cropped is a multiple of this, so that encoders add no margins of their own."""


def random_recipe(seed: int) -> Recipe:
    """Return the recipe of a seed; consecutive seeds take turns with the containers."""
    pick = random.Random(seed)  # noqa: S311 - not a secret
    names = [*sorted(CONTAINERS), *sorted(STILLS)]
    name = names[seed % len(names)]
    return _still(pick, name) if name in STILLS else _video(pick, name, CONTAINERS[name])


def _video(pick: random.Random, name: str, container: Container) -> Recipe:
    codec = pick.choice(container.video)
    video = VIDEO_CODECS[codec]
    pixel_format = pick.choice(video.pixel_formats)
    is_yuv = pixel_format.startswith(("yuv", "uyvy"))
    rate = pick.choice([rate for rate in container.rates or RATES if rate <= video.max_rate])
    frames = max(6, round(rate * Fraction(pick.choice((0.6, 0.8, 1.0, 1.2)))))
    orientation = pick.choice((1, 1, *range(1, 9))) if container.orientation else 1
    picture = Picture(*_size(pick, video, orientation), tuple(pick.sample(COLORS, 4)))
    sound_file = pick.choice(sorted(SOUND_FILES)) if pick.random() < 0.5 or not container.audio else ""
    sounds = _sounds(pick, SOUND_FILES[sound_file] if sound_file else container, frames / rate)
    return Recipe(
        container=name,
        codec=codec,
        pixel_format=pixel_format,
        picture=picture,
        rate=rate,
        frames=frames,
        sounds=sounds,
        holes=_holes(pick, frames) if container.holes and video.holes and pick.random() < 0.2 else frozenset(),
        aspect=pick.choice(ASPECTS) if container.aspect and video.aspect else Fraction(1),
        orientation=orientation,
        crop=_crop(pick, picture, orientation) if video.crop and pick.random() < 0.2 else (0, 0, 0, 0),
        full_range=is_yuv and ("j" in pixel_format or (video.full_range and pick.random() < 0.3)),
        matrix=_matrix(pick, container, video) if is_yuv else None,
        transparent=pick.randrange(4) if "a" in pixel_format.replace("gray", "") else None,
        other_video=container.default and pick.random() < 0.2,
        heard=pick.randrange(len(sounds)),
        sound_file=sound_file,
        output=pick.choice(OUTPUTS),
        offset=pick.choice(OFFSETS) if container.offset and not sound_file and pick.random() < 0.3 else 0.0,
        bits=10 if pick.random() < 0.05 else 8,
    )


def _still(pick: random.Random, name: str) -> Recipe:
    still = STILLS[name]
    mode = pick.choice(still.modes)
    sound_file = pick.choice(sorted(SOUND_FILES))
    return Recipe(
        container=name,
        codec=pick.choice(sorted(still.options)),
        pixel_format=mode,
        picture=Picture(*pick.choice((*SIZES, *ODD_SIZES)), tuple(pick.sample(COLORS, 4))),
        rate=STILL_RATE,
        frames=1,
        sounds=_sounds(pick, SOUND_FILES[sound_file], Fraction(1)),
        orientation=pick.choice((1, *range(1, 9))) if still.orientation else 1,
        transparent=pick.randrange(4) if mode == "RGBA" else None,
        sound_file=sound_file,
        output=pick.choice(OUTPUTS),
    )


def _matrix(pick: random.Random, container: Container, codec: VideoCodec) -> str | None:
    return pick.choice(codec.matrices or (MATRICES if codec.tags or container.tags else (None,)))


def _size(pick: random.Random, video: VideoCodec, orientation: int) -> tuple[int, int]:
    if video.sizes:
        width, height = pick.choice(video.sizes)
        return (height, width) if orientation >= 5 else (width, height)
    return pick.choice(SIZES if video.even or pick.random() < 0.8 else ODD_SIZES)


def _holes(pick: random.Random, frames: int) -> frozenset[int]:
    """Return frames that are left out: some single ones, or one long hole; never the first or the last."""
    if pick.random() < 0.5:
        start = pick.randrange(2, frames - 2)
        return frozenset(range(start, min(frames - 2, start + frames // 3)))
    return frozenset(index for index in range(1, frames - 1) if pick.random() < 0.1)


def _crop(pick: random.Random, picture: Picture, orientation: int) -> tuple[int, int, int, int]:
    width, height = (picture.height, picture.width) if orientation >= 5 else (picture.width, picture.height)
    across, down = -width % CODED_BLOCK, -height % CODED_BLOCK
    left, above = (2 * pick.randrange(margin // 2 + 1) for margin in (across, down))
    return left, across - left, above, down - above


def _sounds(pick: random.Random, container: Container, picture_seconds: Fraction) -> tuple[Sound, ...]:
    tracks = pick.choice((1, 1, 1, 2, 3)) if container.default else 1
    return tuple(_sound(pick, container, picture_seconds) for _ in range(tracks))


def _sound(pick: random.Random, container: Container, picture_seconds: Fraction) -> Sound:
    codec = pick.choice(container.audio)
    audio = AUDIO_CODECS[codec]
    rate = pick.choice([rate for rate in container.sound_rates if rate in audio.rates] or audio.rates)
    channels = pick.choice([count for count in audio.channels if count <= container.max_channels])
    audible = [channel for channel in range(channels) if channels < 6 or channel != LOW_FREQUENCY]
    seconds = float(picture_seconds) if container.whole else pick.choice((0.5, 0.73, 0.9, 1.0, 1.31))
    click = round(pick.uniform(0.15, seconds - 0.15), 4)
    return Sound(codec, rate, channels, pick.choice((None, *audible)), seconds, click)
