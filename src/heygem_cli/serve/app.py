"""The ASGI application of ``heygem serve``: the page, health, metrics and the API."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from heygem_cli import __version__
from heygem_cli.serve.page import mount_page
from heygem_cli.serve.service import RenderService
from heygem_cli.serve_options import ServeOptions


def make_app(service: RenderService, options: ServeOptions) -> FastAPI:
    """Return the application.

    Args:
        service: The running service.
        options: How to serve.
    """
    app = FastAPI(title="heygem", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    add_health(app, service)
    mount_page(app, service, options)
    return app


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
