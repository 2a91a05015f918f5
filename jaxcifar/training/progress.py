"""One progress line per run: on a terminal a bar, elsewhere a plain line per epoch."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Status:
    """The figures in the progress line."""

    name: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    test_accuracy: float | None
    images_per_second: float
    seconds: float
    """Of training so far."""
    epoch_ended: bool

    @property
    def seconds_left(self) -> float:
        """The rest of the steps at the pace of those that are done."""
        return (self.steps - self.step) * self.seconds / self.step


class Progress(Protocol):
    """A display of how far training is."""

    def update(self, status: Status) -> None:
        """Show the newest status."""

    def message(self, text: str) -> None:
        """Show a sentence without breaking the line."""

    def working(self, text: str) -> AbstractContextManager[None]:
        """Show for the length of a block that something is done which has no steps to count."""
        ...


HEARTBEAT = 5.0
"""Seconds between two lines about work that has no steps to count."""


class PlainProgress:
    """A line per epoch, and within an epoch one every 30 seconds at most."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def update(self, status: Status) -> None:
        now = time.monotonic()
        if status.epoch_ended or now - self._last >= 30:
            self._last = now
            self.message(describe(status))

    def message(self, text: str) -> None:
        # A terminal that was closed or a reader that has left must not end training.
        with suppress(OSError):
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        began, ended = time.monotonic(), threading.Event()

        def tell() -> None:
            while not ended.wait(HEARTBEAT):
                self.message(f"... {duration(time.monotonic() - began)}")

        self.message(text)
        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class TerminalProgress:
    """A bar that moves about once a second."""

    def __init__(self, bar) -> None:
        self._bar = bar
        self._tasks: dict[str, object] = {}

    def update(self, status: Status) -> None:
        if status.name not in self._tasks:
            self._tasks[status.name] = self._bar.add_task("", total=status.steps, completed=status.step)
        self._bar.update(self._tasks[status.name], completed=status.step, description=describe(status))

    def message(self, text: str) -> None:
        self._bar.console.print(text, style="yellow", markup=False)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        task = self._bar.add_task(text, total=None)  # a bar without a total moves by itself
        try:
            yield
        finally:
            self._bar.remove_task(task)


def describe(status: Status) -> str:
    """Return the line, without the bar."""
    test = "" if status.test_accuracy is None else f", test {status.test_accuracy:.1%}"
    left = "" if status.step == status.steps else f", {duration(status.seconds_left)} left"
    return (
        f"{status.name}: epoch {status.epoch}/{status.epochs}, step {status.step}/{status.steps}, "
        f"loss {status.loss:.3f}, accuracy {status.accuracy:.1%}{test}, {status.images_per_second:,.0f} images/s{left}"
    )


def duration(seconds: float) -> str:
    """Return a time in words, rounded up: `2 h 10 min`, `3 min`, `20 s`."""
    if seconds <= 59:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


@contextmanager
def showing() -> Iterator[Progress]:
    """Open the display that suits standard error: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        yield TerminalProgress(bar)


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Show how many parts of a named piece of work are done: on a terminal a bar each, elsewhere a line at its end."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: print(f"{name}: done", file=sys.stderr) if done == total else None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def advance(name: str, done: int, total: int) -> None:
            tasks[name] = tasks[name] if name in tasks else bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        yield advance
