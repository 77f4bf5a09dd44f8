"""The HTTP API of HeyGem's official service, so that its clients can use this server instead."""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePosixPath
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from heygem_cli.errors import HeygemError, InputError
from heygem_cli.serve.job import QueueFullError, ServedJob, UnknownJobError
from heygem_cli.serve.service import RenderService

ACCEPTED, BUSY, BAD_PARAMETER, UNKNOWN, ERROR = 10000, 10001, 10002, 10004, 9999
STATUS = {"queued": 1, "running": 1, "done": 2, "failed": 3, "canceled": 3}
SHARED = PurePosixPath("/code/data")
"""How clients name the folder that they share with the service."""
_CODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_log = logging.getLogger(__name__)

Answer = dict[str, Any]


def add_easy(app: FastAPI, service: RenderService, data: Path) -> None:
    """Add ``/easy/submit`` and ``/easy/query``.

    Args:
        app: The application.
        service: Renders the tasks.
        data: The folder that clients name ``/code/data``.
    """

    @app.post("/easy/submit")
    async def submit(request: Request) -> Answer:
        try:
            task = await request.json()
            return await run_in_threadpool(_submit, service, data, task)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return _answer(BAD_PARAMETER, "parameters are missing or wrong")

    @app.get("/easy/query")
    def query(code: str = "") -> Answer:
        try:
            return _answer(ACCEPTED, "", _state(service.job_of_code(code), code))
        except UnknownJobError:
            return _answer(UNKNOWN, "there is no such task")


def _submit(service: RenderService, data: Path, task: Answer) -> Answer:
    code = str(task["code"])
    if not _CODE.fullmatch(code):
        return _answer(BAD_PARAMETER, "the code is not a plain name")
    try:
        audio, face = (shared_file(data, str(task[name])) for name in ("audio_url", "video_url"))
        service.submit(
            audio,
            face,
            {"loop": "pingpong" if int(task.get("pn") or 0) else "forward"},
            audio_name=audio.name,
            face_name=face.name,
            code=code,
            copy_to=str(data / "temp" / f"{code}-r.mp4"),
        )
    except QueueFullError as error:
        return _answer(BUSY, error.message)
    except InputError as error:
        return _answer(BAD_PARAMETER, str(error))
    except HeygemError as error:
        _log.error("a task was refused: %s", error)
        return _answer(ERROR, str(error))
    return _answer(ACCEPTED, "the task was accepted")


def shared_file(data: Path, name: str) -> Path:
    """Return the file of the shared folder that a client names, with or without ``/code/data``.

    Raises:
        InputError: ``bad-path``: there is none, or it lies elsewhere.
    """
    path = PurePosixPath(name)
    relative = path.relative_to(SHARED) if path.is_relative_to(SHARED) else path
    try:
        found = (data / relative).resolve(strict=True)
        if found.is_relative_to(data.resolve()) and found.is_file():
            return found
    except (OSError, ValueError, RuntimeError):
        pass
    hint = f"Give a path below {SHARED}"
    raise InputError("bad-path", f"there is no file {name[:200]!r} in the shared folder", hint=hint)


def _state(job: ServedJob, code: str) -> Answer:
    done = job.phase == "done"
    message = job.error["message"] if job.error else "canceled" if job.phase == "canceled" else ""
    return {
        "code": code,
        "status": STATUS[job.phase],
        "progress": job.percent,
        "result": f"/{code}-r.mp4" if done else "",
        "msg": message,
    }


def _answer(code: int, message: str, data: Answer | None = None) -> Answer:
    return {"code": code, "success": code in (ACCEPTED, BUSY, UNKNOWN), "msg": message, "data": data or {}}
