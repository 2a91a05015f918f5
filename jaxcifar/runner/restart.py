"""What `--restart` may delete: the records of the planned runs, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from jaxcifar import records
from jaxcifar.config import UserError
from jaxcifar.records import judged, manifest, pictures
from jaxcifar.runner import worker
from jaxcifar.runner.plan import PlannedStudy

EARLIER = "speed.json"
"""Written by the first version."""
FILES = {
    *(records.CONFIG, records.ENVIRONMENT, records.METRICS, records.STEPS, records.SUMMARY, records.MEASURES),
    *(pictures.GRADIENTS, pictures.FEATURES, pictures.PREDICTIONS),
    *(manifest.FILE, judged.FILE, EARLIER),
}
SUFFIXES = (".png", ".svg", ".onnx", ".safetensors", ".partial")
FOLDERS = (records.CHECKPOINTS, "report", "views", "curvature", "tensorboard", "wandb", worker.FOLDER)


def clear(out: Path, planned: Sequence[PlannedStudy], only: Sequence[str] = ()) -> None:
    """Delete the records below a folder, except for the locks that are held.

    Args:
        out: the folder.
        planned: the studies whose runs are deleted, with the runs that an earlier manifest of theirs names.
        only: names of folders below `out`, to delete only these; empty means all of it.

    Raises:
        UserError: the folder holds something else; then nothing is deleted.
    """
    known = {study.folder / item.folder for study in planned for item in study.runs}
    known |= {study.folder / path for study in planned for path in manifest.run_folders(out / study.folder)}
    roots = [root for root in [out / name for name in only] or [out] if root.is_dir()]
    for root in roots:
        _refuse_foreign(root, out, known)
    for path in [path for root in roots for path in root.iterdir()]:
        if path.parent == out and (path.name == worker.FOLDER or records.is_lock(path.name)):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _refuse_foreign(folder: Path, out: Path, known: set[Path]) -> None:
    """Raise UserError if anything below a folder does not belong to the plan."""
    for path in sorted(folder.iterdir()):
        place = path.relative_to(out)
        if path.is_symlink() or not _is_own(path, place, known):
            raise UserError(
                f"--restart would delete {str(place)!r} in {out}, which does not belong to this plan; "
                "move it away or give another --out."
            )
        if path.is_dir() and path.name not in FOLDERS:
            _refuse_foreign(path, out, known)


def _is_own(path: Path, place: Path, known: set[Path]) -> bool:
    if path.is_file():
        return path.name in FILES or path.suffix in SUFFIXES or records.is_lock(path.name)
    return (
        path.name in FOLDERS
        or path.name.startswith(".report-")
        or any(place == run or place in run.parents for run in known)
    )
