"""A share of a manifest for each of several machines, found without asking the others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from heygem_cli.errors import InputError


@dataclass(frozen=True)
class Shard:
    """Share ``index`` (from 1) of ``count``."""

    index: int
    count: int

    def holds(self, name: str) -> bool:
        """Whether the row with this id is in the share; the same on every machine, whatever the order of rows."""
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """Read ``I/N``, ``auto`` (Slurm tells both) or ``auto/N`` (Slurm or Kubernetes tells an index from 0).

    Raises:
        InputError: ``bad-shard``.
    """
    if given := re.fullmatch(r"(\d+)/(\d+)", text):
        return _checked(text, int(given[1]), int(given[2]))
    if text == "auto":
        return _slurm_array(environment)
    if given := re.fullmatch(r"auto/(\d+)", text):
        for name in ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"):
            if name in environment:
                return _checked(
                    f"{text} with {name}={environment[name]}", _number(environment, name) + 1, int(given[1])
                )
        raise _bad(text, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set", "Use --shard I/N")
    raise _bad(text, "it is not understood", "Use I/N such as 1/4, auto in a Slurm array, or auto/N in Kubernetes")


def _slurm_array(environment: Mapping[str, str]) -> Shard:
    if "SLURM_ARRAY_TASK_ID" not in environment:
        hint = "Kubernetes does not tell the number of indexes: use --shard auto/N"
        raise _bad("auto", "SLURM_ARRAY_TASK_ID is not set", hint if "JOB_COMPLETION_INDEX" in environment else "")
    index, count, first, last = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "COUNT", "MIN", "MAX")
    )
    if last - first + 1 != count:
        hint = "Number the array without gaps, as in --array=0-7, or use --shard auto/N"
        raise _bad("auto", f"the Slurm array {first} … {last} has gaps", hint)
    return _checked("auto", index - first + 1, count)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdecimal()):
        raise _bad("auto", f"{name}={text!r} is not a number", "Use --shard I/N")
    return int(text)


def _checked(text: str, index: int, count: int) -> Shard:
    if not 1 <= index <= count:
        raise _bad(text, f"there is no share {index} of {count}", "Shares are counted from 1 in I/N, from 0 in auto/N")
    return Shard(index, count)


def _bad(text: str, message: str, hint: str) -> InputError:
    return InputError("bad-shard", f"--shard {text}: {message}", hint=hint)
