"""What can be killed: programs, their processes, signals and moments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from signal import Signals

STOPS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP)
"""Signals that ask a command to stop."""
CRASHES = (Signals.SIGKILL, Signals.SIGSEGV, Signals.SIGABRT)
"""Signals that end a command at once."""

PROGRAMS = ("render", "batch", "batch --isolate")

ALL_MOMENTS = ("start-up", "checking", "loading", "speech", "tracking", "drawing", "finishing", "between jobs", "end")
WORKER_MOMENTS = ("loading", "speech", "tracking", "drawing", "finishing", "between jobs")
MOMENTS = {
    "start-up": 0.5,
    "checking": 0.4,
    "loading": 0.7,
    "speech": 0.15,
    "tracking": 0.3,
    "drawing": 0.3,
    "finishing": 0.05,
    "between jobs": 0.03,
    "end": 0.4,
    "any": 0.02,
}
"""A signal is sent at a random time, up to so many seconds after the moment began."""


@dataclass(frozen=True)
class Victim:
    """A process that gets the signal, in these programs and at these moments; it lives for a part of the delay."""

    programs: Sequence[str]
    signals: Sequence[Signals]
    moments: Sequence[str]
    delay: float = 1.0


VICTIMS = {
    "command": Victim(PROGRAMS, (*STOPS, *CRASHES), ALL_MOMENTS),
    # Ctrl-C reaches all processes of the terminal's foreground.
    "process group": Victim(PROGRAMS, STOPS, ALL_MOMENTS),
    "closed terminal": Victim(PROGRAMS, (Signals.SIGHUP,), ALL_MOMENTS),
    # It sends the signal to the command and to the process group: twice, at the same time.
    "timeout program": Victim(PROGRAMS, STOPS, ALL_MOMENTS),
    "parent shell": Victim(("render", "batch"), (*STOPS, Signals.SIGKILL), ALL_MOMENTS),
    "worker": Victim(("batch --isolate",), (*STOPS, *CRASHES), WORKER_MOMENTS),
    "decoder": Victim(PROGRAMS, (*STOPS, *CRASHES), ("speech", "tracking", "drawing"), 0.3),
    "encoder": Victim(PROGRAMS, (*STOPS, *CRASHES), ("drawing", "finishing")),
    "encoder test": Victim(("render", "batch"), (Signals.SIGTERM, *CRASHES), ("any",)),
}
FFMPEGS = ("decoder", "encoder", "encoder test")
COMMAND_VICTIMS = ("command", "process group", "closed terminal", "timeout program")
"""Victims with which the command itself gets the signal."""


@dataclass(frozen=True)
class Kind:
    """A kind of kill."""

    program: str
    victim: str
    signal: Signals

    @property
    def moments(self) -> list[str]:
        """The moments at which it is possible."""
        render = self.program == "render"
        return [moment for moment in VICTIMS[self.victim].moments if not (render and moment == "between jobs")]

    @property
    def hits_command(self) -> bool:
        """Whether the command itself gets the signal."""
        return self.victim in COMMAND_VICTIMS


def all_kinds(seed: int) -> list[Kind]:
    """Return all kinds in a random order."""
    kinds = [
        Kind(program, name, signum)
        for name, victim in VICTIMS.items()
        for program, signum in product(victim.programs, victim.signals)
    ]
    random.Random(seed).shuffle(kinds)  # noqa: S311
    return kinds
