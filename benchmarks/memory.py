"""Measure the memory of a render, and whether it grows with the length of the video.

Run ``python -m benchmarks.memory``; README.md explains the measurements.
"""

from __future__ import annotations

import json as json_format
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.clips import AUDIO, FACE, SIZES, make_inputs, make_talking_head, repeat_audio
from benchmarks.report import Target, number, print_table, print_targets, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import HeygemError

INTERVAL = 0.05
"""Seconds between two samples."""
SHORT_SECONDS = 20.0
"""Seconds of the face video that is played back and forth; at 1080p more than a renderer should hold in memory."""
GB = 10**9
MINUTES = (1.0, 10.0)


@dataclass(frozen=True)
class Peak:
    """Peak memory of a render.

    Attributes:
        minutes: Length of the output.
        face: Description of the face video.
        main: Peak resident bytes of the main process, as counted by the kernel.
        total: Largest sum of the resident bytes of the main process and its children in one sample.
        seconds: Wall-clock time.
    """

    minutes: float
    face: str
    main: int
    total: int
    seconds: float


def status_bytes(pid: int, name: str) -> int:
    """Return a field of ``/proc/PID/status`` in bytes, 0 if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def process_tree(pid: int) -> set[int]:
    """Return a process and all its descendants."""
    parents = {int(path.name): parent_of(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    members = {pid}
    while more := {child for child, parent in parents.items() if parent in members} - members:
        members |= more
    return members


def parent_of(process: Path) -> int:
    """Return the parent of the process with this folder in ``/proc``, 0 if it has ended."""
    try:
        # The name in parentheses may contain spaces and parentheses.
        return int((process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def render(face: Path, audio: Path, output: Path, minutes: float, label: str) -> Peak:
    """Render in a new process and sample its memory.

    Raises:
        HeygemError: The render failed.
    """
    command = [sys.executable, "-m", "heygem_cli", "render", str(audio), str(face), "-o", str(output)]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as stdout:
        options = ("--json", "--no-cache", "--overwrite", "--quiet")
        process = subprocess.Popen([*command, *options], stdout=stdout, stderr=subprocess.DEVNULL)
        main = total = 0
        while process.poll() is None:
            main = max(main, status_bytes(process.pid, "VmHWM"))
            total = max(total, sum(status_bytes(pid, "VmRSS") for pid in process_tree(process.pid)))
            time.sleep(INTERVAL)
        stdout.seek(0)
        result = json_format.load(stdout)
    if process.returncode:
        raise HeygemError("render-failed", f"the render failed: {result['error']['message']}")
    return Peak(minutes, label, main, total, time.perf_counter() - start)


def measure(face: Path, audio: Path, size: tuple[int, int], minutes: Sequence[float], folder: Path) -> Iterable[Peak]:
    """Render each length with a face video of that length, and with a short one played back and forth."""
    for each in minutes:
        video, voice = make_inputs(face, audio, folder, size=size, seconds=each * 60)
        yield render(video, voice, folder / "rendered.mp4", each, "as long as the audio")
    short = folder / "short.mp4"
    make_talking_head(face, short, size=size, seconds=SHORT_SECONDS)
    for each in minutes:
        repeat_audio(audio, folder / "voice.wav", seconds=each * 60)
        yield render(short, folder / "voice.wav", folder / "rendered.mp4", each, f"{SHORT_SECONDS:g} s, back and forth")


def make_targets(peaks: Sequence[Peak]) -> list[Target]:
    """Return the targets; growth is included if two lengths were measured."""
    targets = [Target("largest peak with children", max(peak.total for peak in peaks) / GB, 1.2, " GB")]
    for label in dict.fromkeys(peak.face for peak in peaks):
        by_length = sorted((peak for peak in peaks if peak.face == label), key=lambda peak: peak.minutes)
        if len(by_length) > 1:
            growth = 100 * (by_length[-1].total / by_length[0].total - 1)
            name = f"{by_length[-1].minutes:g} min over {by_length[0].minutes:g} min, face video {label}"
            targets.append(Target(name, growth, 10, " %"))
    return targets


def print_peaks(peaks: Sequence[Peak]) -> None:
    """Print a row for each render."""
    columns = ("face video", "minutes", "peak of the program, GB", "with children, GB", "seconds")
    rows = [
        (peak.face, f"{peak.minutes:g}", number(peak.main / GB), number(peak.total / GB), number(peak.seconds, 0))
        for peak in peaks
    ]
    print_table("Peak resident memory", columns, rows)


def main(
    *,
    minutes: Annotated[
        list[float] | None,
        typer.Option(min=0.05, help="Length of the output; can be repeated. [default: 1, 10]"),
    ] = None,
    face: Annotated[Path, typer.Option(help="Face video; scaled to fit, and looped.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech; looped.")] = AUDIO,
    size: Annotated[Literal["720p", "1080p"], typer.Option(help="Frame size.")] = "1080p",
    json: Annotated[Path | None, typer.Option(help="Write all measurements to this file.")] = None,
) -> None:
    """Measure memory."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        peaks = list(measure(face, audio, SIZES[size], minutes or MINUTES, Path(temporary)))
    print_peaks(peaks)
    targets = make_targets(peaks)
    print_targets(targets)
    if json:
        write_json(json, {"size": size, "peaks": [asdict(peak) for peak in peaks]}, targets)


if __name__ == "__main__":
    typer.run(main)
