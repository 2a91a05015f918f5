"""What the curvature measures leave in a run folder, and how it is read back."""

from __future__ import annotations

from pathlib import Path

from jaxcifar.records.files import Arrays, read_arrays
from jaxcifar.records.study import StudyResults

FOLDER = "curvature"
MEASURES = ("eigenvalues", "trace", "density", "sharpness", "plane", "trajectory")


def path(folder: Path, measure: str) -> Path:
    """Where a run folder keeps a measure: arrays whose first axis, where they have one, is that of `steps`."""
    return folder / FOLDER / f"{measure}.npz"


def read(folder: Path, measure: str) -> Arrays:
    """A measure's arrays, empty where it was not taken or is damaged."""
    return read_arrays(path(folder, measure))


def by_member(study: StudyResults, measure: str) -> dict[str, dict[int, Arrays]]:
    """A measure's arrays of every run that has them, by member and seed."""
    found: dict[str, dict[int, Arrays]] = {}
    for run in study.runs:
        arrays = read(run.folder, measure)
        if "steps" in arrays:
            found.setdefault(run.member, {})[run.seed] = arrays
    return found
