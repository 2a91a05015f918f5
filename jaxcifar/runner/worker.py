"""One of the processes that train a plan together, by giving the same command on one output folder."""

from __future__ import annotations

import itertools
import secrets
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.config import UserError
from jaxcifar.records import Holder, Locks, lock, report

POLL_SECONDS = 1.0


@dataclass
class Worker:
    """One process's part of a plan, and the locks that keep it from the parts of others.

    With a fixed part (`--worker K/N`) there are no locks around runs: the N processes never have a run in common.
    """

    out: Path
    locks: Locks
    part: tuple[int, int] | None = None
    wait: bool = False
    """Whether it stays until the others have ended their programs, to take over those of a process that dies."""
    total: int = 0
    """Number of programs that had not ended when this process started."""
    others: int = 0
    """Number of programs that others were still training when this process found nothing left to start."""
    met: bool = False
    """Whether it found a program that another process trained."""

    def has(self, index: int) -> bool:
        """Return whether the program of this index is one of this process."""
        return self.part is None or index % self.part[1] == self.part[0] - 1

    @contextmanager
    def holding(
        self, folders: Sequence[Path], name: str = lock.RUN, stopped: Callable[[], None] | None = None
    ) -> Iterator[Holder | None]:
        """Hold the locks of some folders, or yield the process that holds one of them.

        Args:
            folders: where the locks are.
            name: of the locks.
            stopped: called while waiting until a holder is known to be alive; raises if the user asked to stop.
                Without it, a holder that may have ended is yielded at once.
        """
        held: list[Path] = []
        holder = None
        try:
            # In one order in all processes: two that want the same folders cannot each get a part of them.
            for folder in [] if self.part is not None else sorted(folders):
                folder.mkdir(parents=True, exist_ok=True)
                holder = self.locks.take(folder, name) if stopped is None else self._settled(folder, name, stopped)
                if holder is not None:
                    break
                held.append(folder)
            yield holder
        finally:
            for folder in held:
                self.locks.release(folder, name)

    def _settled(self, folder: Path, name: str, stopped: Callable[[], None]) -> Holder | None:
        """Take a lock, or return its holder once that is known to be alive."""
        for tries in itertools.count():
            holder = self.locks.take(folder, name)
            if holder is None or holder.certain:
                return holder
            if tries == 1:  # the first look at a file that another process has just made tells nothing
                print(f"Waiting up to {lock.STALE_SECONDS:.0f} s to see whether {holder} is still at work in {folder}.")
            time.sleep(POLL_SECONDS)
            stopped()

    @contextmanager
    def alone(self, wanted: str, folders: Iterable[Path]) -> Iterator[None]:
        """Keep others from starting, for what only the one process of a folder may do.

        Args:
            wanted: what is done, for the message.
            folders: of the runs, in which `jaxcifar.train` and `jaxcifar landscape` may be at work.

        Raises:
            UserError: another process is at work in the folder.
        """
        # A folder that is missing is not made, because nothing would remove it.
        keys = list(itertools.product(sorted(filter(Path.is_dir, folders)), (lock.RUN, lock.MEASURES)))
        held: list[tuple[Path, str]] = []
        with self.planning():
            other = self.other()
            for key in keys:  # all at once, so that the waits for several processes elsewhere overlap
                self.locks.holder(*key)
            try:
                for key in keys:
                    if (other := other or self._settled(*key, stopped=lambda: None)) is not None:
                        break
                    held.append(key)
                if other is not None:
                    raise UserError(
                        f"{self.out} is in use by {other}, so {wanted}; wait until it has ended, or give another --out."
                    )
                yield
            finally:
                for key in held:
                    self.locks.release(*key)

    @contextmanager
    def ending(self) -> Iterator[bool]:
        """Yield whether this process makes the report: none is training, and no other has made it."""
        if self.others:
            are = "is" if self.others == 1 else "are"
            print(
                f"{self.others} of {self.total} programs {are} being trained by others, the last of which writes the "
                "report; nothing is left to start."
            )
            yield False
            return
        waited = False
        # Not left to the one that is making it, which may have read the records before the last run ended.
        while (holder := self._settled(self.out, lock.REPORT, stopped=lambda: None)) is not None:
            if not waited:
                print(f"Waiting for {holder}, which is making the report.")
            self.met = waited = True
            time.sleep(POLL_SECONDS)
        try:
            is_made = self.met and report.is_current(self.out)
            if is_made:
                print("All programs have ended; another process has made the report.")
            yield not is_made
        finally:
            self.locks.release(self.out, lock.REPORT)

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Wait for the lock under which manifests are written, and hold it."""
        while self.locks.take(self.out, lock.PLAN) is not None:
            # A random time, so that waiting processes do not try in step.
            time.sleep(0.05 + 0.1 * secrets.randbelow(10) / 10)
        try:
            yield
        finally:
            self.locks.release(self.out, lock.PLAN)

    def beside(self) -> int:
        """Return the number of other processes on this machine that are at work in the folder."""
        folder = self.out / lock.WORKERS
        holders = [self.locks.holder(folder, name) for name in self._others()]
        return sum(holder is not None and not holder.host for holder in holders)

    def _others(self) -> set[str]:
        """The names under which other processes have arrived."""
        paths = (self.out / lock.WORKERS).iterdir()
        return {path.name.split("-")[1] for path in paths if path.name.startswith(".lock-")} - {self._name}

    def other(self) -> Holder | None:
        """Return another process that is at work in the folder; None if there is none."""
        folder = self.out / lock.WORKERS
        for name in self._others():
            # What another machine has left may be stale; that takes some time to see.
            with suppress(FileNotFoundError):  # it has just left
                while (holder := self.locks.holder(folder, name)) is not None:
                    if holder.certain:
                        return holder
                    time.sleep(0.2)
                # A worker's name is taken once, so the file has the number 1.
                (folder / f".lock-{name}-1").unlink(missing_ok=True)
        return None

    def arrive(self) -> None:
        """Tell others that this process is at work, and wait while one deletes or writes what all read."""
        # Letters only, because `-` separates a lock's name from its number.
        self._name = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        # First its own lock, then the wait: who holds PLAN looks for others after taking it, and so finds this one.
        lock.take(self.locks, self.out / lock.WORKERS, self._name)
        while self.locks.holder(self.out, lock.PLAN) is not None:
            time.sleep(0.05)

    def leave(self) -> None:
        """Remove what `arrive` wrote."""
        folder = self.out / lock.WORKERS
        self.locks.release(folder, self._name)
        (folder / f".lock-{self._name}-1").unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:  # others are still there
            return


@contextmanager
def joined(out: Path, part: tuple[int, int] | None = None, wait: bool = False) -> Iterator[Worker]:
    """Be one of the processes at work in a folder, which is made where it is missing.

    Args:
        out: the folder of a run, a study or a paper.
        part: K and N of a fixed split; None to share by locks.
        wait: whether to stay until all programs have ended.

    Raises:
        UserError: the folder cannot be written.
    """
    with lock.made(out), Locks() as locks:
        worker = Worker(out, locks, part, wait)
        worker.arrive()
        try:
            yield worker
        finally:
            worker.leave()


def share(
    worker: Worker, indices: Sequence[int], attempt: Callable[[int], Holder | None], stopped: Callable[[], None]
) -> None:
    """Go through the programs, pass over those of others, and look at these again at the end.

    Args:
        worker: this process; `others` is set to the number of programs that others are still training.
        indices: the programs.
        attempt: trains a program, or returns the process that holds it.
        stopped: called while waiting; raises if the user asked to stop.
    """
    worker.total = len(indices)
    left = [index for index in indices if worker.has(index)]
    while True:
        tried = len(left)
        holders = {index: holder for index in left if (holder := attempt(index)) is not None}
        worker.met |= bool(holders)
        left, known = list(holders), all(holder.certain for holder in holders.values())
        if not left:
            break
        # Where a program has ended, what was seen before it in this pass is old: its holder may have ended, too.
        if len(left) < tried:
            continue
        if known and not worker.wait:
            break
        time.sleep(POLL_SECONDS)
        stopped()
    worker.others = len(left)
