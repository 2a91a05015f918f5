"""Deleting for a restart: the records of the planned runs, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from jaxcifar.errors import UserError, check_name
from jaxcifar.records import judged, lock, manifest, pictures, report, run, snapshots
from jaxcifar.records.files import local_path

EARLIER = "speed.json"
"""Written by the first version."""
FILES = {
    *run.RUN_FILES,
    *(pictures.GRADIENTS, pictures.FEATURES, pictures.PREDICTIONS),
    *(manifest.FILE, judged.FILE, EARLIER),
    *(report.CURVES, run.EXPORTED),
}
PARTIAL = ".partial"
FOLDERS = (run.CHECKPOINTS, report.FOLDER, pictures.FOLDER, snapshots.FOLDER, "tensorboard", "wandb", lock.WORKERS)


def check_free(what: str, name: str) -> None:
    """Raise UserError unless a name of a study or a member is one of files and none of the program's own folders."""
    check_name(what, name)
    if name in (run.CHECKPOINTS, report.FOLDER):  # in which no records are looked for
        raise UserError(f"{what} {name!r}, as a folder of the program's own is called; take another name.")


def clear(
    out: Path, known: Collection[Path] = (), only: Sequence[str] = (), needed: Collection[str | None] = ()
) -> None:
    """Delete the records below a folder, except for the locks that are held.

    Args:
        out: the folder.
        known: the folders below `out` that hold a run; empty where `out` itself is the only one.
        only: names of folders below `out`, to delete only these; empty means all of it.
        needed: what the runs start from (`Run.init_from`).

    Raises:
        UserError: the folder holds something else, or what a run starts from; then nothing is deleted.
    """
    roots = [root for root in [out / name for name in only] or [out] if root.is_dir()]
    for root in roots:
        for source in filter(None, needed):
            if local_path("init_from", source).resolve().is_relative_to(root.resolve()):
                raise UserError(
                    f"A restart would delete {source}, from whose weights the run starts; give another --out."
                )
        _refuse_foreign(root, out, known)
    # Deleting starts only here, after every root has been checked.
    for path in [path for root in roots for path in root.iterdir()]:
        if path.parent == out and (path.name == lock.WORKERS or lock.is_lock(path.name)):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _refuse_foreign(folder: Path, out: Path, known: Collection[Path]) -> None:
    """Raise UserError if anything below a folder does not belong to the runs."""
    for path in sorted(folder.iterdir()):
        place = path.relative_to(out)
        if path.is_symlink() or not _is_own(path, place, known):
            raise UserError(
                f"A restart would delete {str(place)!r} in {out}, which does not belong to this plan; "
                "move it away or give another --out."
            )
        # Other libraries choose the names inside these folders, such as those of a checkpoint.
        if path.is_dir() and path.name not in FOLDERS:
            _refuse_foreign(path, out, known)


def _is_own(path: Path, place: Path, known: Collection[Path]) -> bool:
    if path.is_file():
        return path.name in FILES or path.suffix == PARTIAL or lock.is_lock(path.name)
    return (
        path.name in FOLDERS
        or path.name.startswith(".report-")
        or any(place == holder or place in holder.parents for holder in known)
    )
