"""The engine ``heygem-http``."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from heygem_cli.errors import HeygemError, NotCapableError, StoppedError
from heygem_cli.files import IN_USE, PREFIX, work_folder
from heygem_cli.folder_map import FolderMap
from heygem_cli.heygem.result import build_result, check_result, write_output
from heygem_cli.heygem.service.client import Client, checked_url, public_url
from heygem_cli.heygem.service.log import ServiceLog
from heygem_cli.heygem.service.maps import TEMP, map_problems, temp_folders
from heygem_cli.heygem.service.task import Task, TaskWatcher, submit, time_limit
from heygem_cli.heygem.service.waiting import call
from heygem_cli.heygem.staging import FRAME_FILE, StagedInputs, stage_inputs
from heygem_cli.job import Clock, Inputs, Progress, ProgressCallback, RenderJob, RenderResult
from heygem_cli.options import HEYGEM_PACE, EngineOptions

CODE_PREFIX = "heygem"
"""Task codes are this prefix and the random part of the work folder's name."""
TASK_FILE = re.compile(rf"{CODE_PREFIX}([0-9a-f]{{12}})[-_.]")
STALE_AFTER = 3600.0
"""Seconds: a run that mounts the folder elsewhere may still need newer files."""
MAX_KEPT = 7 * 86400.0
"""Seconds after which the inputs of a job are removed, although its service does not answer."""
STAGES = ((10, "preparing files"), (20, "analysing the audio"), (90, "drawing"), (math.inf, "encoding"))
"""What the service does below a progress in percent."""
PROBE_CODE = "heygem-doctor"
"""The code of a task that does not exist: querying it has no effect on the service."""


def service_problems(settings: EngineOptions) -> list[HeygemError]:
    """Return what prevents the service from being used."""
    problems = map_problems(settings.maps)
    try:
        checked_url(settings.url)
        Client(settings.url).query(PROBE_CODE)
    except StoppedError:
        raise
    except HeygemError as error:
        if error.exit_code == HeygemError.exit_code:
            error = NotCapableError(error.code, error.message, hint=error.hint)
        problems.append(error)
    return problems


class ServiceEngine:
    """Renders with the official service, see :class:`heygem_cli.engines.Engine`.

    Raises:
        InputError: ``no-map``, ``bad-map``, ``bad-url``.
        NotCapableError: The service does not answer like HeyGem's.
    """

    name = "heygem-http"

    def __init__(self, settings: EngineOptions) -> None:
        for problem in service_problems(settings):
            raise problem
        self._client = Client(settings.url)
        self._settings = settings
        self._log = ServiceLog(settings.maps)
        self._rates: deque[float] = deque(maxlen=5)

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback) -> RenderResult:
        """Render a job, see :class:`heygem_cli.engines.Engine`."""
        clock = Clock()
        maps = self._settings.maps
        shared = maps[0]
        _remove_stale_files(maps)

        def tick() -> None:
            on_progress(Progress("prepare", 0, None))

        with work_folder(shared.host, lambda folder: call(lambda: self._is_running(folder), tick)) as folder:
            with clock.stage("prepare"):
                staged = stage_inputs(inputs, folder, loop=job.options.loop, tick=tick)
            for path in (staged.audio, staged.video):
                path.chmod(0o644)  # the container may run as any user
            task = Task(
                code=task_code(folder),
                audio=str(shared.to_container(staged.audio)),
                video=str(shared.to_container(staged.video)),
                # With pn=1 HeyGem writes every frame as a PNG file, even where the video is long enough.
                pingpong=job.options.loop != "forward" and staged.needs_looping,
                face=job.face,
                marker=folder / IN_USE,
            )
            with _removing_files(task, maps):
                with clock.stage("start"):
                    self._submit(task, staged, on_progress)
                with clock.stage("render"):
                    result = self._wait(task, staged, on_progress)
                    _remove_frames(result, maps)
                    video = check_result(result, staged, job.face, lambda: on_progress(self._progress(staged, 99)))
                    on_progress(Progress("render", staged.frames, staged.frames))
                    write_output(job, inputs, staged, video)
        return build_result(job, video, staged, clock.seconds, engine=self.name)

    def close(self) -> None:
        """Close the log; the service keeps running."""
        self._log.close()

    def _submit(self, task: Task, staged: StagedInputs, on_progress: ProgressCallback) -> None:
        start = time.monotonic()
        timeout = 300 + HEYGEM_PACE * staged.seconds  # the default of a batch

        def report(detail: str) -> None:
            on_progress(Progress("start", time.monotonic() - start, None, detail))

        self._log.new_job()
        self._log.wait_until_ready(self._settings.stall_timeout, lambda: report("HeyGem loads its models"))
        submit(self._client, task, timeout, lambda: report("HeyGem is busy"))

    def _wait(self, task: Task, staged: StagedInputs, on_progress: ProgressCallback) -> Path:
        start = time.monotonic()
        limit = time_limit(staged.frames, self._rates, self._settings.stall_timeout)

        def report(percent: float) -> None:
            on_progress(self._progress(staged, min(99, percent)))

        watcher = TaskWatcher(self._client, task, self._settings, log=self._log, limit=limit, report=report)
        result = watcher.wait()
        self._rates.append(staged.frames / (time.monotonic() - start))
        return result

    def _progress(self, staged: StagedInputs, percent: float) -> Progress:
        """Convert the service's progress to frames; the last one counts only when the result has been checked.

        While HeyGem draws, the service stands at 20 %, and only its log tells how far it is.
        """
        total, state = staged.frames, self._log.state
        done = min(total - 1.0, max(total * (percent - 20) / 80, state.frames, 0.0))
        stage = next(stage for end, stage in STAGES if percent < end)
        return Progress("render", done, total, state.description or stage)

    def _is_running(self, folder: Path) -> bool:
        """Return whether the service may still work on the task whose inputs a run has left; else remove its files."""
        try:
            url = (folder / IN_USE).read_text().strip()
            client = self._client if url == public_url(self._client.url) else Client(checked_url(url))
            state = client.query(task_code(folder))
        except (HeygemError, OSError, ValueError):
            return time.time() - folder.stat().st_mtime < MAX_KEPT
        if state is not None and state.status == "running":
            return True
        _remove_files(task_code(folder), self._settings.maps)
        return False


def task_code(folder: Path) -> str:
    """Return the code of the task whose inputs are in a work folder."""
    return f"{CODE_PREFIX}{folder.name.rpartition('-')[2]}"


@contextlib.contextmanager
def _removing_files(task: Task, maps: Sequence[FolderMap]) -> Iterator[None]:
    """Remove the files of a task, whose names begin with its code, when the block ends, unless it may still run."""
    try:
        yield
    finally:
        if not task.marker.exists():
            _remove_files(task.code, maps)


def _remove_files(code: str, maps: Sequence[FolderMap]) -> None:
    for folder in temp_folders(maps):
        for path in folder.glob(f"{code}*"):
            with contextlib.suppress(OSError):  # owned by the container's user: `heygem doctor` reports it
                path.unlink()


def _remove_frames(result: Path, maps: Sequence[FolderMap]) -> None:
    """Remove the frames that HeyGem has left in its temporary folder, unless a job of another run may use them.

    The service does one job after another: what is older than a result belongs to no job that still runs.
    """
    folder = result.parent
    is_temporary = folder in {each.to_host(TEMP) for each in maps}
    others = [path for each in maps for path in each.host.glob(f"{PREFIX}*/{IN_USE}")]
    if is_temporary and not others:
        end = result.stat().st_mtime
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # owned by the container's user
                if FRAME_FILE.fullmatch(path.name) and path.stat().st_mtime <= end:
                    path.unlink()


def _remove_stale_files(maps: Sequence[FolderMap]) -> None:
    """Remove the files of tasks that killed or timed-out runs left."""
    for folder in temp_folders(maps):
        for path in folder.glob(f"{CODE_PREFIX}*"):
            code = TASK_FILE.match(path.name)
            in_use = code and any(any(each.host.glob(f"{PREFIX}*-{code[1]}")) for each in maps)
            with contextlib.suppress(OSError):  # removed meanwhile, or owned by the container's user
                if code and not in_use and time.time() - path.stat().st_mtime > STALE_AFTER:
                    path.unlink()
