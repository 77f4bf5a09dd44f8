"""The timeline of a render: the state of the person in every frame, as a CSV or JSON file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from heygem_cli.errors import InputError, write_error
from heygem_cli.files import write_atomically
from heygem_cli.job import FrameState, RenderJob, RenderResult, Span
from heygem_cli.media.write import check_output

SCHEMA = 1
COLUMNS = ("start", "end", "first_frame", "last_frame", "shot", "person", "state")
_BEGINNINGS = {".csv": ",".join(COLUMNS).encode(), ".json": b'{\n  "schema": 1,\n  "timeline": ['}
"""What a timeline begins with, by the extension of its name."""


@dataclass
class Timeline:
    """Collects the state of one person, frame by frame.

    Attributes:
        person: The number of the person.
        spans: Successive frames with the same shot and state.
    """

    person: int
    spans: list[Span] = field(default_factory=list)

    def add(self, state: FrameState, shot: int) -> None:
        """Add the next frame."""
        last = self.spans[-1] if self.spans else None
        frame = last.last + 1 if last else 0
        if last is not None and (last.state, last.shot) == (state, shot):
            self.spans[-1] = replace(last, last=frame)
        else:
            self.spans.append(Span(frame, frame, shot, self.person, state))


class Timelines:
    """Collects the states of all people who speak.

    Args:
        people: Their numbers.
    """

    def __init__(self, people: Sequence[int]) -> None:
        self._each = [Timeline(number) for number in people]
        self._counts: Counter[FrameState] = Counter()

    def add(self, states: Sequence[FrameState], shot: int) -> None:
        """Add the next frame; it counts as rendered if anybody speaks in it, else by the reason of the first."""
        for timeline, state in zip(self._each, states, strict=True):
            timeline.add(state, shot)
        self._counts["rendered" if "rendered" in states else states[0]] += 1

    def figures(self) -> dict[str, Any]:
        """Return the fields of :class:`heygem_cli.job.RenderResult` about frames."""
        counts, total = self._counts, self._counts.total()
        without = counts["no face"] + counts["other person"]
        spans = [span for timeline in self._each for span in timeline.spans]
        return {
            "frames": total,
            "frames_with_face": total - without,
            "frames_without_face": without,
            "frames_other_person": counts["other person"],
            "frames_turned_away": counts["turned away"],
            "frames_covered": counts["covered"],
            "frames_outside": counts["outside"],
            "spans": tuple(sorted(spans, key=lambda span: span.first)),
        }


def check_timeline(job: RenderJob) -> None:
    """Check that the timeline of a job can be written.

    One that was written for an earlier version of the job's own output may be replaced.

    Raises:
        InputError: It cannot be created, or exists.
    """
    path = job.options.timeline
    if path is None:
        return
    beginning = _BEGINNINGS.get(path.suffix.lower())
    if beginning is None:
        message = "the timeline cannot have the format that its name says"
        raise InputError("bad-timeline", message, hint="Use a name that ends in .csv or .json", path=path)
    check_output(path, job.inputs, suffixes=None)
    is_own = job.own.digests and _begins_with(path, beginning)
    if os.path.lexists(path) and not job.options.overwrite and not is_own:
        raise InputError("output-exists", "the timeline exists", hint="Use --overwrite to replace it", path=path)


def _begins_with(path: Path, beginning: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def write_timeline(path: Path, result: RenderResult) -> None:
    """Write the timeline of a result, as CSV or JSON by the name of the file.

    Raises:
        InputError: ``no-permission``.
        HeygemError: ``disk-full``, ``writing-failed``.
    """
    rows = list(_rows(result.spans, result.fps))
    content = _to_csv(rows) if path.suffix.lower() == ".csv" else _to_json(rows)
    try:
        write_atomically(path, content.encode())
    except OSError as error:
        raise write_error(error, path, path.parent) from error


def _rows(spans: Iterable[Span], fps: Fraction) -> Iterable[tuple[object, ...]]:
    for span in spans:
        start, end = (round(float(frame / fps), 6) for frame in (span.first, span.last + 1))
        yield start, end, *astuple(span)


def _to_csv(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def _to_json(rows: Iterable[tuple[object, ...]]) -> str:
    timeline = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return json.dumps({"schema": SCHEMA, "timeline": timeline}, indent=2) + "\n"
