"""Files that are replaced as a whole, and JSON and array files that tell of damage instead of raising."""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxcifar.errors import UserError
from jaxcifar.records import forms

Arrays = dict[str, np.ndarray]


def local_path(name: str, path: str | Path) -> Path:
    """Return a path of this machine, with `~` as the user's home: the shell leaves it alone after `=`.

    Args:
        name: of the flag or the field, for the message.
        path: what the user gave.

    Raises:
        UserError: it is an address such as gs://bucket/runs.
    """
    # A Path has lost one of the two slashes; a single letter is a drive.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise UserError(f"{name} is {str(path)!r}, an address; give a folder or file of this machine's file systems.")
    return Path(os.path.expanduser(path))


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the path's place once it is complete; after an error the old file stays."""
    # In the same folder, because a rename is atomic only within one file system.
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            yield file
            # The data must be on the disk before the rename: a power cut could otherwise leave an empty file.
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def has_partial(folder: Path) -> bool:
    """Return whether a folder holds a file that is being written, or that a killed process had not finished."""
    return any(folder.glob("*.partial"))


def remove_partial(folder: Path) -> None:
    """Delete what a killed process had not finished to write into a folder; call it where the folder's lock is held."""
    for path in folder.glob("*.partial"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file; its folder is made where it is missing, and numbers that are not finite become null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write((json.dumps(finite(value), indent=2) + "\n").encode())


def read_json(path: Path, problems: list[str] | None = None) -> dict[str, Any]:
    """Return the object of a JSON file, empty where it is missing, damaged or not an object.

    Args:
        path: the file.
        problems: receives a sentence that names a file which cannot be read.
    """
    problems = [] if problems is None else problems
    try:
        if not _is_file(path):
            return {}
        value = forms.parse(path.read_bytes())
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return {}
    # No file of a record is written without a field.
    if not isinstance(value, dict) or not value:
        problems.append(f"{path} cannot be read: it holds no JSON object with fields")
        return {}
    return value


def read_lines(path: Path, problems: list[str]) -> list[str]:
    """Return the lines of a text file, none where it is missing or cannot be read; `problems` as in `read_json`."""
    try:
        # A damaged byte must cost one line, not the whole file.
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if _is_file(path) else []
    except OSError as error:
        problems.append(f"{path} cannot be read: {error}")
        return []


def npz(arrays: Mapping[str, Any], compressed: bool = False) -> bytes:
    """Return the bytes of a .npz file, made in memory: on a full disk an unfinished archive would raise once more."""
    stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **stored)
    return buffer.getvalue()


def write_arrays(path: Path, arrays: Mapping[str, Any], compressed: bool = True) -> None:
    """Replace a .npz file; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(npz(arrays, compressed))


def read_arrays(path: Path, problems: list[str] | None = None) -> Arrays:
    """Return the arrays of a .npz file, empty where it is missing or damaged; `problems` as in `read_json`."""
    problems = [] if problems is None else problems
    try:
        if not _is_file(path):
            return {}
        # Checked before anything is unpacked. Up to 16 MiB are unpacked whatever their ratio, since they do no harm.
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > max(LARGEST_RATIO * path.stat().st_size, 2**24):
            raise ValueError(f"it would unpack to {size:,} bytes")
        # A pickle could run code from the file.
        with np.load(path, allow_pickle=False) as stored:
            return {forms.printable(name): stored[name] for name in stored.files}
    except Exception as error:  # a damaged zip raises errors of several libraries
        problems.append(f"{path} cannot be read: {error}")
        return {}


LARGEST_RATIO = 1100
"""Of sizes unpacked and packed: Deflate reaches 1032, so what claims more is damaged."""


def _is_file(path: Path) -> bool:
    """Whether there is a file; raises OSError for anything else in its place."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if os.path.islink(path):
            raise OSError("it is a link to nothing") from None
        return False
    if not stat.S_ISREG(mode):
        raise OSError("it is a folder" if stat.S_ISDIR(mode) else "it is not a file")
    return True


def finite(value: Any) -> Any:
    """Return the value with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    # Before the check of floats, because NumPy's float32 is not one of Python's floats.
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
