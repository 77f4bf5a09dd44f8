"""Fetch the inputs of a job from object storage, and upload its output."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from heygem_cli.job import RenderJob
from heygem_cli.pipeline import check_outputs
from heygem_cli.remote import fetch_missing, upload


def prepare_remote(job: RenderJob) -> None:
    """Fetch the inputs that are not on this machine, and delete what a killed run made and did not upload.

    Raises:
        HeygemError: An input cannot be fetched.
    """
    for remote in job.remote.inputs:
        fetch_missing(remote)
    if job.remote.output is not None:
        _delete(job.output)


def upload_output(job: RenderJob, result: dict[str, Any]) -> dict[str, Any]:
    """Upload the output if it belongs into a store; return the result with its URL and its version there.

    Raises:
        HeygemError: Another object has its name, or it cannot be uploaded.
    """
    url = job.remote.output
    if url is None:
        return result
    try:
        check_outputs(job)
        return {**result, "output": url, "version": upload(job.output, url)}
    finally:
        _delete(job.output)


def _delete(output: Path) -> None:
    """Delete an output and its folder, which has no other file."""
    output.unlink(missing_ok=True)
    with suppress(OSError):  # it is not there
        output.parent.rmdir()
