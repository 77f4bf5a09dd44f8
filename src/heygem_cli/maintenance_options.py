"""The options of the commands that look after an installation of HeyGem: doctor, fix-config and restart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heygem_cli.errors import InputError
from heygem_cli.options import run_option


def parse_requirement(text: str) -> str:
    """Read ``gpu`` or ``service``.

    Raises:
        InputError: ``bad-options``.
    """
    if text not in ("gpu", "service"):
        raise InputError("bad-options", f"--require {text!r} is not understood", hint="Use gpu or service")
    return text


@dataclass(frozen=True)
class ContainerOptions:
    """In which container HeyGem is."""

    container: str | None = run_option(
        None,
        "A running container of Docker or Podman to look into; other paths are then those inside it.",
        metavar="NAME",
    )


@dataclass(frozen=True)
class DoctorOptions:
    """What ``heygem doctor`` checks, and how it reports."""

    compose: Path | None = run_option(
        None, "A compose file to check.", metavar="FILE", default_text="the installation's own", variable=False
    )
    url: str | None = run_option(
        None,
        "HeyGem's web page (`http://127.0.0.1:7860`), its official service (`http://127.0.0.1:8383`), or that of "
        "`heygem serve`.",
        metavar="URL",
    )
    log: tuple[Path, ...] = run_option(
        (),
        "HeyGem's log, such as `/tmp/gradio.log`, or `-` for standard input (`docker logs`); may be repeated.",
        metavar="FILE",
        default_text="the one of config.ini",
        parse=Path,
        variable=False,
    )
    output: Path | None = run_option(
        None,
        "Where outputs go, for the check of the disk.",
        metavar="DIR",
        default_text="the current folder",
        variable=False,
    )
    only: tuple[str, ...] = run_option(
        (), "Run these checks or groups only; may be repeated, or use commas.", metavar="ID", variable=False
    )
    skip: tuple[str, ...] = run_option(
        (), "Leave out these checks or groups; may be repeated, or use commas.", metavar="ID", variable=False
    )
    require: tuple[str, ...] = run_option(
        (),
        "Fail if the GPU is missing or unusable (`gpu`), or if HeyGem is down (`service`); may be repeated.",
        metavar="gpu|service",
        parse=parse_requirement,
        variable=False,
    )
    deep: bool = run_option(False, "Also import torch, and render one second.", variable=False)
    watch: float | None = run_option(
        None,
        "Check again after so many seconds, until Ctrl-C, and print what has changed.",
        metavar="SECONDS",
        minimum=1,
        variable=False,
    )
    prometheus: Path | None = run_option(
        None, "Also write metrics for node-exporter's textfile collector, `*.prom`.", metavar="FILE", variable=False
    )
    strict: bool = run_option(False, "Exit 1 for warnings, too.", variable=False)
    as_list: bool = run_option(False, "Name all checks and run none.", flags=("--list",), variable=False)
    as_report: bool = run_option(
        False, "Print text for a bug report; names and tokens are hidden.", flags=("--report",), variable=False
    )


@dataclass(frozen=True)
class RepairOptions:
    """What ``heygem fix-config`` writes."""

    dry_run: bool = run_option(False, "Show what would change and write nothing.", variable=False)
    check: bool = run_option(False, "Write nothing; exit 1 if something would change.", variable=False)
    yes: bool = run_option(
        False, "Write without asking; needed where there is no terminal.", flags=("-y", "--yes"), variable=False
    )
    app: bool = run_option(False, "Edit app.py, too, instead of only showing how.", variable=False)
    compose: Path | None = run_option(None, "Add `shm_size: 2g` to this compose file.", metavar="FILE", variable=False)


@dataclass(frozen=True)
class RestartOptions:
    """How ``heygem restart`` works."""

    url: str | None = run_option(
        None,
        "The address that has to answer after the restart.",
        metavar="URL",
        default_text="the one on which it listens now",
        variable=False,
    )
    wait: float = run_option(
        300.0, "How long it may take until it answers.", metavar="SECONDS", minimum=1, variable=False
    )
    dry_run: bool = run_option(False, "Show the commands and run none.", variable=False)
    yes: bool = run_option(
        False, "Restart without asking; needed where there is no terminal.", flags=("-y", "--yes"), variable=False
    )
