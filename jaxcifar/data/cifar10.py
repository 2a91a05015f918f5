"""Loading what a config asks for: CIFAR-10 from a given place, a prepared copy or a download; or shapes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from jaxcifar.config import Data, UserError
from jaxcifar.data import download, formats, prepared, shapes
from jaxcifar.data.dataset import Dataset, split_rows, subset

VARIABLE = "JAXCIFAR_DATA"
FALLBACK = """\
*****************************************************************************
  CIFAR-10 was not found on this disk: this run uses `shapes`, a procedural
  set of ten classes, and its figures say nothing about CIFAR-10.
  For CIFAR-10:  --data.source cifar10  (downloads 162 MiB), or
                 --data.dir DIR, or $JAXCIFAR_DATA
*****************************************************************************"""


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def load(config: Data, notify: Callable[[str], None] = _to_stderr) -> Dataset:
    """The images that a config asks for.

    A place given by `data.dir` or $JAXCIFAR_DATA is final. Else CIFAR-10 is looked for as a copy that
    tensorflow-datasets has prepared, then as an earlier download of its; only the source `cifar10` downloads, and only
    `auto` falls back to shapes.

    Args:
        config: source, place and subset.
        notify: takes each notice meant for the user, e.g. that `auto` fell back to shapes.

    Returns:
        The data set, subset taken; name and fingerprint as records want them.

    Raises:
        UserError: CIFAR-10 is not where it should be, or is damaged; or more images are asked for than there are.

    Examples:
        >>> load(Data(source="shapes", train_size=500, test_size=100)).train_images.shape
        (500, 32, 32, 3)
    """
    rows = split_rows(config)
    given = config.dir or os.environ.get(VARIABLE)
    match config.source:
        case "shapes":
            if config.dir:
                raise UserError(f"data.dir is {config.dir!r} but data.source is shapes, which reads none; drop one.")
            return shapes.make(*rows)
        case "cifar10" | "auto" if given:
            return subset(formats.read(Path(given).expanduser()), config)
        case "cifar10":
            data_dir = _library_folder()
            found = _on_disk(data_dir, notify) or download.fetch(data_dir, download.official(), notify)
            return subset(found, config)
        case "auto":
            try:
                found = _on_disk(_library_folder(), notify)
            except UserError as problem:
                notify(str(problem))
                found = None
            if found:
                return subset(found, config)
            notify(FALLBACK)
            return shapes.make(*rows)


def _library_folder() -> Path:
    """Where tensorflow-datasets keeps its data."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _on_disk(data_dir: Path, notify: Callable[[str], None]) -> Dataset | None:
    """CIFAR-10 from tensorflow-datasets' folder, if it is there; the library is imported only if something is."""
    found = prepared.find(data_dir, notify)
    if found is None and (data_dir / "downloads").is_dir():
        found = download.earlier(data_dir, download.official(), notify)
    return found
