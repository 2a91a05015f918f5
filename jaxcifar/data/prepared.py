"""A copy of CIFAR-10 that tensorflow-datasets has prepared, read without TensorFlow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.data import formats
from jaxcifar.data.dataset import Dataset
from jaxcifar.data.library import tensorflow_datasets

READABLE, CHUNK = "array_record", 5_000


def find(data_dir: Path, notify: Callable[[str], None], rows: int = formats.ROWS) -> Dataset | None:
    """The newest prepared copy that can be read without TensorFlow, or None.

    Args:
        data_dir: tensorflow-datasets' folder; copies lie in `cifar10/<version>`.
        notify: told of each copy that is passed over, and why.
        rows: a sixth of the images: those of the test set.

    Returns:
        All images in the official order, that of their ids; `cifar10` only if their checksums are the published ones.
    """
    for folder in sorted(_versions(data_dir), key=_numbers, reverse=True):
        try:
            if (kind := _format(folder)) != READABLE:
                notify(
                    f"{folder} is passed over: it is a {kind} copy, which only TensorFlow reads; {READABLE} is needed."
                )
                continue
            return _read(data_dir, folder, rows)
        except Exception as error:  # a damaged copy can raise nearly anything, and nobody asked for this one by name
            notify(f"{folder} is passed over: it cannot be read as CIFAR-10 ({error}).")
    return None


def _versions(data_dir: Path) -> list[Path]:
    return [path.parent for path in data_dir.glob("cifar10/*/dataset_info.json") if path.parent.name[0].isdigit()]


def _numbers(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".") if part.isdigit()]


def _format(folder: Path) -> str:
    """The file format that dataset_info.json names; a copy that names none is a TFRecord one."""
    match json.loads((folder / "dataset_info.json").read_text()):
        case {"fileFormat": str(kind)}:
            return kind
    return "tfrecord"


def _read(data_dir: Path, folder: Path, rows: int) -> Dataset:
    with tensorflow_datasets() as tfds:
        sources = tfds.data_source(
            f"cifar10:{folder.name}",
            data_dir=data_dir,
            download=False,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        parts = [_decode(sources[name], name, size) for name, size in (("train", 5 * rows), ("test", rows))]
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    line = (folder / "name.txt").read_bytes() if (folder / "name.txt").is_file() else b""
    return formats.build(images, labels, formats.official_pixels(images, labels), line, folder)


def _decode(source: Any, split: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, 3] and labels [N] of a split, sorted by id; opening the PNGs here halves the time."""
    from PIL import Image

    if len(source) != size:
        raise ValueError(f"{split} has {len(source):,} images, not {size:,}")
    images, labels = np.empty((size, 32, 32, 3), np.uint8), np.empty(size, np.int32)
    filled = np.zeros(size, bool)
    for start in range(0, size, CHUNK):
        for example in source.__getitems__(list(range(start, min(start + CHUNK, size)))):
            place = int(example["id"].decode().removeprefix(f"{split}_"))
            images[place] = np.asarray(Image.open(io.BytesIO(example["image"]), formats=("PNG",)))
            labels[place], filled[place] = example["label"], True
    if not filled.all() or labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            f"the ids of {split} are not {split}_00000 to {split}_{size - 1:05d}, or a label is not 0 to 9"
        )
    return images, labels
