"""Read a copy of CIFAR-10 that tensorflow-datasets has prepared, without TensorFlow."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.data import formats
from jaxcifar.data.dataset import Dataset

READABLE, CHUNK = "array_record", 5_000


def find(data_dir: Path, notify: Callable[[str], None], rows: int = formats.ROWS) -> Dataset | None:
    """Return the newest prepared copy that can be read without TensorFlow, or None.

    Args:
        data_dir: tensorflow-datasets' folder, which keeps copies in `cifar10/<version>`.
        notify: told which copies are skipped, and why.
        rows: number of test images, a sixth of all images.

    Returns:
        All images in the official order, which is the order of their ids.
    """
    versions = [path.parent for path in data_dir.glob("cifar10/*/dataset_info.json") if path.parent.name[0].isdigit()]
    for folder in sorted(versions, key=_version_numbers, reverse=True):
        try:
            if (kind := _format(folder)) != READABLE:
                notify(f"{folder} is skipped: only TensorFlow reads a {kind} copy; {READABLE} is needed.")
                continue
            return _read(data_dir, folder, rows)
        except Exception as error:  # a damaged copy can raise nearly anything, and the user did not name this one
            notify(f"{folder} is skipped: it cannot be read as CIFAR-10 ({error}).")
    return None


def _version_numbers(folder: Path) -> list[int]:
    # As numbers, so that 3.10 is newer than 3.9.
    return [int(part) for part in folder.name.split(".") if part.isdigit()]


def _format(folder: Path) -> str:
    """The file format that dataset_info.json names; tfrecord where it names none."""
    match json.loads((folder / "dataset_info.json").read_text()):
        case {"fileFormat": str(kind)}:
            return kind
    return "tfrecord"


def _read(data_dir: Path, folder: Path, rows: int) -> Dataset:
    with warnings.catch_warnings():  # a user can do nothing about them
        warnings.simplefilter("ignore")
        import tensorflow_datasets as tfds  # here, because it takes seconds

        sources: Any = tfds.data_source(
            f"cifar10:{folder.name}",
            data_dir=data_dir,
            download=False,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        parts = [_decode(sources[name], name, size) for name, size in (("train", 5 * rows), ("test", rows))]
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return formats.build(images, labels, formats.name_line(folder), folder)


def _decode(source: Any, split: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, 3] and labels [N] of a split, sorted by id; to open the PNGs here halves the time."""
    from PIL import Image

    if len(source) != size:
        raise ValueError(f"{split} has {len(source):,} images, not {size:,}")
    # The label -1 marks rows whose id does not occur.
    images, labels = np.empty((size, 32, 32, 3), np.uint8), np.full(size, -1, np.int32)
    for start in range(0, size, CHUNK):
        for example in source.__getitems__(list(range(start, min(start + CHUNK, size)))):
            row = int(example["id"].decode().removeprefix(f"{split}_"))
            # Only Pillow's PNG reader may open the bytes, whatever format they claim.
            images[row] = np.asarray(Image.open(io.BytesIO(example["image"]), formats=("PNG",)))
            labels[row] = example["label"]
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if wrong.size:
        raise ValueError(f"{split}_{wrong[0]:05d} is missing, or its label is not 0 to 9")
    return images, labels
