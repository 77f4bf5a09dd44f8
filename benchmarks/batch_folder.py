"""Run ``heygem batch`` in a folder with short clips and a manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clips import AUDIO, FACE, ffmpeg
from heygem_cli.batch.journal import parse_events

FAST = ("--preset", "ultrafast", "--crf", "30")


def make_face(path: Path, number: int, *, seconds: float = 1.0, size: int = 256) -> Path:
    """Cut a short, small face video out of the example, different for every number."""
    picture = f"scale={size}:{size},eq=brightness={number / 500}"
    cut = ("-ss", f"{number % 5}", "-t", f"{seconds}")
    ffmpeg(*cut, "-i", FACE, "-vf", picture, "-c:v", "libx264", "-preset", "ultrafast", path)
    return path


def make_voice(path: Path, number: int, seconds: float) -> Path:
    """Cut speech out of the example, different for every number."""
    ffmpeg("-stream_loop", "-1", "-i", AUDIO, "-af", f"atrim={number / 10}:{number / 10 + seconds}", path)
    return path


@dataclass(frozen=True)
class BatchFolder:
    """A folder with a manifest ``m.csv`` and its own track cache."""

    folder: Path
    cache: Path

    @property
    def journal(self) -> Path:
        """Path of the journal."""
        return self.folder / "m.csv.journal.jsonl"

    def write_manifest(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Write the manifest as JSON Lines."""
        (self.folder / "m.csv").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def start(self, *args: str, command: str = "batch") -> subprocess.Popen[str]:
        """Start ``heygem batch m.csv``, or another command with its own arguments."""
        arguments = ("m.csv", *FAST, *args) if command == "batch" else (*FAST, *args)
        return subprocess.Popen(
            [sys.executable, "-m", "heygem_cli", command, *arguments],
            cwd=self.folder,
            env=os.environ | {"HEYGEM_CACHE_DIR": str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *args: str, command: str = "batch") -> tuple[int, str]:
        """Run a command to its end and return its exit status and stdout."""
        process = self.start(*args, command=command)
        out, _ = process.communicate()
        return process.returncode, out

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the events in the journal so far, all or those of one kind."""
        events = parse_events(self.journal.read_bytes()) if self.journal.exists() else []
        return [event for event in events if kind in (None, event["event"])]
