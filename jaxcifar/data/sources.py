"""Load the images that a config asks for: CIFAR-10 from the disk or a download, or shapes."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jaxcifar.config import Data
from jaxcifar.data import download, formats, official, own, prepared, shapes
from jaxcifar.data.dataset import Dataset, split_rows, subset
from jaxcifar.errors import UserError

VARIABLE = "JAXCIFAR_DATA"
FALLBACK = """\
*****************************************************************************
  CIFAR-10 was not found on this disk: this run uses `shapes`, a procedural
  set of ten classes, and its figures say nothing about CIFAR-10.
  For CIFAR-10:  --data.source cifar10  (downloads 162 MiB), or
                 --data.dir DIR, or $JAXCIFAR_DATA
*****************************************************************************"""


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def load(config: Data, notify: Callable[[str], None] = _to_stderr) -> Dataset:
    """Return the images that a config asks for.

    A path given by `data.dir` or $JAXCIFAR_DATA is final. Otherwise CIFAR-10 is looked for as a copy that
    tensorflow-datasets has prepared, then as an earlier download. Only the source `cifar10` downloads, and only `auto`
    falls back to shapes.

    Args:
        config: source, path and subset.
        notify: receives each notice for the user, e.g. that `auto` fell back to shapes.

    Returns:
        The subset that was asked for, with the name and fingerprint of the whole data set.

    Raises:
        UserError: CIFAR-10 is not found, a file is damaged or cannot be read, or the config asks for more images than
            exist.

    Examples:
        >>> load(Data(source="shapes", train_size=500, test_size=100)).train_images.shape
        (500, 32, 32, 3)
    """
    try:
        return _load(config, notify)
    except OSError as error:
        if error.filename is None:
            raise
        raise UserError(
            f"{os.fsdecode(error.filename)} cannot be read ({error.strerror}); mend it, or give another data.dir."
        ) from error


def _load(config: Data, notify: Callable[[str], None]) -> Dataset:
    if not config.has_cifar_form:
        return subset(_own(config), config)
    # Before the images are looked for, so that a subset that is too large does not cost a download.
    rows = split_rows(config)
    given = config.dir or os.environ.get(VARIABLE)
    match config.source:
        case "shapes":
            if config.dir:
                raise UserError(f"data.dir is {config.dir!r} but data.source is shapes, which reads none; drop one.")
            return shapes.make(*rows)
        case "cifar10" | "auto" if given:
            return subset(formats.read(_expanded(given), notify), config)
        case "cifar10":
            folder = data_folder(notify)
            return subset(_on_disk(folder, notify) or download.fetch(folder, notify), config)
        case _:  # auto
            if found := _on_disk(data_folder(notify), notify):
                return subset(found, config)
            notify(FALLBACK)
            return shapes.make(*rows)


def _own(config: Data) -> Dataset:
    """All images of a source that is neither CIFAR-10 nor shapes."""
    if config.source == "arrays":
        if config.arrays is None:
            raise UserError(
                "The images of this run were arrays in Python, which a record does not hold; give them again by "
                "data=jaxcifar.arrays(…)."
            )
        return config.arrays
    if config.dir is None:
        what = official.WHERE.get(config.source, "your images")
        raise UserError(f"data.source is {config.source} without data.dir; give the place of {what}.")
    path = _expanded(config.dir)
    match config.source:
        case "npz":
            return own.read_npz(path, config)
        case "folder":
            return own.read_folder(path, config)
        case source:
            return official.read(source, path)


def located(config: Data, moved: Path | None) -> Data:
    """Return where a record's data are looked for now: in a folder that the user names, else where they were.

    A folder of CIFAR-10 that is gone is dropped, so that $JAXCIFAR_DATA and the usual places count.
    """
    if moved is not None:
        return replace(config, dir=str(moved))
    gone = config.has_cifar_form and config.dir is not None and not _expanded(config.dir).exists()
    return replace(config, dir=None) if gone else config


def data_folder(notify: Callable[[str], None] = _to_stderr) -> Path:
    """Return the data folder of tensorflow-datasets, or a temporary folder if it does not exist.

    It is $TFDS_DATA_DIR, or `~/tensorflow_datasets`. A user without a home folder (usual in containers) gets a folder
    of the user's own below the system's temporary folder, and so does one whose variable names a bucket.
    """
    named = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    try:
        if "://" not in named:
            return Path(named).expanduser()
        reason = f"$TFDS_DATA_DIR is {named!r}, which is not a folder of this computer"
    except RuntimeError:
        reason = "This user has no home folder"
    # Windows has no getuid; int() is 0, which is also the owner that Windows reports for every file.
    user = getattr(os, "getuid", int)()
    folder = Path(tempfile.gettempdir()) / f"tensorflow_datasets-{user}"
    # In a temporary folder that all users share, another user may have made one of this name.
    if os.path.lexists(folder) and (folder.is_symlink() or folder.stat().st_uid != user):
        folder = Path(tempfile.mkdtemp(prefix="tensorflow_datasets-"))
    notify(f"{reason}, so CIFAR-10 is kept in {folder}; $TFDS_DATA_DIR can name another folder.")
    return folder


def _expanded(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"data.dir or ${VARIABLE} is {given!r}, but there is no such home folder; name a path."
        ) from error


def _on_disk(folder: Path, notify: Callable[[str], None]) -> Dataset | None:
    """CIFAR-10 from tensorflow-datasets' folder, if it is there."""
    return prepared.find(folder, notify) or download.earlier(folder, notify)
