"""The folder of ``heygem serve``: a folder for each job, with its files and its record."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from heygem_cli.errors import HeygemError, printable, write_error
from heygem_cli.files import write_atomically
from heygem_cli.serve.ages import Ages
from heygem_cli.serve.job import JobPhase

RECORD = "job.json"
OUTPUT = "output.mp4"
PREVIEW = "preview.jpg"
_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
Upload = tuple[Path, int]
"""A file that arrived, and the time of its last change: another one may come under its name."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What is kept of a job.

    Attributes:
        number: Its place among all jobs in the order of their coming.
        audio: The audio's name in the job's folder.
        face: Likewise of the face video.
        crashes: How often the worker's process, or the server, died while it ran.
        code: What a client of the ``easy`` API calls it.
        copy_to: Where such a client expects the video.

    The others are as in :class:`heygem_cli.serve.job.ServedJob`.
    """

    id: str
    phase: JobPhase
    audio_name: str
    face_name: str
    audio: str
    face: str
    options: Mapping[str, object]
    created: float
    number: int = 0
    started: float | None = None
    finished: float | None = None
    crashes: int = 0
    frames_per_second: float | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    code: str | None = None
    copy_to: str | None = None


class Store:
    """Keeps jobs on the disk; a job whose record cannot be read is left alone.

    Args:
        folder: The folder of ``--folder``.
        quota: Bytes that it may contain.

    Raises:
        InputError: It cannot be written.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self._quota = quota
        self._adding = threading.Lock()
        try:
            for part in (self.jobs, self.uploads):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.is_writable:
                raise PermissionError(13, "Permission denied", os.fspath(self.jobs))
        except OSError as error:
            raise write_error(error, folder, folder) from error

    @property
    def jobs(self) -> Path:
        """The folder of all jobs."""
        return self.folder / "jobs"

    @property
    def uploads(self) -> Path:
        """The folder of files that arrive; nothing in it is kept across a restart."""
        return self.folder / "uploads"

    @property
    def is_writable(self) -> bool:
        """Whether jobs can be added: the folder is there, and not read-only."""
        return os.access(self.jobs, os.W_OK | os.X_OK)

    def of(self, id: str) -> Path:
        """Return the folder of a job."""
        assert _ID.fullmatch(id), id  # noqa: S101 - ids of requests are looked up first
        return self.jobs / id

    def load(self) -> list[Record]:
        """Read the records of all jobs, oldest first; what an upload that was cut off has left is removed."""
        shutil.rmtree(self.uploads, ignore_errors=True)
        self.uploads.mkdir(mode=0o700, exist_ok=True)
        records = []
        for folder in self.jobs.iterdir():
            if not _ID.fullmatch(folder.name):
                continue
            try:
                records.append(_read(folder / RECORD, folder.name))
            except FileNotFoundError:
                shutil.rmtree(folder, ignore_errors=True)
            except (OSError, ValueError, TypeError) as error:
                _log.warning("%s cannot be read (%s) and is left alone", folder / RECORD, error)
        return sorted(records, key=lambda record: (record.number, record.created, record.id))

    def add(self, audio: Path, face: Path, record: Record) -> None:
        """Copy the files of a new job, or link those of another job.

        Raises:
            HeygemError: ``quota-full``, ``disk-full``, ``writing-failed``.
        """
        folder = self.of(record.id)
        try:
            folder.mkdir(mode=0o700)
            with self._adding:  # until a file is there, its room is not taken
                self._take(audio, folder / record.audio)
                self._take(face, folder / record.face)
        except BaseException as error:
            self.discard(record.id)
            if isinstance(error, OSError):
                raise write_error(error, folder, self.folder) from error
            raise

    def _take(self, source: Path, target: Path) -> None:
        if source.is_relative_to(self.jobs):
            with suppress(OSError):  # a file system without hard links
                target.hardlink_to(source)
                return
        self.check_space(source.stat().st_size)
        shutil.copyfile(source, target)

    def public_text(self, text: str, record: Record) -> str:
        """Return a text about a job with the user's names in place of the server's paths."""
        folder = self.of(record.id)
        names = {record.audio: record.audio_name, record.face: record.face_name, OUTPUT: OUTPUT}
        for name, known in names.items():
            text = text.replace(printable(folder / name), printable(known))
        own = printable(self.folder)
        return text.replace(f"{own}/", "").replace(own, "the folder of the server")

    def save(self, record: Record) -> None:
        """Write the record of a job.

        Raises:
            HeygemError: It cannot be written.
        """
        path = self.of(record.id) / RECORD
        content = json.dumps({"schema": 1, **asdict(record)}, ensure_ascii=False, indent=1, default=str)
        try:
            write_atomically(path, content.encode())
        except OSError as error:
            raise write_error(error, path, path.parent) from error

    def try_save(self, record: Record) -> bool:
        """Write the record of a job, or log why that is not possible; return whether it is written."""
        try:
            self.save(record)
        except HeygemError as error:
            _log.error("the state of job %s is not saved: %s", record.id, error)
            return False
        return True

    def remove(self, id: str) -> None:
        """Remove a job with its files; the record goes first, so that half a job is never read again.

        Raises:
            OSError: The record cannot be removed.
        """
        (self.of(id) / RECORD).unlink(missing_ok=True)
        self.discard(id)

    def discard(self, id: str) -> None:
        """Remove the files of a job that has no record yet, as far as that is possible."""
        shutil.rmtree(self.of(id), ignore_errors=True)

    def remove_old_uploads(self, ages: Ages[Upload], seconds: float) -> None:
        """Remove files that arrived so many seconds ago, and that no job has taken."""
        ages.update(self._uploads())
        for path, _ in ages.reached(seconds):
            with suppress(OSError):  # it was removed meanwhile
                path.unlink()

    def _uploads(self) -> Iterator[Upload]:
        for path in _files(self.uploads):
            with suppress(OSError):
                yield path, path.lstat().st_mtime_ns

    def check_space(self, more: int) -> None:
        """Check that so many bytes more fit.

        Raises:
            HeygemError: ``quota-full``.
        """
        if self.size() + more > self._quota:
            message = "the server has no room for more files"
            raise HeygemError("quota-full", message, hint="Delete old jobs, or raise --quota or lower --keep-days")

    def size(self) -> int:
        """Return how many bytes the folder contains; a file with two names counts once."""
        sizes: dict[tuple[int, int], int] = {}
        for path in _files(self.folder):
            with suppress(OSError):  # it was removed meanwhile
                status = path.lstat()
                sizes[status.st_dev, status.st_ino] = status.st_size
        return sum(sizes.values())


def _read(path: Path, id: str) -> Record:
    content = json.loads(path.read_bytes())
    names = {field.name for field in fields(Record)}
    record = Record(**{name: value for name, value in content.items() if name in names})
    if record.id != id or any(Path(name).name != name for name in (record.audio, record.face)):
        raise ValueError("it belongs to another job")
    return record


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def new_record(
    options: Mapping[str, object],
    *,
    audio_name: str,
    face_name: str,
    code: str | None = None,
    copy_to: str | None = None,
) -> Record:
    """Return the record of a new job under a random id."""
    return Record(
        id=secrets.token_hex(16),
        phase="queued",
        audio_name=_text(audio_name),
        face_name=_text(face_name),
        audio=f"audio{_suffix(audio_name)}",
        face=f"face{_suffix(face_name)}",
        options=dict(options),
        created=time.time(),
        code=code,
        copy_to=copy_to,
    )


def _text(name: str) -> str:
    """Return a name without bytes that are not UTF-8, which a file name of Linux may have."""
    return name.encode("utf-8", "replace").decode()


def _suffix(name: str) -> str:
    """Return the extension of a user's file name if it is an ordinary one: our readers need it for some pictures."""
    suffix = Path(name).suffix
    return suffix.lower() if _SUFFIX.fullmatch(suffix) else ""
