"""Which audio file goes with which video."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError, did_you_mean, printable


@dataclass(frozen=True)
class Pair:
    """An audio file and its video; without a video, the problem and what to do about it."""

    audio: Path
    face: Path | None
    problem: str = ""
    hint: str = ""


def pair_all(audios: Sequence[Path], faces: Sequence[Path]) -> list[Pair]:
    """Return every audio file with the one video, or the one audio file with every video.

    Raises:
        InputError: ``several-videos``: there are several of both.
    """
    if len(faces) > 1 and len(audios) > 1:
        message = f"{len(faces)} videos for {len(audios)} audio files"
        hint = "Name one video, or add --pair stem if those of the same name belong together"
        raise InputError("several-videos", message, hint=hint, path=faces[0])
    return [Pair(audio, face) for audio in audios for face in faces]


def pair_by_name(audios: Sequence[Path], faces: Sequence[Path]) -> list[Pair]:
    """Return every audio file with the video that has the same name but for the extension."""
    names = {_name(face): face for face in faces}
    return [_pair(audio, matches, names) for audio, matches in match_names(audios, faces).items()]


def match_names(audios: Iterable[Path], faces: Iterable[Path]) -> dict[Path, list[Path]]:
    """Return the videos that have the name of each audio file."""
    by_name = defaultdict(list)
    for face in faces:
        by_name[_name(face)].append(face)
    return {audio: by_name.get(_name(audio), []) for audio in audios}


def _pair(audio: Path, matches: Sequence[Path], names: Iterable[str]) -> Pair:
    if len(matches) == 1:
        return Pair(audio, matches[0])
    if matches:
        both = f"{printable(matches[0])} and {printable(matches[1])}"
        return Pair(audio, None, f"{both} both have the name of {printable(audio)}", "Rename one of them")
    hint = did_you_mean(_name(audio), names, "Give its video the same name, or leave it out")
    return Pair(audio, None, f"no video has the name of {printable(audio)}", hint)


def _name(path: Path) -> str:
    """Return the name without extension; macOS and Linux compose accents in different ways."""
    return unicodedata.normalize("NFC", path.stem)
