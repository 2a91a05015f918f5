"""Locks of folders that processes on many machines share, on any file system.

A lock is a row of files `.lock-<name>-<n>` in the folder. The file with the highest number names the host and process
that hold the lock; while they do, its time of modification changes every ten seconds. A process takes a free lock, or
one whose holder has ended, by creating the file with the next number, which a file system grants to one process only,
also over NFS. The two highest numbers stay, so that an old listing of the folder cannot give the lock away twice.
Clocks are never compared: a holder counts as alive as long as a reader sees its file change.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.errors import UserError
from jaxcifar.records.disk import refusals_told, tried
from jaxcifar.records.liveness import MACHINE, is_alive, started

BEAT_SECONDS = 10.0
"""A holder touches its files this often."""
STALE_SECONDS = 90.0
"""A holder on another machine has ended if its file has not changed for this long; NFS hides changes up to 60 s."""
RUN, MEASURES, PLAN, PICTURES, REPORT = "run", "measures", "plan", "pictures", "report"
"""What a lock is for: training in a run folder, measuring a complete run there, writing manifests or deleting, a
study's pictures, the report."""
WORKERS = ".workers"
"""Below OUT: a lock for each process at work there, so that a restart deletes nothing under it."""
EARLIER = (".lock", ".lock.holder")
"""The lock of earlier versions."""
_FREE = 10**18
"""The time of modification of a released lock, 2001-09-09 in nanoseconds: setting it is atomic and needs no room
on the disk. Some file systems (SFTP) ignore a time of 0, others (FAT) have none before 1980."""
_WAS_FREE = 0
"""The time of earlier versions."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock."""

    process: int | None
    host: str
    """Empty for this machine."""
    certain: bool
    """Whether it is known to be alive: it is on this machine, or its file was seen to change."""

    def __str__(self) -> str:
        name = "another process" if self.process is None else f"process {self.process}"
        return f"{name} on {self.host}" if self.host else name


@dataclass
class _State:
    """The file with the highest number."""

    number: int
    modified: int
    text: str

    @classmethod
    def of(cls, folder: Path, name: str) -> _State:
        while number := max(_numbers(folder, name), default=0):
            # Opening makes an NFS client ask the server for the attributes; a link would lead out of the folder.
            with suppress(FileNotFoundError):  # an old file, which the next holder has removed
                file = os.open(_file(folder, name, number), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
                with open(file) as opened:
                    return cls(number, os.fstat(file).st_mtime_ns, opened.read(4096))
        return cls(0, _FREE, "")

    @property
    def owner(self) -> dict[str, str | int]:
        with suppress(ValueError):
            value = json.loads(self.text)
            if isinstance(value, dict) and isinstance(value.get("process"), int):
                return value
        return {}


class Locks:
    """The locks that this process holds; a thread touches their files as long as the block lasts."""

    def __init__(self) -> None:
        self._held: dict[tuple[Path, str], int] = {}
        self._seen: dict[tuple[Path, str], tuple[_State, float, bool]] = {}
        self._guard, self._ended = threading.Lock(), threading.Event()
        self._beaten = _now()
        self._lost: Path | None = None
        # A daemon, so that it cannot keep a process alive that ends without leaving the block.
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Locks:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        for folder, name in list(self._held):
            self.release(folder, name)

    def take(self, folder: Path, name: str = RUN) -> Holder | None:
        """Take a lock, or return the process that holds it.

        A holder on another machine is given up once its file has not changed between two calls that are
        `STALE_SECONDS` apart.

        Raises:
            OSError: the folder cannot be read or written.
        """
        state = _State.of(folder, name)
        if (holder := self._holder((folder, name), state)) is not None:
            return holder
        number = state.number + 1
        try:
            file = os.open(_file(folder, name, number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        # Another process was first. Its file may still be empty, so the next call reads who it is.
        except FileExistsError:
            return Holder(None, "", certain=False)
        try:
            with open(file, "w") as opened:
                process = os.getpid()
                own = {"host": MACHINE.host, "machine": MACHINE.id, "process": process, "started": started(process)}
                opened.write(json.dumps(own))
        except OSError:
            # On a full disk; without a text it would count as held until it is stale.
            _set_free(_file(folder, name, number))
            raise
        # The new file may stay: its number is not the highest, so it gives the lock to nobody.
        if max(_numbers(folder, name)) != number:  # the listing before was old
            return Holder(None, "", certain=False)
        with self._guard:
            self._held[folder, name] = number
        for old in _numbers(folder, name):
            if old < number - 1:
                _file(folder, name, old).unlink(missing_ok=True)
        return None

    def holder(self, folder: Path, name: str = RUN) -> Holder | None:
        """Return the process that holds a lock, without taking it; None if it is free."""
        return self._holder((folder, name), _State.of(folder, name))

    def forget(self) -> None:
        """Call no holder on another machine certain until its file is seen to change once more.

        A network file system shows files as they were up to a minute ago, but a change that is seen between two looks
        has just arrived: the holder was alive at the first of them.
        """
        self._seen.clear()

    def release(self, folder: Path, name: str = RUN) -> None:
        """Release a lock that is held."""
        # Under the guard, so that the thread cannot touch the file once it is marked as free.
        with self._guard:
            _set_free(_file(folder, name, self._held.pop((folder, name))))

    def check(self) -> None:
        """Raise if another process has taken a lock over because this one gave no sign of life, e.g. in a long sleep.

        Raises:
            UserError: it must not write any more.
        """
        # After a long sleep of the machine this may run before the thread does, so it looks by itself.
        if _now() - self._beaten > 2 * BEAT_SECONDS:
            self._beat()
        if self._lost is not None:
            raise UserError(
                f"{self._lost} was taken over by another process, because this one gave no sign of life for "
                f"{STALE_SECONDS:.0f} s; nothing more is written here."
            )

    def _holder(self, key: tuple[Path, str], state: _State) -> Holder | None:
        """The holder by its file; None if it has ended."""
        if state.modified in (_FREE, _WAS_FREE):
            return None
        owner = state.owner
        process = int(owner["process"]) if owner else None
        # On the same machine the table of processes gives a certain answer at once.
        if process is not None and owner.get("machine") == MACHINE.id:
            alive = is_alive(process, str(owner.get("started")))
            return Holder(process, "", certain=True) if alive else None
        # On another machine, or where the file has no text yet, only its changes tell whether the holder is alive.
        before, since, changed = self._seen.get(key, (state, _now(), False))
        # Any change counts, also to an earlier time, because the clock of a file server may be set back.
        if state != before:
            since, changed = _now(), True
        self._seen[key] = state, since, changed
        if _now() - since >= STALE_SECONDS:
            return None
        return Holder(process, str(owner.get("host", "")), certain=changed)

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        with self._guard:
            for (folder, name), number in self._held.items():
                # A network file system may fail for a moment; the next beat tries again.
                with suppress(OSError):
                    if max(_numbers(folder, name), default=number) > number:
                        self._lost = folder
                    os.utime(_file(folder, name, number))
            self._beaten = _now()


def is_lock(name: str) -> bool:
    """Return whether a file of this name belongs to a lock."""
    return name in EARLIER or re.fullmatch(r"\.lock-[a-z]+-\d+", name) is not None


@contextmanager
def locked(folder: Path, name: str = RUN) -> Iterator[Locks]:
    """Hold one lock of a folder, which is made where it is missing, and removed if nothing was written into it.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    with made(folder), Locks() as locks:
        while (holder := take(locks, folder, name)) is not None:
            if holder.certain:
                raise UserError(f"{folder} is in use by {holder}; wait until it has ended, or give another --out.")
            time.sleep(0.2)  # until its file has changed, or has not for long enough
        yield locks


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder that is missing, and remove it in the end if it holds nothing but locks.

    Raises:
        UserError: it cannot be made.
    """
    created = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with refusals_told(folder):
            tried(lambda: folder.mkdir(parents=True, exist_ok=True))
        yield
    finally:
        with suppress(OSError):
            # A process that started at the same moment may hold a lock in the folder that this one has made.
            if created and all(is_lock(path.name) for path in folder.iterdir()) and not _is_held(folder):
                for path in folder.iterdir():
                    path.unlink(missing_ok=True)
            # From the innermost folder on; rmdir refuses a folder that is not empty.
            for place in created:
                place.rmdir()


def _is_held(folder: Path) -> bool:
    names = {found[1] for path in folder.iterdir() if (found := re.fullmatch(r"\.lock-([a-z]+)-\d+", path.name))}
    # A new object has seen no file before, so a holder on another machine counts as alive.
    return any(Locks().holder(folder, name) is not None for name in names)


def take(locks: Locks, folder: Path, name: str) -> Holder | None:
    """Take a lock, or return its holder, in a folder that is made where it is missing.

    Raises:
        UserError: the folder cannot be written.
    """

    def made_and_taken() -> Holder | None:
        folder.mkdir(parents=True, exist_ok=True)
        return locks.take(folder, name)

    with refusals_told(folder):
        return tried(made_and_taken)


def _numbers(folder: Path, name: str) -> list[int]:
    prefix = f".lock-{name}-"
    return [int(found[len(prefix) :]) for found in os.listdir(folder) if re.fullmatch(rf"{prefix}\d+", found)]


def _file(folder: Path, name: str, number: int) -> Path:
    return folder / f".lock-{name}-{number}"


def _set_free(path: Path) -> None:
    with suppress(OSError):
        os.utime(path, ns=(_FREE, _FREE))


def _now() -> float:
    """Seconds, where the system can tell it also those in which the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
