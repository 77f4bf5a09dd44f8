"""The options of ``heygem serve``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.options import run_option

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Size(int):
    """A number of bytes, as a person writes it: ``500M``."""

    def __str__(self) -> str:
        unit = next(unit for unit in reversed(UNITS) if not self % UNITS[unit])
        return f"{self // UNITS[unit]}{unit}"


def parse_size(text: str) -> Size:
    """Read a number of bytes: ``500M``, ``2G``.

    Raises:
        InputError: ``bad-size``.
    """
    parts = re.fullmatch(r"(\d{1,12})\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    size = int(parts[1]) * UNITS[parts[2].upper()] if parts else 0
    if not size:
        raise InputError("bad-size", f"the size {text!r} is not understood", hint="Use a size such as 500M or 2G")
    return Size(size)


def parse_api(text: str) -> str:
    """Read ``jobs`` or ``easy``.

    Raises:
        InputError: ``bad-options``.
    """
    if text not in ("jobs", "easy"):
        raise InputError("bad-options", f"--api {text!r} is not understood", hint="Use --api, or --api easy")
    return text


def parse_root_path(text: str) -> str:
    """Read a path, with or without slashes around it; return it with the first one only, and empty for the root.

    Raises:
        InputError: ``bad-options``.
    """
    path = text.strip().strip("/")
    if not re.fullmatch(r"[\w.~/-]*", path, re.ASCII):
        raise InputError("bad-options", f"--root-path {text!r} is not a path", hint="Use a path such as /heygem")
    return f"/{path}" if path else ""


@dataclass(frozen=True)
class ServeOptions:
    """How ``heygem serve`` serves."""

    # No variables: Kubernetes sets HEYGEM_PORT to something else for a service that is called heygem.
    host: str = run_option(
        "127.0.0.1", "The address to listen on; `0.0.0.0` for all needs `--auth`.", metavar="HOST", variable=False
    )
    port: int = run_option(7860, "The port to listen on.", metavar="PORT", minimum=1, maximum=65535, variable=False)
    root_path: str = run_option(
        "",
        "The path under which a proxy shows the page, such as `/heygem`.",
        metavar="PATH",
        default_text="`/`",
        parse=parse_root_path,
    )
    folder: Path | None = run_option(
        None,
        "The folder for uploads, videos, the history and the log.",
        metavar="DIR",
        default_text="`heygem/serve` in the user's data folder",
    )
    queue_size: int = run_option(
        10, "How many jobs may wait or run; more are refused.", metavar="JOBS", minimum=1, maximum=1000
    )
    timeout: float | None = run_option(
        None,
        "Time limit of each job.",
        metavar="SECONDS",
        minimum=1,
        default_text="300 s plus ten times the length of its audio, with HeyGem sixty times",
    )
    max_upload: Size = run_option(
        Size(2 * 10**9), "The most that may be uploaded at once, such as `500M`.", metavar="SIZE", parse=parse_size
    )
    quota: Size = run_option(
        Size(50 * 10**9), "How large the folder may become; more is refused.", metavar="SIZE", parse=parse_size
    )
    keep_days: float = run_option(
        7.0, "Remove a job with its files so many days after its end.", metavar="DAYS", minimum=0
    )
    auth: str | None = run_option(
        None,
        "Who may use it: `user:password`, or a file with one in each line.",
        metavar="USER:PASSWORD|FILE",
    )
    no_auth: bool = run_option(False, "Let everybody who reaches another address than this machine's own use it.")
    allow_host: tuple[str, ...] = run_option(
        (),
        "Without `--auth`: a name of this server that browsers may use, besides `localhost`; may be repeated.",
        metavar="NAME",
        parse=str,
    )
    api: tuple[str, ...] = run_option(
        (),
        "Also open the HTTP API for programs (`--api`), or the one of HeyGem's service (`--api easy`).",
        metavar="[jobs|easy]",
        default_text="closed",
        parse=parse_api,
    )
    token: str | None = run_option(
        None, "What programs send as `Authorization: Bearer`; or a file with it.", metavar="TOKEN|FILE"
    )
    data: Path | None = run_option(
        None,
        "With `--api easy`: the folder that clients name `/code/data`, with their files and the results.",
        metavar="DIR",
    )
