"""The lock of an output folder: one process at a time writes below it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from jaxcifar.errors import UserError

LOCK = ".lock"
MARKER = ".lock.holder"
"""Takes the place of the lock on a file system without locks; its text names the host and process that hold it."""
LOCK_FILES = (LOCK, MARKER)
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when the process ends, however it ends. The lock's file stays.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    created = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _acquire(folder)
    except filelock.Timeout:
        raise UserError(
            f"{folder} is in use by {_holder(folder)}; wait until it has ended, or give another --out."
        ) from None
    except OSError as error:
        _remove_if_unused(folder, created)
        raise UserError(f"The folder {str(folder)!r} cannot be written ({error.strerror}); give another.") from None
    try:
        yield
    finally:
        # Removed while it is still held: once it is free, it may be another process's lock.
        _remove_if_unused(folder, created)
        lock.release()


def _acquire(folder: Path) -> filelock.BaseFileLock:
    """Take the lock, or on a file system without locks (some NFS and Lustre mounts) the marker."""
    lock: filelock.BaseFileLock = filelock.FileLock(folder / LOCK, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except NotImplementedError:  # no fcntl
        return _marked(folder)
    except OSError as error:
        if isinstance(error, filelock.Timeout) or error.errno not in _WITHOUT_LOCKS:
            raise
        return _marked(folder)
    with suppress(OSError):
        (folder / LOCK).write_text(str(os.getpid()))
    return lock


def _marked(folder: Path) -> filelock.BaseFileLock:
    lock = filelock.SoftFileLock(folder / MARKER, blocking=False)
    lock.acquire()
    return lock


def _holder(folder: Path) -> str:
    """The process that a lock file names on its first line."""
    for name in LOCK_FILES:
        with suppress(OSError, UnicodeDecodeError):
            first = (folder / name).read_text().split()[:1]
            if first and first[0].isdigit():
                return f"process {first[0]}"
    return "another process"


def _remove_if_unused(folder: Path, created: list[Path]) -> None:
    """Remove the folders that were made for nothing but the lock."""
    with suppress(OSError):
        if created and all(path.name in LOCK_FILES for path in folder.iterdir()):
            for name in LOCK_FILES:
                (folder / name).unlink(missing_ok=True)
        for place in created:
            place.rmdir()
