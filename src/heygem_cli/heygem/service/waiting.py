"""Waiting that can be ended: a job's time may be up, and a signal may come, while a server says nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
STEP = 0.25
"""Seconds between two calls of ``tick``."""


class _Asked(threading.Thread, Generic[Answer]):
    """Asks one question; a daemon, so that a server that never answers keeps no process alive."""

    def __init__(self, question: Callable[[], Answer]) -> None:
        super().__init__(name="question", daemon=True)
        self._question = question
        self.answer: list[Answer] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.answer.append(self._question())
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is awaited
            self.error = error


def asked(question: Callable[[], Answer], tick: Callable[[], None]) -> Answer:
    """Call something that may take long, and meanwhile ``tick``, whose exceptions end the wait."""
    thread = _Asked(question)
    thread.start()
    while thread.is_alive():
        tick()
        thread.join(STEP)
    if thread.error is not None:
        raise thread.error
    return thread.answer[0]


def pause(seconds: float, tick: Callable[[], None]) -> None:
    """Sleep, and meanwhile call ``tick``, whose exceptions end the sleep."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        tick()
        time.sleep(min(STEP, left))
