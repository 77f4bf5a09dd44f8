"""The options of a batch on a Ray cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass

from heygem_cli.errors import InputError
from heygem_cli.options import run_option

ADDRESS = re.compile(r"auto|local|[^\s:/]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}")


def parse_ray_address(text: str) -> str:
    """Read ``auto``, ``local`` or ``HOST:PORT``.

    Raises:
        InputError: ``bad-ray-address``.
    """
    if text.startswith("ray://"):
        hint = "Use HOST:PORT, or submit the command itself to the cluster: ray job submit -- heygem batch …"
        raise InputError("bad-ray-address", f"--ray {text}: a remote client cannot run a batch", hint=hint)
    if not ADDRESS.fullmatch(text):
        hint = "Use auto, local or HOST:PORT, as `ray start --head` prints it"
        raise InputError("bad-ray-address", f"--ray {text}: this is not the address of a Ray cluster", hint=hint)
    return text


@dataclass(frozen=True)
class ClusterOptions:
    """Where the jobs of a batch run, if not in this process."""

    ray: str | None = run_option(
        None,
        "Render on a Ray cluster: `HOST:PORT`; `auto`, also without a value, for the one that this machine belongs to; "
        "`local` for one on this machine that ends with the run.",
        metavar="[ADDRESS|auto|local]",
        parse=parse_ray_address,
    )
    ray_workers: int | None = run_option(
        None,
        "How many workers there may be in all.",
        metavar="N",
        minimum=1,
        default_text="as many as the cluster has room for, now and later",
    )
    ray_cpus: float = run_option(
        1.0,
        "CPUs that Ray reserves for each worker, which also has so many threads unless `--threads` is given.",
        metavar="CPUS",
        minimum=0.01,
    )
    ray_gpus: float | None = run_option(
        None,
        "GPUs that Ray reserves for each worker, such as 0.5.",
        metavar="GPUS",
        minimum=0,
        default_text="1 with `--device cuda`, else none",
    )
