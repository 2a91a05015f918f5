"""Messages between the processes of one run: lines of JSON over TCP, and a beat that shows that the other is alive.

A message may bring bytes, which follow its line and become its last element.

JAX has a coordinator of its own, but its client ends the process with a stack trace when another process dies. So
process 0 and each other process keep this connection, which sees a death first, and JAX's client is given a relay that
never tells it of one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jaxcifar.errors import UserError

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""A process that sends nothing for so long is taken for dead; one that was killed is noticed at once."""
GRACE_SECONDS = 10.0
"""After a death every process has this long to end by itself; a collective operation may never return."""
HELLO_SECONDS = 5.0
LONGEST = 2**20
"""Bytes of a line."""
PART = 2**20
"""Bytes that are sent at once, each within `SILENCE_SECONDS`."""


class Failure:
    """The first reason why the processes of a run cannot continue, told by each in one sentence."""

    def __init__(self) -> None:
        self.sentence = ""
        self._known, self._raised, self._guard = threading.Event(), threading.Event(), threading.Lock()

    def happen(self, sentence: str) -> bool:
        """Take the reason, unless there was one before; from now on the process ends within `GRACE_SECONDS`."""
        with self._guard:
            if self.sentence:
                return False
            self.sentence = sentence
        self._known.set()
        threading.Thread(target=self._end, daemon=True).start()
        return True

    def check(self, seconds: float = 0.0) -> None:
        """Raise UserError if there is a reason, or comes one within some seconds."""
        if self._known.wait(seconds):
            self._raised.set()
            raise UserError(self.sentence)

    def _end(self) -> None:
        """End the process where the main thread does not: it may wait for ever for a process that is dead."""
        # Half of the time is for the main thread to raise the sentence, the other half for its clean end.
        if not self._raised.wait(GRACE_SECONDS / 2):
            with suppress(OSError):
                print(f"Error: {self.sentence}", file=sys.stderr, flush=True)
        else:
            time.sleep(GRACE_SECONDS / 2)
        # Not sys.exit: it would end this thread only, and Python's own exit may wait for the dead process in turn.
        os._exit(2)


class Line:
    """A connection to another process."""

    def __init__(self, connection: socket.socket) -> None:
        # Messages are short and awaited; the system would otherwise hold them back to send several at once.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection, self._file = connection, connection.makefile("rb")
        # Beats are sent from a thread of their own, and must not come between the parts of a message.
        self._sending, self._closed = threading.Lock(), threading.Event()
        self._ending = False

    def start(self, received: Callable[[Any], None], lost: Callable[[str], None]) -> None:
        """Start to read and to beat.

        Args:
            received: called with every message but beats, in a thread.
            lost: called once with what was seen of the other's end, such as "has ended", in a thread.
        """
        self._connection.settimeout(SILENCE_SECONDS)
        threading.Thread(target=self._read, args=(received, lost), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, *message: Any, data: bytes | None = None) -> None:
        """Send a message, with bytes if there are some; that the other has ended is told by `lost`, not here."""
        sent = message if data is None else {"message": message, "bytes": len(data)}
        with self._sending, suppress(OSError):
            self._connection.sendall(json.dumps(sent).encode() + b"\n")
            # The time-out holds for a whole call of sendall, so a long message is sent by several calls.
            for start in range(0, len(data or b""), PART):
                self._connection.sendall(memoryview(data or b"")[start : start + PART])

    def receive(self, seconds: float = HELLO_SECONDS) -> Any:
        """Return the next message before `start`; None where nothing that can be read comes within some seconds."""
        self._connection.settimeout(seconds)
        with suppress(OSError, ValueError):
            # Anything may connect to an open port, so the length of a line is limited.
            return json.loads(self._file.readline(LONGEST))
        return None

    def expect_end(self) -> None:
        """From now on the other may end without a call of `lost`."""
        self._ending = True

    def close(self) -> None:
        """End the connection."""
        # Set before the shutdown, which wakes the reading thread: it must not report the end as a death.
        self._ending = True
        self._closed.set()
        with suppress(OSError):
            # close() alone has no effect here: the file of the reading thread keeps the socket open.
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _read(self, received: Callable[[Any], None], lost: Callable[[str], None]) -> None:
        how = "has ended"
        with suppress(OSError, ValueError):
            try:
                while line := self._file.readline(LONGEST):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        data = self._file.read(message["bytes"])
                        if len(data) < message["bytes"]:
                            break
                        message = [*message["message"], data]
                    if message != ["beat"]:
                        received(message)
            except TimeoutError:
                how = f"gave no sign of life for {SILENCE_SECONDS:.0f} s"
        self._closed.set()
        if not self._ending:
            lost(how)

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            self.send("beat")


def listen(port: int) -> socket.socket:
    """Return a socket that accepts connections on every address of this machine.

    Raises:
        OSError: the port is in use.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def connected(host: str, port: int, deadline: float) -> socket.socket:
    """Return a connection, tried again until a time of `time.monotonic`.

    Raises:
        OSError: why the last try failed.
    """
    while True:
        try:
            return socket.create_connection((host, port), timeout=max(0.1, deadline - time.monotonic()))
        except OSError:
            if time.monotonic() + 0.2 >= deadline:
                raise
            time.sleep(0.2)


def free_port() -> int:
    """Return the number of a port that no process uses."""
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def relay(host: str, port: int) -> int:
    """Return a port of this machine that leads to another machine's; the other's end is not passed on."""
    # On the loopback address, so that only processes of this machine can connect.
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)

    def accept() -> None:
        while True:
            own, _ = server.accept()
            with suppress(OSError):
                other = socket.create_connection((host, port), timeout=SILENCE_SECONDS)
                # The time-out was for connecting; JAX may send nothing for longer than that.
                other.settimeout(None)
                for ends in ((own, other), (other, own)):
                    # Daemons keep both sockets open, so JAX's client sees no end of the connection.
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]
