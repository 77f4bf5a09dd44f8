"""Make the file of a recipe with ffmpeg."""

from __future__ import annotations

import itertools
import struct
import subprocess
from pathlib import Path

import numpy as np
from formats import AUDIO_CODECS, CONTAINERS, SOUND_FILES, STILLS, VIDEO_CODECS
from PIL import Image
from recipe import Recipe, Sound
from sound import click, noise

from heygem_cli.media.ffmpeg import find_ffmpeg

EXIF_ORIENTATION = 0x0112
MARGIN = (255, 0, 255)
"""The colour of what is cropped."""

AU_FLOAT = 6
"""The number of 32-bit floating-point samples in a file of Sun's .au format, which is a header and samples."""

ROTATIONS = {
    1: (), 2: ("-display_hflip",), 3: ("-display_rotation", "180"), 4: ("-display_vflip",),
    5: ("-display_rotation", "270", "-display_hflip"), 6: ("-display_rotation", "270"),
    7: ("-display_rotation", "90", "-display_hflip"), 8: ("-display_rotation", "90"),
}  # fmt: skip
"""Options that write a display matrix; a rotation is counterclockwise, and is done before a flip."""


class CannotMakeError(Exception):
    """This ffmpeg cannot write such a file."""


def make(recipe: Recipe, folder: Path) -> tuple[Path, Path]:
    """Write the files of a recipe, and return the face video and the file with the sound.

    Raises:
        CannotMakeError: ffmpeg cannot.
    """
    face = _make_still(recipe, folder) if recipe.is_still else _make_video(recipe, folder)
    if not recipe.sound_file:
        return face, face
    audio = folder / f"sound.{SOUND_FILES[recipe.sound_file].suffix}"
    outputs = _sound_outputs(recipe.sounds, recipe.heard, 0)
    _run([*_sound_inputs(recipe.sounds, folder, 0), *outputs, *SOUND_FILES[recipe.sound_file].args, audio])
    return face, audio


def _make_still(recipe: Recipe, folder: Path) -> Path:
    """Write a still image."""
    face = folder / f"face.{recipe.container}"
    exif = Image.Exif()
    if recipe.orientation != 1:
        exif[EXIF_ORIENTATION] = recipe.orientation
    image = Image.fromarray(_stored_frame(recipe, 0))
    image = image.quantize(16) if recipe.pixel_format == "P" else image.convert(recipe.pixel_format)
    image.save(face, exif=exif, **STILLS[recipe.container].options[recipe.codec])
    return face


def _make_video(recipe: Recipe, folder: Path) -> Path:
    container = CONTAINERS[recipe.container]
    face = folder / f"face.{container.suffix}"
    sounds = () if recipe.sound_file else recipe.sounds
    first = 2 if recipe.other_video else 1
    _run([*_picture_inputs(recipe, folder), *_sound_inputs(sounds, folder, recipe.offset), *_picture_outputs(recipe),
          *_sound_outputs(sounds, recipe.heard, first), *container.args, face])  # fmt: skip
    return face


def _run(args: list[object]) -> None:
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", *map(str, args)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise CannotMakeError(done.stderr.strip()[-500:] or f"exit {done.returncode}")


def stored(shown: np.ndarray, orientation: int) -> np.ndarray:
    """Return the picture in the file, which the orientation turns into the one that is shown."""
    turned = {
        1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1], 5: shown.swapaxes(0, 1),
        6: np.rot90(shown), 7: shown[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(shown, -1),
    }  # fmt: skip
    return turned[orientation]


def _picture_inputs(recipe: Recipe, folder: Path) -> list[object]:
    frames = [_stored_frame(recipe, index) for index in range(recipe.frames) if index not in recipe.holes]
    height, width, channels = frames[0].shape
    raw = folder / "frames.raw"
    raw.write_bytes(b"".join(frame.tobytes() for frame in frames))
    size, pixels = f"{width}x{height}", "rgba" if channels == 4 else "rgb24"
    other = (
        ["-f", "lavfi", "-i", f"color=gray:size={size}:rate={recipe.rate}:duration=0.2"] if recipe.other_video else []
    )
    return [
        *other, "-noautorotate", *ROTATIONS[recipe.orientation], "-f", "rawvideo", "-pixel_format", pixels,
        "-video_size", size, "-r", recipe.rate, "-i", raw,
    ]  # fmt: skip


def _stored_frame(recipe: Recipe, index: int) -> np.ndarray:
    frame = recipe.picture.draw(index)
    if recipe.transparent is not None:
        frame = np.dstack([frame, recipe.picture.mask(recipe.transparent)])
    frame = stored(frame, recipe.orientation)
    left, right, above, below = recipe.crop
    if any(recipe.crop):
        padded = np.empty((frame.shape[0] + above + below, frame.shape[1] + left + right, 3), np.uint8)
        padded[:] = MARGIN
        padded[above : above + frame.shape[0], left : left + frame.shape[1]] = frame
        return padded
    return frame


def _sound_inputs(sounds: tuple[Sound, ...], folder: Path, offset: float) -> list[object]:
    args: list[object] = []
    for number, sound in enumerate(sounds):
        file = folder / f"sound{number}.au"
        samples = np.stack([_channel(sound, channel) for channel in range(sound.channels)], axis=1)
        header = struct.pack(">4s5I", b".snd", 24, 4 * samples.size, AU_FLOAT, sound.rate, sound.channels)
        file.write_bytes(header + samples.astype(">f4").tobytes())
        args += ["-itsoffset", offset, "-i", file]
    return args


def _channel(sound: Sound, channel: int) -> np.ndarray:
    samples = noise(sound.seconds, sound.rate, seed=channel)
    if sound.channel in (None, channel):
        samples += click(sound.seconds, sound.rate, sound.click)
    return samples


def _picture_outputs(recipe: Recipe) -> list[object]:
    video = VIDEO_CODECS[recipe.codec]
    number = int(recipe.other_video)
    args = ["-map", "0:v", "-disposition:v:0", "0", "-map", "1:v", "-disposition:v:1", "default"]
    crop = [f"-bsf:v:{number}", _crop_filter(recipe)] if any(recipe.crop) else []
    return [
        *(args if recipe.other_video else ["-map", "0:v"]), f"-filter:v:{number}", ",".join(_filters(recipe)),
        "-fps_mode", "passthrough", "-c:v", *video.args, "-pix_fmt", recipe.pixel_format, *_tags(recipe), *crop,
    ]  # fmt: skip


def _filters(recipe: Recipe) -> list[str]:
    tag, levels = recipe.matrix or "unknown", "pc" if recipe.full_range else "tv"
    filters = [_times(recipe)] if recipe.holes else []
    if recipe.pixel_format.startswith(("yuv", "uyvy")):
        flags = "accurate_rnd+full_chroma_int+bitexact"
        filters.append(f"scale=out_color_matrix={recipe.matrix or 'smpte170m'}:out_range={levels}:flags={flags}")
    if recipe.codec == "gif":
        filters.append("split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none")
    shown_levels = levels if recipe.full_range or recipe.matrix else "unspecified"
    aspect = recipe.aspect if recipe.orientation < 5 else 1 / recipe.aspect
    return [
        *filters, f"format={recipe.pixel_format}",
        f"setparams=colorspace={tag}:color_primaries={tag}:color_trc={tag}:range={shown_levels}", f"setsar={aspect}",
    ]  # fmt: skip


def _times(recipe: Recipe) -> str:
    """Return the filter that gives each frame the time that it has without those that are missing."""
    kept = [index for index in range(recipe.frames) if index not in recipe.holes]
    gaps = [(number, after - before - 1) for number, (before, after) in enumerate(itertools.pairwise(kept), 1)]
    shifts = "".join(f"+gte(N\\,{number})*{missing}" for number, missing in gaps if missing)
    return f"setpts=(N{shifts})/({recipe.rate}*TB)"


def _tags(recipe: Recipe) -> list[object]:
    if recipe.matrix is None:
        return []
    return ["-colorspace", recipe.matrix, "-color_primaries", recipe.matrix, "-color_trc", recipe.matrix]


def _crop_filter(recipe: Recipe) -> str:
    sides = zip(("left", "right", "top", "bottom"), recipe.crop, strict=True)
    return f"{VIDEO_CODECS[recipe.codec].crop}=" + ":".join(f"crop_{side}={size}" for side, size in sides)


def _sound_outputs(sounds: tuple[Sound, ...], heard: int, first: int) -> list[object]:
    args: list[object] = []
    for number, sound in enumerate(sounds):
        encoder, *options = AUDIO_CODECS[sound.codec].args
        args += ["-map", f"{first + number}:a", f"-c:a:{number}", encoder]
        args += [part if not part.startswith("-") else f"{part}:{number}" for part in options]
        if len(sounds) > 1:
            args += [f"-disposition:a:{number}", "default" if number == heard else "0"]
    return [*args, "-strict", "-2"] if sounds else args
