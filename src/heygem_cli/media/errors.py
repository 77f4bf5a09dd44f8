"""Errors that probing and decoding have in common."""

from __future__ import annotations

from pathlib import Path

from heygem_cli.errors import InputError


def no_frames(path: Path, hint: str = "") -> InputError:
    """Return the error for a video or an image of which nothing can be decoded."""
    return InputError("no-frames", "no frame of it can be decoded", hint=hint, path=path)


def no_samples(path: Path) -> InputError:
    """Return the error for an audio stream of which nothing can be decoded."""
    return InputError("no-samples", "no sample of the audio stream can be decoded", path=path)
