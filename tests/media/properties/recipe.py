"""The recipe of a media file: what is in it, and so what a player shows and plays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Literal

from formats import CONTAINERS, SOUND_FILES, STILLS, Container
from picture import Picture


@dataclass(frozen=True)
class Sound:
    """A sound track: a voice with a click at ``click`` seconds in one of its channels (None: in all), else noise."""

    codec: str
    rate: int
    channels: int
    channel: int | None
    seconds: float
    click: float


@dataclass(frozen=True)
class Recipe:
    """A face video or a still image, and its sound.

    Attributes:
        container: A key of CONTAINERS or STILLS.
        codec: A key of VIDEO_CODECS, or a key of the options of a still image.
        pixel_format: ffmpeg's name, or Pillow's of the mode of a still image.
        picture: What is shown, upright.
        rate: Frames per second.
        frames: How many frames the video lasts.
        sounds: The sound tracks.
        holes: Frames that are not in the file: the one before lasts longer.
        aspect: The sample aspect ratio of the upright picture.
        orientation: How to turn the stored picture, as an EXIF orientation.
        crop: Columns left and right, rows above and below of the stored picture that are not shown.
        full_range: Whether the range is full, and tagged so.
        matrix: The tag of the colour matrix; None: BT.601 without a tag.
        transparent: Which quarter is fully transparent.
        other_video: Whether there is another video track before this one, which is marked as the default one.
        heard: The sound track that is marked as the default one.
        sound_file: A key of SOUND_FILES if the sound has its own file, empty if it is that of the video.
        offset: When the sound starts, in seconds after the picture.
        output: The file name extension of the output.
        bits: Bits per colour of the output.
    """

    container: str
    codec: str
    pixel_format: str
    picture: Picture
    rate: Fraction
    frames: int
    sounds: tuple[Sound, ...]
    holes: frozenset[int] = frozenset()
    aspect: Fraction = Fraction(1)
    orientation: int = 1
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    full_range: bool = False
    matrix: str | None = None
    transparent: int | None = None
    other_video: bool = False
    heard: int = 0
    sound_file: str = ""
    offset: float = 0.0
    output: str = "mp4"
    bits: Literal[8, 10] = 8

    def __str__(self) -> str:
        """Return what differs from the plainest file."""
        values = {
            item.name: getattr(self, item.name) for item in fields(self) if item.name not in {"picture", "sounds"}
        }
        plain = {item.name: item.default for item in fields(self)}
        shown = [f"{name}={value}" for name, value in values.items() if value != plain[name]]
        return f"{self.picture.width}×{self.picture.height} {' '.join(shown)} {' '.join(map(str, self.sounds))}"

    @property
    def is_still(self) -> bool:
        """Whether it is a still image."""
        return self.container in STILLS

    @property
    def sound(self) -> Sound:
        """The sound track that is heard."""
        return self.sounds[self.heard]

    @property
    def sound_container(self) -> Container:
        """The container of the sound."""
        return SOUND_FILES[self.sound_file] if self.sound_file else CONTAINERS[self.container]

    @property
    def expected_picture(self) -> Picture:
        """The picture with the colours that are shown: white where it is transparent, grey where there is no colour."""
        colors = list(self.picture.colors)
        if self.transparent is not None:
            colors[self.transparent] = (255, 255, 255)
        if self.pixel_format in {"gray", "L"}:
            colors = [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in colors]
        return replace(self.picture, colors=tuple(colors))

    def index_at(self, number: int) -> int:
        """Return which frame of the video is shown in frame ``number`` of the output, forwards and backwards."""
        index = number % max(1, 2 * self.frames - 2)
        index = min(index, 2 * self.frames - 2 - index)
        while index in self.holes:
            index -= 1
        return index
