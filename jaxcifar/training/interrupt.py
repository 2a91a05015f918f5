"""Ctrl-C and the signals of batch systems ask training to save and end; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""A batch system sends SIGTERM or SIGUSR1/2 before the time is up, a closed terminal SIGHUP."""


class Interrupted(Exception):
    """Training was asked to end and has saved; `signal_number` says by what."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


class Stop:
    """Whether training was asked to end, and by which signal."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.may_continue: Callable[[], None] = lambda: None
        """Raises where nothing may be written any more, because another process has taken the run over."""

    def request(self, number: int, frame: object) -> None:
        """Handle the first signal; the defaults come back, so that a second one ends the process at once."""
        self.signal_number = number
        for other in _handled():
            signal.signal(other, signal.default_int_handler if other == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def handling() -> Iterator[Stop]:
    """Collect the signals for the length of the block (in the main thread; elsewhere it changes nothing).

    Raises:
        Interrupted: XLA failed after a signal. A batch system, a terminal and `timeout` send it to all processes of
            the group, so it also ends the assembler that XLA has started for a GPU.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.request) for number in _handled()}
    try:
        yield stop
    except jax.errors.JaxRuntimeError as error:
        if stop.signal_number is None:
            raise
        message = "Stopped while a program was compiled or run; give the same command again to continue."
        raise Interrupted(message, stop.signal_number) from error
    finally:
        for number, handler in before.items():
            # None is a handler that was not set by Python, which cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _handled() -> list[signal.Signals]:
    """The signals that this system has, without SIGHUP where it is ignored: `nohup` trains on without a terminal."""
    found = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [number for number in found if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN]
