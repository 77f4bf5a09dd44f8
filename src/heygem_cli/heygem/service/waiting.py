"""Waiting that a time-out or a signal can interrupt, even while the server does not respond."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

from heygem_cli.heygem.staging import Tick
from heygem_cli.http_client import in_daemon_thread

Result = TypeVar("Result")
INTERVAL = 0.25
"""Seconds between two calls of ``tick``."""


def call(function: Callable[[], Result], tick: Tick) -> Result:
    """Call a slow function in a thread, and ``tick`` meanwhile; an exception of either ends the wait."""
    future = in_daemon_thread(function)
    while not future.done():
        tick()
        futures.wait([future], INTERVAL)
    return future.result()


def sleep(seconds: float, tick: Tick) -> None:
    """Sleep, and call ``tick`` meanwhile; an exception that it raises ends the sleep."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        tick()
        time.sleep(min(INTERVAL, left))
