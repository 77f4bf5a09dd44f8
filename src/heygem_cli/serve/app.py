"""The ASGI application of ``heygem serve``: the page, health, metrics and the API."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from heygem_cli import __version__
from heygem_cli.serve.access import read_access
from heygem_cli.serve.api import make_api
from heygem_cli.serve.easy import add_easy
from heygem_cli.serve.guard import Guard
from heygem_cli.serve.metrics import exposition
from heygem_cli.serve.page import mount_page
from heygem_cli.serve.service import RenderService
from heygem_cli.serve_options import ServeOptions


def make_app(service: RenderService, options: ServeOptions) -> Guard:
    """Return the application, behind its guard.

    Args:
        service: The running service.
        options: How to serve.

    Raises:
        InputError: See :func:`heygem_cli.serve.access.read_access`.
    """
    access = read_access(options)
    app = FastAPI(title="heygem", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    add_health(app, service)
    if "jobs" in options.api:
        app.mount("/api/v1", make_api(service))
        app.add_route("/api/v1", lambda _: RedirectResponse("v1/"))  # relative: a proxy may show it below a path
    if "easy" in options.api and options.data is not None:
        add_easy(app, service, options.data)
    mount_page(app, service, options)
    return Guard(app, access, service.store, options.max_upload)


def add_health(app: FastAPI, service: RenderService) -> None:
    """Add what monitors ask."""

    @app.get("/healthz")
    def alive() -> dict[str, str]:
        return {"service": "heygem", "version": __version__, "status": "alive"}

    @app.get("/readyz")
    def ready() -> JSONResponse:
        problem = service.problem
        content = {"service": "heygem", "status": "not ready" if problem else "ready", "reason": problem}
        return JSONResponse(content, 503 if problem else 200)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(exposition(service), media_type=CONTENT_TYPE_LATEST)
