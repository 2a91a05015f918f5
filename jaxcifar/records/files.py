"""Files that are replaced as a whole, and JSON and array files that tell of damage instead of raising."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxcifar.errors import UserError

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
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        if problems is not None:
            problems.append(f"{path} cannot be read: {error}")
        return {}
    return value if isinstance(value, dict) else {}


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
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # a damaged zip raises errors of several libraries
        if problems is not None:
            problems.append(f"{path} cannot be read: {error}")
        return {}


def finite(value: Any) -> Any:
    """Return the value with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
