"""One sentence for a disk that is full or files that the system refuses, whichever library met them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from jaxcifar.errors import UserError, causes

Made = TypeVar("Made")
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Orbax passes on the messages of its C++ library, in errors of any class.
_FULL_TEXTS = ("No space left", "Disk quota exceeded", "RESOURCE_EXHAUSTED: Error writing")


@contextmanager
def disk_errors_told(place: Path) -> Iterator[None]:
    """Turn what the system or a library raises for a full disk, or for a file it refuses, into one sentence.

    Args:
        place: the folder or file that is being written; what was written before stays.

    Raises:
        UserError: in place of such an error, also where it is only the cause or the context of another.
    """
    try:
        yield
    # A closed pipe says nothing about the disk; the command itself ends the process for it.
    except (UserError, BrokenPipeError):
        raise
    except Exception as error:
        chain = list(causes(error))
        if any(_is_full(each) for each in chain):
            lacks = "has no inodes left; delete some files" if _without_inodes(place) else "is full; make room"
            raise UserError(
                f"The disk that holds {place} {lacks} and give the same command again to continue."
            ) from error
        # Without the name of a file, the error is not one of the disk, such as that of a socket.
        refused = next((each for each in chain if isinstance(each, OSError) and each.filename is not None), None)
        if refused is None:
            raise
        name = os.fsdecode(refused.filename)
        raise UserError(
            f"{name} cannot be used ({refused.strerror}); mend or move it, and give the same command again."
        ) from error


@contextmanager
def refusals_told(folder: Path) -> Iterator[None]:
    """Turn what the system refuses in a folder into one sentence."""
    try:
        yield
    except OSError as error:
        way_out = "make room or give another" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give another"
        raise UserError(f"The folder {str(folder)!r} cannot be written ({error.strerror}); {way_out}.") from None


def tried(make: Callable[[], Made]) -> Made:
    """Repeat what fails because another process removes a folder at the same moment, as the last that leaves it."""
    for _ in range(20):
        # The second is what mkdir raises if the folder has gone when it looks whether it is one.
        with suppress(FileNotFoundError, FileExistsError):
            return make()
    return make()


def _is_full(error: BaseException) -> bool:
    by_number = isinstance(error, OSError) and error.errno in _FULL
    return by_number or any(text in str(error) for text in _FULL_TEXTS)


def _without_inodes(place: Path) -> bool:
    """Whether the file system has space, but no room for one more file."""
    # Windows has no statvfs.
    with suppress(OSError, AttributeError):
        # The place itself may not exist yet; the nearest folder above it is on the same disk.
        found = os.statvfs(next(folder for folder in (place, *place.absolute().parents) if folder.exists()))
        # File systems without a limit, such as Btrfs, report 0 inodes.
        return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0
    return False
