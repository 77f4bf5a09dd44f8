"""The error for streams that are encrypted, whatever their container."""

from __future__ import annotations

from pathlib import Path

from heygem_cli.errors import InputError


def encrypted(path: Path, kind: str) -> InputError:
    """Return the error for a stream of a kind, such as ``video``, that is encrypted."""
    message = f"its {kind} is encrypted and cannot be decoded without the key"
    hint = "Give the original, or decrypt it if you have the key, an MP4: ffmpeg -decryption_key KEY -i IN -c copy OUT"
    return InputError("encrypted-media", message, hint=hint, path=path)
