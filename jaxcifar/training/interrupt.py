"""Ctrl-C and SIGTERM ask training to save and end; a second Ctrl-C ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Training was asked to end and has saved; `signal_number` says by what."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


class Stop:
    """Whether training was asked to end, and by which signal."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def request(self, number: int, frame: object) -> None:
        """The handler; it gives the first signal's default back to Ctrl-C, so that a second one ends at once."""
        self.signal_number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def handling() -> Iterator[Stop]:
    """Collects SIGINT and SIGTERM for the length of the block (in the main thread; elsewhere it changes nothing)."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
