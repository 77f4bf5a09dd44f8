"""All checks, in the order of the output.

The checks of a group are in the module ``<group>_checks``: to add one, decorate a function there with
:func:`~heygem_cli.doctor.check.check` and add a row to docs/doctor.md and docs/doctor.zh-CN.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from heygem_cli.doctor.check import Check, registered
from heygem_cli.errors import InputError, did_you_mean

GROUPS = ("runtime", "gpu", "system", "environment", "installation", "service", "engine", "log")

for _group in GROUPS:
    import_module(f"heygem_cli.doctor.{_group}_checks")
import_module("heygem_cli.doctor.compose_checks")  # of the group `installation`
CHECKS = tuple(sorted(registered, key=lambda check: GROUPS.index(check.group)))


def select(only: Iterable[str], skipped: Iterable[str]) -> list[Check]:
    """Choose checks by id or group: all if ``only`` is empty, without those of ``skipped``.

    Raises:
        InputError: No check or group has this name.
    """
    chosen, excluded = _ids(only), _ids(skipped)
    return [check for check in CHECKS if (not chosen or check.id in chosen) and check.id not in excluded]


def _ids(names: Iterable[str]) -> set[str]:
    ids: set[str] = set()
    for name in names:
        matching = {check.id for check in CHECKS if name in (check.id, check.group)}
        if not matching:
            known = [*GROUPS, *(check.id for check in CHECKS)]
            hint = did_you_mean(name, known, "`heygem doctor --list` lists them all")
            raise InputError("unknown-check", f"there is no check {name!r}", hint=hint)
        ids |= matching
    return ids
