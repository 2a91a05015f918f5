"""The processes of one run: process 0 leads, the others follow.

Process 0 plans, decides, prints and writes; the others load the same data and make the same calls on their devices,
one after the other, as process 0 tells them. So a checkpoint is one whole state, saved by process 0 like that of a run
on one process, and any number of processes can continue it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxcifar.errors import UserError
from jaxcifar.training import channel
from jaxcifar.training.channel import Failure, Line
from jaxcifar.training.interrupt import Stop

POLL_SECONDS = 0.2
AGAIN = "start all again with the same command to continue."


class Leader:
    """Process 0, with a connection to each other process.

    Args:
        count: number of processes.
        lines: the connections by the number of the process.
    """

    def __init__(self, count: int, lines: Mapping[int, Line]) -> None:
        self.count, self._lines = count, lines
        self.stop: Stop | None = None
        """Is told of the signals that another process gets."""
        self._failure = Failure()
        self._answers: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        for index, line in lines.items():
            self._listen(index, line)

    def _listen(self, index: int, line: Line) -> None:
        name = f"Process {index} of {self.count}"
        line.start(
            lambda message: self._received(index, name, message),
            lambda how: self._fail(f"{name} {how}, so all end; {AGAIN}"),
        )

    def _received(self, index: int, name: str, message: Any) -> None:
        match message:
            case ["done", bytes(data)]:
                self._answers.put((index, data))
            case ["signal", int(number)] if self.stop is not None and self.stop.signal_number is None:
                self.stop.signal_number = number
            case ["failed", str(sentence)]:
                self._fail(f"{name}: {sentence}")

    def _fail(self, sentence: str) -> None:
        if self._failure.happen(sentence):
            self._tell_end(2, sentence)

    def _tell_end(self, code: int, sentence: str) -> None:
        for line in self._lines.values():
            line.send("end", code, sentence)

    @contextmanager
    def calling(self, *message: Any, data: Callable[[int], bytes] | None = None) -> Iterator[dict[int, bytes]]:
        """Have every process do what this one does in the block, and wait until they have done it.

        Args:
            message: what they hear.
            data: from the number of a process to bytes for it.

        Yields:
            The bytes with which they answer, by their numbers, once the block has ended.

        Raises:
            UserError: another process has failed or ended.
        """
        self._failure.check()
        for index, line in self._lines.items():
            line.send(*message, data=data(index) if data else None)
        answers: dict[int, bytes] = {}
        with deaths_told(self._failure):
            yield answers
        # A process that has died never answers, so failures are looked for while waiting.
        while len(answers) < len(self._lines):
            try:
                index, answer = self._answers.get(timeout=POLL_SECONDS)
                answers[index] = answer
            except queue.Empty:
                self._failure.check()

    def end(self, code: int, sentence: str = "") -> None:
        """Tell every process to end with a code, and with a sentence where there is something to say."""
        # First for all: a process that ends at once must not be reported as dead.
        for line in self._lines.values():
            line.expect_end()
        self._tell_end(code, sentence)


class Follower:
    """Any process but 0, with a connection to process 0."""

    def __init__(self, count: int, line: Line) -> None:
        self._failure = Failure()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.stop, self._told = Stop(), False
        self.line = line
        line.start(self._received, lambda how: self._lost(f"Process 0 of {count} {how}, so all end; {AGAIN}"))

    def _lost(self, sentence: str) -> None:
        self._failure.happen(sentence)

    def _received(self, message: Any) -> None:
        match message:
            # An end with a reason stops what is done now; one without waits behind the calls that came before it.
            case ["end", int(), str(sentence)] if sentence:
                self.line.expect_end()
                self._failure.happen(sentence)
            case _:
                self._inbox.put(message)

    def hear(self) -> Any:
        """Return what process 0 says next.

        Raises:
            UserError: it, or another process, has ended.
        """
        while True:
            self._failure.check()
            # Not sent by the handler: it could interrupt a send and wait for that send's lock for ever.
            if self.stop.signal_number is not None and not self._told:
                self._told = True
                self.line.send("signal", self.stop.signal_number)
            try:
                return self._inbox.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue

    @contextmanager
    def doing(self) -> Iterator[list[bytes]]:
        """Tell process 0 that what is done in the block has been done, or has failed.

        Yields:
            A list for the bytes to answer with.
        """
        answer: list[bytes] = []
        try:
            with deaths_told(self._failure):
                yield answer
        except Exception as error:
            self.line.send("failed", str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
            raise
        self.line.send("done", data=b"".join(answer))


@contextmanager
def deaths_told(failure: Failure) -> Iterator[None]:
    """Turn what an operation of several processes raises when one of them dies into one sentence."""
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError:
        # JAX may notice a death before the connection does, so the reason is waited for.
        failure.check(channel.GRACE_SECONDS / 2)
        raise
