"""The template by which outputs are named after their inputs."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError

FIELDS = ("face", "audio", "audio_folder", "audio_type")
EXISTING = f"There are: {', '.join(f'{{{name}}}' for name in FIELDS)}"


@dataclass(frozen=True)
class NameTemplate:
    """A file name with fields in braces, such as ``{face}_{audio}.mp4``."""

    text: str

    def __str__(self) -> str:
        return self.text

    def fill(self, audio: Path, face: Path) -> str:
        """Return the name of the output of two inputs; what is in their names stays as it is, braces, too."""
        return self.text.format(
            face=face.stem,
            audio=audio.stem,
            audio_folder=audio.absolute().parent.name,
            audio_type=audio.suffix.removeprefix("."),
        )


def parse_name_template(text: str) -> NameTemplate:
    """Read a template; ``{{`` and ``}}`` stand for braces.

    Raises:
        InputError: ``bad-template``.
    """
    try:
        fields = list(_fields(text))
    except ValueError as error:
        message = f"--output-template {text}: a brace is alone"
        raise InputError("bad-template", message, hint=f"{EXISTING}; a brace of the name is written twice") from error
    for name in fields:
        if name not in FIELDS:
            message = f"--output-template {text}: there is no field {{{name}}}"
            raise InputError("bad-template", message, hint=EXISTING)
    if "/" in text:
        message = f"--output-template {text}: this names a folder, too"
        raise InputError("bad-template", message, hint="Name the folder with --output-dir")
    return NameTemplate(text)


def _fields(text: str) -> Iterator[str]:
    """Yield the fields of a template, each with what is written behind its name.

    Raises:
        ValueError: A brace is missing.
    """
    for _, name, specification, conversion in string.Formatter().parse(text):
        if name is not None:
            yield name + (f"!{conversion}" if conversion else "") + (f":{specification}" if specification else "")
