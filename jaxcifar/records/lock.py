"""The lock of an output folder: one process at a time writes below it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxcifar.errors import UserError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when the process ends, whatever ends it.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    import filelock

    created = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _acquire(folder / LOCK)
    except filelock.Timeout:
        holder = _holder(folder / LOCK)
        raise UserError(f"{folder} is in use by {holder}; wait for it or give another --out.") from None
    except OSError as error:
        raise UserError(f"--out {str(folder)!r} cannot be written ({error.strerror}); give another folder.") from None
    try:
        yield
    finally:
        lock.release()
        # A folder in which nothing was written is removed again. Elsewhere the file stays: a process that waits has it
        # open, and its lock would be on an unlinked file.
        with suppress(OSError):
            if created and [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
            for place in created:
                place.rmdir()


def _acquire(path: Path):
    """Take the lock, by a file that names its holder where the file system has no locks (NFS, Lustre)."""
    import filelock

    lock: filelock.BaseFileLock = filelock.FileLock(path, blocking=False)
    try:
        lock.acquire()
    except OSError as error:
        if isinstance(error, filelock.Timeout) or error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        lock = filelock.SoftFileLock(path, blocking=False)
        lock.acquire()
    with suppress(OSError):
        if not path.read_text():
            path.write_text(str(os.getpid()))
    return lock


def _holder(path: Path) -> str:
    try:
        return f"process {path.read_text().split()[0]}"
    except (OSError, IndexError, UnicodeDecodeError):
        return "another process"
