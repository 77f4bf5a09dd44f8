"""The files of a job that its page shows: the video and the preview frame, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from heygem_cli.serve.job import ServedJob, UnknownJobError

if TYPE_CHECKING:
    from heygem_cli.serve.service import RenderService


def file_routes(service: RenderService) -> list[Route]:
    """Return the routes; a path is that of a job whose id is known, never one that a request names."""

    def video(request: Request) -> FileResponse:
        job = _job(service, request)
        kind = "attachment" if "download" in request.query_params else "inline"
        path, name = existing(job.output), job.download_name
        return FileResponse(path, media_type="video/mp4", filename=name, content_disposition_type=kind)

    def preview(request: Request) -> FileResponse:
        path = existing(_job(service, request).preview)
        return FileResponse(path, media_type="image/jpeg", headers={"cache-control": "no-store"})

    return [Route("/page/{id}/video", video), Route("/page/{id}/preview", preview)]


def _job(service: RenderService, request: Request) -> ServedJob:
    try:
        return service.job(request.path_params["id"])
    except UnknownJobError as error:
        raise HTTPException(404, error.message) from error


def existing(path: Path | None) -> Path:
    """Return a path.

    Raises:
        HTTPException: 404: there is no such file, or not any more.
    """
    if path is None or not path.is_file():
        raise HTTPException(404, "there is no such file")
    return path
