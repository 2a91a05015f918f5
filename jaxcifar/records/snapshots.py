"""Files that the snapshot measures write into a run folder, and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcifar.records import seal
from jaxcifar.records.files import Arrays, read_arrays, write_arrays

FOLDER = "curvature"


def path(folder: Path, measure: str) -> Path:
    """Return where a run folder keeps a measure's arrays."""
    return folder / FOLDER / f"{measure}.npz"


def write(folder: Path, measure: str, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Replace a measure's arrays, its settings and the description of its figures.

    Args:
        folder: the run folder.
        measure: its name.
        arrays: by name; the first axis of those over snapshots is that of `steps`.
        about: `measure`, the JSON of its class, and `displays`, the JSON of its figures.
    """
    # `taken` finds a measure by its arrays, so they are written last, and old ones go first: after an interruption the
    # measure was not taken, and no settings stand beside the arrays of others.
    path(folder, measure).unlink(missing_ok=True)
    seal.write(path(folder, measure).with_suffix(".json"), about)
    write_arrays(path(folder, measure), arrays)


def read(folder: Path, measure: str) -> Arrays:
    """Return a measure's arrays, empty where it was not taken or is damaged."""
    return read_arrays(path(folder, measure))


def read_about(folder: Path, measure: str) -> dict[str, Any]:
    """Return `measure` and `displays` of a measure, empty for records of versions that did not keep them."""
    return seal.read(path(folder, measure).with_suffix(".json"))


def taken(folder: Path) -> list[str]:
    """Return the names of the measures that a run folder holds."""
    return sorted(found.stem for found in (folder / FOLDER).glob("*.npz"))
