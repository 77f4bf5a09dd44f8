"""The HTTP API of ``heygem serve`` for programs, below ``/api/v1``."""

from __future__ import annotations

import asyncio
import errno
import html
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from heygem_cli import __version__
from heygem_cli.errors import HeygemError, InputError
from heygem_cli.serve.guard import problem
from heygem_cli.serve.job import NotDoneError, QueueFullError, ServedJob, UnknownJobError
from heygem_cli.serve.job_options import JOB_OPTIONS
from heygem_cli.serve.page_files import existing
from heygem_cli.serve.service import RenderService

EVENT_SECONDS = 0.5
"""Seconds between two looks at a job whose events are sent."""
SILENT_SECONDS = 15.0
"""Seconds after which an empty event keeps the connection open."""
STATUS: Mapping[str, int] = {"quota-full": 507, "disk-full": 507, "too-large": 413}
_log = logging.getLogger(__name__)
_FILE = {"type": "string", "format": "binary"}


def make_api(service: RenderService) -> FastAPI:
    """Return the application of the API."""
    api = FastAPI(
        title="heygem serve",
        version=__version__,
        description="Videos of people who speak, rendered one after another.",
        docs_url=None,  # they load scripts from another server
        redoc_url=None,
    )
    api.add_exception_handler(HeygemError, report)
    api.add_exception_handler(OSError, report)
    api.add_exception_handler(HTTPException, _report_http)
    _add_jobs(api, service)
    _add_job(api, service)
    _add_files(api, service)

    @api.get("/", include_in_schema=False)
    def overview() -> HTMLResponse:
        return HTMLResponse(_overview(api))

    return api


def _add_jobs(api: FastAPI, service: RenderService) -> None:
    @api.post("/jobs", status_code=202, openapi_extra={"requestBody": _body(files=True)})
    async def submit(request: Request) -> JSONResponse:
        """Submit a job: the files audio and face, and options of heygem render by their names."""
        async with request.form(max_files=2, max_fields=len(JOB_OPTIONS)) as form:
            files = {name: value for name, value in form.items() if isinstance(value, UploadFile)}
            options = {name: value for name, value in form.items() if name not in files}
            job = await run_in_threadpool(_submit, service, files, options)
        return JSONResponse(job_to_dict(job), 202, {"Location": f"{request.url.path}/{job.id}"})

    @api.get("/jobs")
    def jobs() -> dict[str, object]:
        """List all jobs, the newest first."""
        return {"jobs": [job_to_dict(job) for job in service.jobs()]}


def _add_job(api: FastAPI, service: RenderService) -> None:
    @api.get("/jobs/{id}")
    def job(id: str) -> dict[str, object]:
        """Return a job."""
        return job_to_dict(service.job(id))

    @api.get("/jobs/{id}/events", response_class=StreamingResponse)
    async def events(id: str) -> StreamingResponse:
        """Send the job whenever it changes, as server-sent events, until it ends."""
        first = await run_in_threadpool(service.job, id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(service, first), media_type="text/event-stream", headers=headers)

    @api.post("/jobs/{id}/cancel")
    def cancel(id: str) -> dict[str, object]:
        """Cancel a job that waits or runs."""
        service.cancel(id)
        return job_to_dict(service.job(id))

    @api.post("/jobs/{id}/again", status_code=202, openapi_extra={"requestBody": _body(files=False)})
    async def again(id: str, request: Request) -> JSONResponse:
        """Submit a job with the files of this one."""
        async with request.form(max_files=0, max_fields=len(JOB_OPTIONS)) as form:
            job = await run_in_threadpool(service.again, id, dict(form.items()))
        return JSONResponse(job_to_dict(job), 202)

    @api.delete("/jobs/{id}", status_code=204)
    def delete(id: str) -> None:
        """Remove a job that has ended, with its files."""
        service.remove(id)


def _add_files(api: FastAPI, service: RenderService) -> None:
    @api.get("/jobs/{id}/result", response_class=FileResponse)
    def result(id: str) -> FileResponse:
        """Return the video of a job that is done."""
        job = service.job(id)
        if job.output is None:
            raise NotDoneError(job.phase)
        return FileResponse(existing(job.output), media_type="video/mp4", filename=job.download_name)

    @api.get("/jobs/{id}/preview", response_class=FileResponse)
    def preview(id: str) -> FileResponse:
        """Return a picture of a frame that was just drawn."""
        job = service.job(id)
        if job.preview is None:
            raise NotDoneError(job.phase)
        return FileResponse(existing(job.preview), media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _submit(service: RenderService, files: Mapping[str, UploadFile], options: Mapping[str, object]) -> ServedJob:
    for name in ("audio", "face"):
        if name not in files:
            hint = "Send the files audio and face as multipart/form-data"
            raise InputError("missing-argument", f"the file {name} is missing", hint=hint)
    # Past the buffer, and into a file that has no name: only through its descriptor can it be copied.
    paths = {name: Path(f"/proc/self/fd/{each.file.fileno()}") for name, each in files.items()}
    for each in files.values():
        each.file.flush()
    names = {name: (each.filename or name)[-255:] for name, each in files.items()}
    return service.submit(paths["audio"], paths["face"], options, audio_name=names["audio"], face_name=names["face"])


async def _events(service: RenderService, job: ServedJob) -> AsyncIterator[str]:
    last, silent = "", 0.0
    while True:
        text = json.dumps(job_to_dict(job), ensure_ascii=False)
        if text != last:
            last, silent = text, 0.0
            yield f"event: job\ndata: {text}\n\n"
        elif silent >= SILENT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"
        if job.has_ended:
            return
        await asyncio.sleep(EVENT_SECONDS)
        silent += EVENT_SECONDS
        try:
            job = await run_in_threadpool(service.job, job.id)
        except UnknownJobError:  # it was removed
            return


def job_to_dict(job: ServedJob) -> dict[str, object]:
    """Return what the API tells of a job."""
    content = {name: value for name, value in asdict(job).items() if name not in ("preview", "output")}
    return {**content, "percent": job.percent, "has_preview": job.preview is not None}


def report(_request: Request, caught: Exception) -> JSONResponse:
    """Return the answer to a request that failed with a :class:`HeygemError` or an :class:`OSError`."""
    if isinstance(caught, OSError):
        _log.error("a request failed: %s", caught)
        if caught.errno in (errno.ENOSPC, errno.EDQUOT):
            return problem(507, "disk-full", "the disk of the server is full", "Delete old jobs, or tell who runs it")
        message = f"the server cannot use its folder ({caught.strerror})"
        return problem(500, "system-error", message, "Tell who runs the server")
    error = caught
    assert isinstance(error, HeygemError)  # noqa: S101 - the handler of these two kinds
    if isinstance(error, UnknownJobError):
        status = 404
    elif isinstance(error, QueueFullError):
        status = 429
    elif isinstance(error, NotDoneError):
        status = 409
    else:
        status = STATUS.get(error.code, 400 if isinstance(error, InputError) else 500)
    return problem(status, error.code, error.message, error.hint)


def _report_http(_request: Request, caught: Exception) -> JSONResponse:
    assert isinstance(caught, HTTPException)  # noqa: S101 - the handler of this kind
    return problem(caught.status_code, "http-error", str(caught.detail))


def _body(*, files: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"audio": _FILE, "face": _FILE} if files else {}
    for name, each in JOB_OPTIONS.items():
        default = "" if each.default is None else str(each.default)
        properties[name] = {"type": "string", "description": each.facts.help, "default": default}
    schema = {"type": "object", "properties": properties, "required": ["audio", "face"] if files else []}
    return {"content": {"multipart/form-data": {"schema": schema}}, "required": files}


def _overview(api: FastAPI) -> str:
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td>/api/v1{html.escape(path)}</td>"
        f"<td>{html.escape(str(operation.get('description', '')))}</td></tr>"
        for path, operations in api.openapi()["paths"].items()
        for method, operation in operations.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>heygem serve: API</title>'
        "<style>body{font-family:sans-serif;margin:2em auto;max-width:60em;padding:0 1em}td{padding:.3em 1em .3em 0;"
        "vertical-align:top}</style><h1>heygem serve: API</h1>"
        f'<table>{rows}</table><p><a href="openapi.json">openapi.json</a></p></html>'
    )
