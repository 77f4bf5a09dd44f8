"""The service behind the page and the API: jobs come in, are rendered one at a time, and can be looked at."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from heygem_cli import locks
from heygem_cli.errors import HeygemError
from heygem_cli.face.listing import ListedPerson
from heygem_cli.files import remove_stale_parts
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.runtime import Settings
from heygem_cli.serve.ages import Ages, SavedAges
from heygem_cli.serve.child import call
from heygem_cli.serve.job import ServedJob
from heygem_cli.serve.job_options import render_options
from heygem_cli.serve.queue import JobQueue
from heygem_cli.serve.renderer import RendererThread
from heygem_cli.serve.statistics import Statistics
from heygem_cli.serve.store import Store, Upload, new_record
from heygem_cli.serve_options import ServeOptions

PEOPLE_SECONDS = 600.0
"""Seconds that looking for the people of a video may take."""
SWEEP_SECONDS = 600.0
"""Seconds between two looks for what is too old; before the first one, a wrong clock is often set."""
MAX_UPLOAD_AGE = 86400.0
"""Seconds after which a file that was uploaded and not used is removed."""


class RenderService(AbstractContextManager["RenderService"]):
    """Owns the folder, the queue and one worker process while its block runs; every method may be called anywhere.

    Args:
        folder: The folder for everything.
        options: How to serve.
        engines: What the engine is loaded with.
        defaults: The options of a job that gives none; they name the engine.
        settings: Thread settings of the worker.

    Raises:
        LockedError: Another server uses the folder.
        InputError: The folder cannot be written.
    """

    def __init__(
        self, folder: Path, options: ServeOptions, engines: EngineOptions, defaults: RenderOptions, settings: Settings
    ) -> None:
        self._options = options
        self._engines = engines
        self._defaults = defaults
        self._settings = settings
        self._looking = threading.Lock()  # one process at a time looks for people, which takes all cores
        self._lookers = threading.BoundedSemaphore(options.queue_size)  # each that waits holds a thread of the page
        self.store = Store(folder, options.quota)

    def __enter__(self) -> RenderService:
        with ExitStack() as stack:
            hint = "Stop it, or use another --folder"
            lock = self.store.folder / "serve.lock"
            stack.enter_context(
                locks.hold(lock, "another heygem serve uses this folder", hint, subject=self.store.folder, wait=0)
            )
            self._queue = JobQueue(self.store, self._options.queue_size)
            self._renderer = RendererThread(
                self._queue,
                self.store,
                self._engines,
                self._defaults,
                settings=self._settings,
                timeout=self._options.timeout,
            )
            self._closing = threading.Event()
            threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
            self._renderer.start()
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._renderer.close()
        self._queue.save_again()
        self._resources.close()

    def submit(
        self,
        audio: Path,
        face: Path,
        options: Mapping[str, object],
        *,
        audio_name: str,
        face_name: str,
        code: str | None = None,
        copy_to: str | None = None,
    ) -> ServedJob:
        """Take a job; its files are copied.

        Args:
            audio: What is spoken.
            face: The video or picture of the person who speaks.
            options: Options of a job by name, see :mod:`heygem_cli.serve.job_options`.
            audio_name: How the user calls the audio.
            face_name: How the user calls the face video.
            code: What a client calls the job.
            copy_to: Where else the video shall be.

        Raises:
            QueueFullError: Enough jobs wait.
            InputError: A file or an option cannot be used, or a job that has not ended has the code.
            HeygemError: ``quota-full``, ``disk-full``, ``check-crashed`` or ``check-timeout``.
        """
        render_options(self._defaults, options)
        with self._queue.place(code):
            record = new_record(options, audio_name=audio_name, face_name=face_name, code=code, copy_to=copy_to)
            try:
                self.store.add(audio, face, record)
                self._renderer.check(record)
                return self._queue.add(record)
            except BaseException as error:
                self.store.discard(record.id)
                if isinstance(error, HeygemError):
                    error.message, error.hint = (
                        self.store.public_text(text, record) for text in (error.message, error.hint)
                    )
                raise

    def job(self, id: str) -> ServedJob:
        """Return a snapshot of a job.

        Raises:
            UnknownJobError: There is no such job.
        """
        return self._queue.job(id)

    def job_of_code(self, code: str) -> ServedJob:
        """Return a snapshot of the last job with a client's code.

        Raises:
            UnknownJobError: There is none.
        """
        return self._queue.job_of_code(code)

    def jobs(self, most: int | None = None) -> list[ServedJob]:
        """Return snapshots of all jobs, or of so many, newest first."""
        return self._queue.jobs(most)

    def cancel(self, id: str) -> None:
        """Cancel a job that waits or runs; one that has ended stays as it is.

        Raises:
            UnknownJobError: There is no such job.
        """
        if self._queue.cancel(id):
            self._renderer.interrupt(id)

    def remove(self, id: str) -> None:
        """Remove a job that has ended, with its files.

        Raises:
            UnknownJobError: There is no such job.
            NotDoneError: It has not ended.
            OSError: The folder cannot be written.
        """
        self._queue.remove(id)

    def again(self, id: str, options: Mapping[str, object]) -> ServedJob:
        """Take a job with the files of another one.

        Raises:
            UnknownJobError: There is no such job.
            HeygemError: As of :meth:`submit`.
        """
        record = self._queue.record(id)
        folder = self.store.of(id)
        return self.submit(
            folder / record.audio,
            folder / record.face,
            options,
            audio_name=record.audio_name,
            face_name=record.face_name,
        )

    def people(self, face: Path) -> tuple[tuple[ListedPerson, ...], Path]:
        """Find the people in a video or a picture.

        Returns:
            The people, and a picture with a numbered cell for each.

        Raises:
            InputError: ``no-face``, or the file cannot be used.
            HeygemError: ``check-crashed``, ``check-timeout``, or ``queue-full``: too many files wait for this.
        """
        return self._people(face, self._defaults)

    def people_of(self, id: str) -> tuple[tuple[ListedPerson, ...], Path]:
        """Find the people in the face video of a job, as its options count them.

        Returns:
            As :meth:`people`.

        Raises:
            UnknownJobError: There is no such job.
            HeygemError: As of :meth:`people`.
        """
        record = self._queue.record(id)
        return self._people(self.store.of(id) / record.face, render_options(self._defaults, record.options))

    def _people(self, face: Path, options: RenderOptions) -> tuple[tuple[ListedPerson, ...], Path]:
        sheet = self.store.uploads / f"{secrets.token_hex(16)}.jpg"
        arguments = (face, options, self._engines.device, self._settings, sheet)
        if not self._lookers.acquire(blocking=False):
            hint = "Choose the file again in a moment"
            raise HeygemError("queue-full", "too many files wait to be searched for people", hint=hint)
        try:
            with self._looking:
                found = call("heygem_cli.serve.inspection:inspect_people", *arguments, seconds=PEOPLE_SECONDS)
        finally:
            self._lookers.release()
        return found.people, sheet

    @property
    def defaults(self) -> RenderOptions:
        """The options of a job that gives none; they name the engine."""
        return self._defaults

    @property
    def problem(self) -> str:
        """Say why no job can be rendered at the moment; empty if there is no reason."""
        if not self.store.is_writable:
            return self._renderer.problem or "the folder cannot be written"
        return self._renderer.problem or ("the disk is full: jobs wait for room" if self._queue.lacks_room else "")

    def ready(self) -> bool:
        """Return whether jobs can be rendered."""
        return not self.problem

    @property
    def start_failure(self) -> HeygemError | None:
        """Why the engine could not be loaded at the start; None once it was, or while that is not known."""
        return self._renderer.start_failure

    @property
    def statistics(self) -> Statistics:
        """What was counted since the start."""
        return self._renderer.statistics

    def _sweep(self) -> None:
        jobs = SavedAges(self.store.folder / "ages.json", 86400 * self._options.keep_days)
        uploads: Ages[Upload] = Ages()
        while not self._closing.wait(SWEEP_SECONDS):
            self._queue.remove_too_old(jobs)
            self._queue.save_again()
            remove_stale_parts(self.store.uploads)
            self.store.remove_old_uploads(uploads, MAX_UPLOAD_AGE)
