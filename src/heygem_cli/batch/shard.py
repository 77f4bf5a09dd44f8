"""Shards of a manifest for several machines, which do not communicate."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from heygem_cli.errors import InputError

NUMBER = "[0-9]{1,6}"


@dataclass(frozen=True)
class Shard:
    """Shard ``index``, from 1, of ``count``."""

    index: int
    count: int

    def contains(self, row_id: str) -> bool:
        """Return whether a row is in the shard; this depends on nothing but its id."""
        digest = hashlib.sha256(row_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """Parse ``I/N``, ``auto`` (both from Slurm) or ``auto/N`` (the index, from 0, from Slurm or Kubernetes).

    Raises:
        InputError: ``bad-shard``.
    """
    if match := re.fullmatch(f"({NUMBER})/({NUMBER})", text):
        return _make_shard(text, int(match[1]), int(match[2]))
    if text == "auto":
        return _slurm_shard(environment)
    if match := re.fullmatch(f"auto/({NUMBER})", text):
        for name in ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"):
            if name in environment:
                source = f"{text} with {name}={environment[name]}"
                return _make_shard(source, _number(environment, name) + 1, int(match[1]))
        raise _error(text, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set", "Use --shard I/N")
    hint = "Use I/N such as 1/4, auto in a Slurm array, or auto/N in Kubernetes"
    raise _error(text, "this is not a shard", hint)


def _slurm_shard(environment: Mapping[str, str]) -> Shard:
    if "SLURM_ARRAY_TASK_ID" not in environment:
        hint = "Kubernetes does not set the number of indexes: use --shard auto/N"
        raise _error("auto", "SLURM_ARRAY_TASK_ID is not set", hint if "JOB_COMPLETION_INDEX" in environment else "")
    index, count, first, last = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "COUNT", "MIN", "MAX")
    )
    if last - first + 1 != count:
        hint = "Number the array without gaps, as in --array=0-7, or use --shard auto/N"
        raise _error("auto", f"the Slurm array {first} … {last} has gaps", hint)
    return _make_shard("auto", index - first + 1, count)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _error("auto", f"{name}={text!r} is not a number", "Use --shard I/N")
    return int(text)


def _make_shard(text: str, index: int, count: int) -> Shard:
    if not 1 <= index <= count:
        raise _error(text, f"there is no shard {index} of {count}", "I/N counts from 1, auto/N from 0")
    return Shard(index, count)


def _error(text: str, message: str, hint: str) -> InputError:
    return InputError("bad-shard", f"--shard {text}: {message}", hint=hint)
