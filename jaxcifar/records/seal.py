"""The digests of a finished run's files, kept in its summary, and of other JSON files, kept in each of them.

Damage that leaves a file readable is told by them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxcifar.records import forms
from jaxcifar.records.files import finite, read_json, write_json

KEY = "sha256"
FILES = ("config.json", "environment.json", "metrics.jsonl", "steps.npz", "measures.json")
OWN = "summary.json"


def sealed(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary with the SHA-256 of the run's other files and of itself."""
    # The digest is that of what a reader gets back: null in place of NaN.
    plain = finite({key: value for key, value in summary.items() if key != KEY})
    digests = {name: digest for name in FILES if (digest := of_file(folder / name))}
    return {**plain, KEY: {**digests, OWN: _of_value(plain)}}


def broken(folder: Path, summary: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return each file that is not as the run left it, with a sentence; none for records without digests."""
    digests = summary.get(KEY)
    if not isinstance(digests, dict):
        return []
    now = {name: of_file(folder / name) for name in FILES}
    now[OWN] = _of_value({key: value for key, value in summary.items() if key != KEY})
    return [
        (folder / name, f"{folder / name} is not as the run left it (its SHA-256 is another); its values may be wrong.")
        for name, digest in digests.items()
        if now.get(name) != digest
    ]


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file by an object with its own SHA-256 in it."""
    # As it is read, without the characters that a reader replaces.
    plain = forms.parse(json.dumps(finite(value)))
    write_json(path, {**plain, KEY: _of_value(plain)})


def read(path: Path, problems: list[str] | None = None) -> dict[str, Any]:
    """Return the object of a file that `write` wrote, as `read_json` does; earlier versions wrote it without a digest.

    Args:
        path: the file.
        problems: receives a sentence that names a file which cannot be read or is not as it was written.
    """
    value = read_json(path, problems)
    digest = value.pop(KEY, None)
    if digest is not None and digest != _of_value(value) and problems is not None:
        problems.append(f"{path} is not as it was written (its SHA-256 is another); its values may be wrong.")
    return value


def of_rows(rows: Any) -> str:
    """Return the SHA-256 of rows of metrics, as they are written."""
    return _of_value(finite(rows))


def _of_value(value: Any) -> str:
    # Sorted keys make the digest independent of their order.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def of_file(path: Path) -> str | None:
    """Return the SHA-256 of a file, None where it cannot be read."""
    with suppress(OSError), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None
