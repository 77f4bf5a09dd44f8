"""The heygem engine: one job after another through an existing installation, none of which can block the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from heygem_cli.errors import HeygemError, InputError, LockedError
from heygem_cli.files import work_folder
from heygem_cli.heygem.installation.tree import processes
from heygem_cli.heygem.local.locate import find_installation
from heygem_cli.heygem.local.session import Session
from heygem_cli.heygem.result import build_result, check_result
from heygem_cli.heygem.staging import StagedInputs, stage_inputs
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.media.types import VideoInfo
from heygem_cli.media.write import mux_audio
from heygem_cli.options import HeygemSettings

ENDED_WITHIN = 3.0
"""Seconds in which the worker of a run that was killed has ended, with all that it started."""
OURS = re.compile(r"heygem[0-9a-f]{12}[-_.].*")
"""Files that HeyGem names by our codes."""
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
FRAME = re.compile(r"\d+\.png")
"""What HeyGem names the frames of a job that plays its video forwards and backwards."""


class HeygemEngine:
    """Drives an installation, see :class:`heygem_cli.engines.Engine`.

    Args:
        settings: where it is and how to treat it.
        environment: of this process.

    Raises:
        InputError: what was named is not there, or not enough was named.
        NotCapableError: it does not work here: ``wrong-python``, ``cuda-missing``, ``model-missing``, …
        LockedError: another heygem uses it, or HeyGem itself runs in it.
        HeygemError: its worker did not start.
    """

    name = "heygem"

    def __init__(self, settings: HeygemSettings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._installation = find_installation(settings, environment)
        self._session: Session | None = None
        self._lock = _lock(self._installation.home)
        try:
            _check_alone(self._installation.home)
            self._remove_traces(time.time())
            # Python and ONNX Runtime are checked before the first job, so that not every row of a batch fails by them.
            self._started().check(lambda: None)
        except BaseException:
            self.close()
            raise

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render one job."""
        clock = Clock()
        began = time.time()
        try:
            session = self._started()  # it loads while the inputs are staged
            with work_folder(plain_folder()) as folder:
                with clock.stage("prepare"):
                    staged = stage_inputs(
                        inputs, folder, loop=job.options.loop, tick=lambda: on_progress(Progress("prepare", 0, None))
                    )
                with self._lent(session):
                    with clock.stage("start"):
                        session.ready(lambda: on_progress(Progress("start", time.time() - began, None)))
                    with clock.stage("render"):
                        made = self._drawn(session, job, staged, on_progress)
                        on_progress(Progress("render", made.frames, made.frames))
                        mux_audio(made, inputs.audio, job.output, seconds=staged.seconds, overwrite=job.overwrite)
        finally:
            self._remove_traces(began)
        return build_result(job, made, staged, clock.seconds, engine=self.name, provider=session.provider)

    def close(self) -> None:
        """End the worker, and let others use the installation."""
        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _started(self) -> Session:
        if self._session is not None and not self._session.usable():
            self._end_session()
        if self._session is None:
            self._session = Session(self._installation, self._settings, self._environment, self._lock)
        return self._session

    @contextlib.contextmanager
    def _lent(self, session: Session) -> Iterator[None]:
        """Lend the worker to a job, and replace it when anything went wrong: stale answers would poison the next."""
        try:
            yield
        except BaseException:
            self._end_session()
            raise
        if session.jobs >= self._settings.recycle_after:
            self._end_session()

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _drawn(
        self, session: Session, job: RenderJob, staged: StagedInputs, on_progress: ProgressCallback
    ) -> VideoInfo:
        """Let HeyGem draw the pictures; give what was made, checked."""

        def tick() -> None:
            frames, total = session.progress
            # All frames are done when the video is finished and checked.
            on_progress(Progress("render", frames if total is None else min(frames, total - 1), total))

        code = f"heygem{secrets.token_hex(6)}"
        message = {"audio": str(staged.audio), "video": str(staged.video), "pn": int(job.options.loop != "forward")}
        status = session.render(code, message, job.face, tick)
        try:
            return check_result(self._result(code, status), staged, job.face, tick)
        except HeygemError as error:
            if error.code != "false-success":
                raise
            raise session.explained(error) from error

    def _result(self, code: str, status: object) -> Path:
        """Where the result is: where HeyGem says, if that is a file, or where it always is."""
        if isinstance(status, list) and status[2:] and isinstance(status[2], str):
            named = self._installation.home / status[2]
            if named.is_file():
                return named
        return self._installation.results / f"{code}-r.mp4"

    def _remove_traces(self, since: float) -> None:
        """Remove what HeyGem has left of our jobs; the lock says that none of them is alive."""
        for folder in {self._installation.results, self._installation.temporary}:
            with contextlib.suppress(OSError):  # it is HeyGem's own, and need not exist
                for path in folder.iterdir():
                    frame = FRAME.fullmatch(path.name) and path.stat().st_mtime >= since - 1
                    if path.is_file() and (frame or OURS.fullmatch(path.name)):
                        path.unlink(missing_ok=True)


def plain_folder() -> Path:
    """The folder for temporary files if its name is plain, else another one: HeyGem puts names into shell commands.

    Raises:
        InputError: there is none.
    """
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108
        if PLAIN.fullmatch(folder) and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    message = "a folder for temporary files needs a name of plain ASCII letters, and to be writable"
    raise InputError("no-plain-folder", message, hint="Name one with TMPDIR", path=tempfile.gettempdir())


def _lock(home: Path) -> int:
    """Lock an installation: side by side two workers would take each other's frames.

    Raises:
        LockedError: another run has it.
    """
    lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end = time.monotonic() + ENDED_WITHIN
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(lock)
                hint = "Wait for its end, or stop it: two at once take each other's frames"
                raise LockedError("locked", "another heygem uses this installation", hint=hint, path=home) from None
        except OSError:
            return lock  # a file system without locks
        else:
            return lock
        time.sleep(0.1)


def _check_alone(home: Path) -> None:
    """Make sure that HeyGem does not run by itself: all its jobs write their frames under the same names.

    Raises:
        LockedError: it does.
    """
    end = time.monotonic() + ENDED_WITHIN
    while running := processes(home, Path("/proc")):
        if time.monotonic() > end:
            message = f"HeyGem itself runs in it (process {running[0].pid}: {running[0].command[:80]})"
            hint = "Stop it: two at once take each other's frames; or ask its service with --engine heygem-http"
            raise LockedError("in-use", message, hint=hint, path=home)
        time.sleep(0.1)
