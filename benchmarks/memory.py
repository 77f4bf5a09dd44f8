"""How much memory a render takes, and whether it grows with length.

Run ``python -m benchmarks.memory``; see README.md for what the figures mean.
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

from benchmarks.clips import AUDIO, FACE, SIZES, make_inputs, speech, talking_head
from benchmarks.report import Goal, figure, print_goals, print_table, write_json
from heygem_cli.cli.output import report_errors
from heygem_cli.errors import HeygemError

EVERY = 0.05
"""Seconds between two looks at the processes."""
SHORT = 20.0
"""Seconds of the face video that is played back and forth; at 1080p more than a renderer should hold in memory."""
GB = 10**9
MINUTES = (1.0, 10.0)


@dataclass(frozen=True)
class Peak:
    """The most memory that a render held.

    Attributes:
        minutes: length of the output.
        face: what it was rendered onto.
        main: resident bytes of the program's own process, as the kernel keeps them.
        total: resident bytes of it and all its children at the same moment, the most that was seen.
        seconds: wall-clock time.
    """

    minutes: float
    face: str
    main: int
    total: int
    seconds: float


def status_bytes(pid: int, name: str) -> int:
    """A figure of ``/proc/PID/status`` in bytes, 0 where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def family(pid: int) -> set[int]:
    """The process and all that descend from it."""
    parents = {int(path.name): parent_of(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    members = {pid}
    while more := {child for child, parent in parents.items() if parent in members} - members:
        members |= more
    return members


def parent_of(process: Path) -> int:
    """The parent of a process given as its folder in ``/proc``, 0 where it is gone."""
    try:
        # The name in parentheses may hold anything; the fields after it do not.
        return int((process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def render(face: Path, audio: Path, output: Path, minutes: float, label: str) -> Peak:
    """Render in a process of its own and watch it.

    Raises:
        HeygemError: the render failed.
    """
    command = [sys.executable, "-m", "heygem_cli", "render", str(audio), str(face), "-o", str(output)]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        options = ("--json", "--no-cache", "--overwrite", "--quiet")
        process = subprocess.Popen([*command, *options], stdout=said, stderr=subprocess.DEVNULL)
        main = total = 0
        while process.poll() is None:
            main = max(main, status_bytes(process.pid, "VmHWM"))
            total = max(total, sum(status_bytes(pid, "VmRSS") for pid in family(process.pid)))
            time.sleep(EVERY)
        said.seek(0)
        result = json_format.load(said)
    if process.returncode:
        raise HeygemError("render-failed", f"the render failed: {result['error']['message']}")
    return Peak(minutes, label, main, total, time.perf_counter() - start)


def measure(face: Path, audio: Path, size: tuple[int, int], minutes: Sequence[float], folder: Path) -> Iterable[Peak]:
    """Render each length onto a face video of that length, and onto a short one played back and forth."""
    for each in minutes:
        video, voice = make_inputs(face, audio, folder, size=size, seconds=each * 60)
        yield render(video, voice, folder / "rendered.mp4", each, "as long as the audio")
    short = folder / "short.mp4"
    talking_head(face, short, size=size, seconds=SHORT)
    for each in minutes:
        speech(audio, folder / "voice.wav", seconds=each * 60)
        yield render(short, folder / "voice.wav", folder / "rendered.mp4", each, f"{SHORT:g} s, back and forth")


def goals_of(peaks: Sequence[Peak]) -> list[Goal]:
    """The figures to reach; of growth only where there are two lengths."""
    goals = [Goal("largest peak, children included", max(peak.total for peak in peaks) / GB, 1.2, " GB")]
    for label in dict.fromkeys(peak.face for peak in peaks):
        ours = sorted((peak for peak in peaks if peak.face == label), key=lambda peak: peak.minutes)
        if len(ours) > 1:
            growth = 100 * (ours[-1].total / ours[0].total - 1)
            what = f"{ours[-1].minutes:g} min over {ours[0].minutes:g} min, face video {label}"
            goals.append(Goal(what, growth, 10, " %"))
    return goals


def show(peaks: Sequence[Peak]) -> None:
    """Print a row for each render."""
    columns = ("face video", "minutes", "peak of the program, GB", "children included, GB", "seconds")
    rows = [
        (peak.face, f"{peak.minutes:g}", figure(peak.main / GB), figure(peak.total / GB), figure(peak.seconds, 0))
        for peak in peaks
    ]
    print_table("Memory: resident, at its peak", columns, rows)


def main(
    *,
    minutes: Annotated[
        list[float] | None,
        typer.Option(min=0.05, help="Length of the output; give it more than once. [default: 1, 10]"),
    ] = None,
    face: Annotated[Path, typer.Option(help="A video of a face; it is scaled to fit, and looped.")] = FACE,
    audio: Annotated[Path, typer.Option(help="Speech; it is looped.")] = AUDIO,
    size: Annotated[Literal["720p", "1080p"], typer.Option(help="Of the picture.")] = "1080p",
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure memory."""
    with report_errors(), tempfile.TemporaryDirectory(prefix="heygem-bench-") as temporary:
        peaks = list(measure(face, audio, SIZES[size], minutes or MINUTES, Path(temporary)))
    show(peaks)
    goals = goals_of(peaks)
    print_goals(goals)
    if json:
        write_json(json, {"size": size, "peaks": [asdict(peak) for peak in peaks]}, goals)


if __name__ == "__main__":
    typer.run(main)
