"""The engine ``heygem``: renders jobs with an existing installation; a job that fails cannot block the next one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, LockedError
from heygem_cli.files import temporary_folder, work_folder
from heygem_cli.heygem.installation.files import is_file, is_folder, matches
from heygem_cli.heygem.installation.tree import processes
from heygem_cli.heygem.local.locate import find_installation
from heygem_cli.heygem.local.session import Session
from heygem_cli.heygem.result import build_result, check_result, write_output
from heygem_cli.heygem.staging import FRAME_FILE, StagedInputs, stage_inputs
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.locks import FolderLock
from heygem_cli.media.types import VideoInfo
from heygem_cli.options import EngineOptions

EXIT_TIMEOUT = 3.0
"""Seconds until the worker of a killed run, and all its processes, must have exited."""
JOB_FILE = re.compile(r"heygem[0-9a-f]{12}[-_.].*")
SAFE_PATH = re.compile(r"[A-Za-z0-9/._-]+")


class HeygemEngine:
    """Renders with an installation, see :class:`heygem_cli.engines.Engine`.

    Args:
        settings: How to find and to run the installation.
        environment: The environment of this process.

    Raises:
        InputError: Something that was named does not exist, or not enough was named.
        NotCapableError: HeyGem does not work here: ``wrong-python``, ``cuda-missing``, ``model-missing``, …
        LockedError: Another heygem, or HeyGem itself, uses the installation.
        HeygemError: The worker did not start.
    """

    name = "heygem"

    def __init__(self, settings: EngineOptions, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._installation = find_installation(settings, environment)
        self._session: Session | None = None
        self._lock = _lock(self._installation.home)
        try:
            _check_not_running(self._installation.home)
            self._remove_leftovers(time.time())
            # A wrong Python or ONNX Runtime is found before the first job: otherwise every row of a batch would fail.
            self._usable_session().wait_until_checked(lambda: None)
        except BaseException:
            self.close()
            raise

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render a job, see :class:`heygem_cli.engines.Engine`."""
        clock, began = Clock(), time.monotonic()
        start = time.time()
        try:
            session = self._usable_session()  # it loads while the inputs are staged
            with work_folder(safe_temp_folder()) as folder:
                with clock.stage("prepare"):
                    staged = stage_inputs(
                        inputs, folder, loop=job.options.loop, tick=lambda: on_progress(Progress("prepare", 0, None))
                    )
                with self._recycling(session):
                    with clock.stage("start"):
                        session.wait_until_loaded(
                            lambda: on_progress(Progress("start", time.monotonic() - began, None))
                        )
                    with clock.stage("render"):
                        video = self._render_video(session, job, staged, on_progress)
                        on_progress(Progress("render", video.frames, video.frames))
                        write_output(job, inputs, staged, video)
        finally:
            self._remove_leftovers(start)
        return build_result(job, video, staged, clock.seconds, engine=self.name, provider=session.provider)

    def close(self) -> None:
        """Stop the worker and unlock the installation."""
        try:
            self._close_session()
        finally:
            self._lock.release()

    def _usable_session(self) -> Session:
        if self._session is not None and not self._session.is_usable():
            self._close_session()
        if self._session is None:
            self._session = Session(self._installation, self._settings, self._environment, self._lock.descriptor)
        return self._session

    @contextlib.contextmanager
    def _recycling(self, session: Session) -> Iterator[None]:
        """Close the session after any error, since stale answers would break the next job, and after enough jobs."""
        try:
            yield
        except BaseException:
            self._close_session()
            raise
        if session.jobs >= self._settings.recycle_after:
            self._close_session()

    def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _render_video(
        self, session: Session, job: RenderJob, staged: StagedInputs, on_progress: ProgressCallback
    ) -> VideoInfo:
        """Let HeyGem render the video, and check it."""

        def tick() -> None:
            # The last frame counts when the video is finished and checked.
            total = session.total or staged.frames
            on_progress(Progress("render", min(session.frames, total - 1), total, session.stage))

        code = f"heygem{secrets.token_hex(6)}"
        # With pn=1 HeyGem writes every frame as a PNG file, even where the video is long enough.
        pn = int(job.options.loop != "forward" and staged.needs_looping)
        message = {"audio": str(staged.audio), "video": str(staged.video), "pn": pn}
        status = session.render(code, message, job.face, tick)
        try:
            return check_result(self._result_path(code, status), staged, job.face, tick)
        except HeygemError as error:
            if error.code != "false-success":
                raise
            raise session.explain(error) from error

    def _result_path(self, code: str, status: object) -> Path:
        """Return the path that HeyGem's status names if that is a file, else the usual one."""
        if isinstance(status, list) and status[2:] and isinstance(status[2], str):
            named = self._installation.home / status[2]
            if is_file(named):
                return named
        return self._installation.results / f"{code}-r.mp4"

    def _remove_leftovers(self, since: float) -> None:
        """Remove the files of our jobs; the lock guarantees that none of them is running."""
        for folder in {self._installation.results, self._installation.temporary}:
            for path in matches(folder, "*"):  # none if HeyGem has not created it yet
                with contextlib.suppress(OSError):
                    new_frame = FRAME_FILE.fullmatch(path.name) and path.lstat().st_mtime >= since - 1
                    if not is_folder(path) and (new_frame or JOB_FILE.fullmatch(path.name)):
                        path.unlink(missing_ok=True)


def safe_temp_folder() -> Path:
    """Return a writable folder for temporary files whose path is safe in HeyGem's unquoted shell commands.

    Raises:
        InputError: ``no-plain-folder``.
    """
    for folder in (str(temporary_folder()), "/tmp", "/var/tmp"):  # noqa: S108
        if SAFE_PATH.fullmatch(folder) and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    message = "the folder for temporary files must be writable and have a path of plain ASCII letters"
    raise InputError("no-plain-folder", message, hint="Set TMPDIR to another one", path=temporary_folder())


def _lock(home: Path) -> FolderLock:
    """Lock an installation, in which two workers would take each other's frames."""
    lock = FolderLock(home)
    end = time.monotonic() + EXIT_TIMEOUT
    while not lock.try_acquire():
        if time.monotonic() > end:
            holder = lock.holder()
            lock.release()
            message = "another heygem uses this installation"
            hint = "Wait until it ends, or stop it: two at once would take each other's frames"
            raise LockedError("locked", message, hint=hint, path=home).held_by(holder)
        time.sleep(0.1)
    return lock


def _check_not_running(home: Path) -> None:
    """Check that HeyGem itself does not run in the installation: it uses the same names for frames."""
    end = time.monotonic() + EXIT_TIMEOUT
    while running := processes(home, Path("/proc")):
        if time.monotonic() > end:
            message = f"HeyGem itself is running (process {running[0].pid}: {running[0].command[:80]})"
            hint = "Stop it, since two at once would take each other's frames; or use --engine heygem-http"
            raise LockedError("in-use", message, hint=hint, path=home)
        time.sleep(0.1)
