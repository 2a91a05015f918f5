"""The report's own files: only what an earlier report wrote is replaced or deleted, and no link is followed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from jaxcifar.errors import UserError
from jaxcifar.records import pictures, run, snapshots
from jaxcifar.records.files import read_json, remove_partial, write_json
from jaxcifar.records.liveness import started

FOLDER = "report"
PAGE = "index.html"
CURVES = "curves.png"
"""Beside the report's folder."""
FILES = "files.json"
"""In the report's folder: the names of the files that the report wrote."""
PARTS = ("figures", "tables")
MARK = b'<p class="kicker">jaxcifar'
"""What pages of the first version hold, which kept no list of its files."""


def replace(folder: Path, write: Callable[[Path], None]) -> Path:
    """Write a report elsewhere, and put it into place file by file once it is complete.

    Args:
        folder: the folder whose `report/` is replaced.
        write: writes the whole report into an empty folder with the subfolders `figures` and `tables`.

    Returns:
        The page.

    Raises:
        UserError: a link, or a file that no report wrote, is where the report would write; nothing is changed then.
    """
    out = folder / FOLDER
    for place in (out, *(out / part for part in PARTS)):
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise UserError(f"{place} is not a folder of its own, and the report follows no link; move it away.")
    _remove_unfinished(folder)
    # On the file system of the report, so that each file is put into place by an atomic rename.
    with tempfile.TemporaryDirectory(prefix=f"{_BEGUN}{os.getpid()}-", dir=folder) as temporary:
        fresh = Path(temporary)
        for part in PARTS:
            (fresh / part).mkdir()
        write(fresh)
        names = {path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()}
        ours = _written(out, names)
        foreign = sorted(name for name in names - ours if os.path.lexists(out / name))
        if foreign:
            raise UserError(
                f"{out / foreign[0]} was not written by a report; move it away, and give the command again."
            )
        for part in PARTS:
            (out / part).mkdir(parents=True, exist_ok=True)
        # Both lists until all is in place: after an interruption the next report still knows every file.
        write_json(out / FILES, {"files": sorted(ours | names)})
        for name in sorted(names):
            os.replace(fresh / name, out / name)
        for name in ours - names:
            _delete(out / name)
        write_json(out / FILES, {"files": sorted(names)})
    return out / PAGE


@contextmanager
def dated(folder: Path) -> Iterator[None]:
    """Date the page that is written meanwhile to the start, because it shows nothing that was stored later."""
    began = None
    # The time of a file, because the clock of a file server may be another than this machine's. Where none can be made,
    # no page can be written either.
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        began = os.fstat(file.fileno()).st_mtime_ns
    yield
    page = folder / FOLDER / PAGE
    if began is not None and page.stat().st_mtime_ns > began:
        os.utime(page, ns=(began, began))


def is_current(folder: Path) -> bool:
    """Return whether the page was begun after the end of every run and after every picture and measure was stored."""
    shown = (run.SUMMARY, pictures.GRADIENTS, pictures.FEATURES, pictures.PREDICTIONS)
    newest = 0
    for place, below, files in os.walk(folder):
        below[:] = [name for name in below if name not in (run.CHECKPOINTS, FOLDER)]
        whole = Path(place).name in (pictures.FOLDER, snapshots.FOLDER)
        for name in files if whole else set(shown) & set(files):
            with suppress(FileNotFoundError):  # a file that another process was writing
                newest = max(newest, (Path(place) / name).stat().st_mtime_ns)
    page = folder / FOLDER / PAGE
    return page.is_file() and page.stat().st_mtime_ns > newest


_BEGUN = f".report-{re.sub(r'[^A-Za-z0-9.]', '', socket.gethostname())}-"
"""A report that is being written; the number of its process follows."""


def _remove_unfinished(folder: Path) -> None:
    """Delete what killed reports have left; one that is being written by another process stays."""
    # Only those of this host: numbers of processes on another one mean nothing here.
    for path in folder.glob(f"{_BEGUN}*-*"):
        number = path.name.removeprefix(_BEGUN).partition("-")[0]
        if number.isdecimal() and not started(int(number)) and not path.is_symlink():
            shutil.rmtree(path)
    remove_partial(folder / FOLDER)


def _written(out: Path, names: set[str]) -> set[str]:
    """The files of the report that is there; of the first version's those that this report writes again."""
    listed = read_json(out / FILES).get("files")
    if isinstance(listed, list):
        return {name for name in listed if isinstance(name, str) and _is_own(name)}
    page = out / PAGE
    old = page.is_file() and not page.is_symlink() and MARK in page.read_bytes()
    return {name for name in names if not (out / name).is_symlink()} if old else set()


def _is_own(name: str) -> bool:
    """Whether a listed name can be one of a report: the list is a file too, and may have been edited."""
    path = PurePosixPath(name)
    return name == PAGE or (len(path.parts) == 2 and path.parts[0] in PARTS and path.as_posix() == name)


def _delete(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        path.unlink()
