"""Waiting that a time-out or a signal can interrupt, even while the server does not respond."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

from heygem_cli.heygem.staging import Tick

Result = TypeVar("Result")
INTERVAL = 0.25
"""Seconds between two calls of ``tick``."""


def call(function: Callable[[], Result], tick: Tick) -> Result:
    """Call a slow function in a thread, and ``tick`` meanwhile; an exception of either ends the wait."""
    future: futures.Future[Result] = futures.Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again by ``result``
            future.set_exception(error)

    # A daemon, unlike the threads of an executor: a server that never answers must not keep the process alive.
    threading.Thread(target=run, daemon=True).start()
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
