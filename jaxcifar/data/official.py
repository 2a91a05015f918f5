"""Read the official files of CIFAR-100, SVHN and Fashion-MNIST, checked; nothing is downloaded and no code is run."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.data.dataset import Dataset
from jaxcifar.data.own import Split, assemble
from jaxcifar.data.unpickle import UnsafePickleError, load_dict
from jaxcifar.errors import UserError

LARGEST = 256 << 20  # bytes of a file after decompression; the largest official one, SVHN's training images, has 226e6
PIXELS = 3_072
MD5 = {
    "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""Published checksums; only files that have them carry the data set's plain name."""
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
DIGITS = tuple("0123456789")
WHERE = {
    "cifar100": "the unpacked cifar-100-python.tar.gz or cifar-100-binary.tar.gz",
    "svhn": "train_32x32.mat and test_32x32.mat",
    "fashion_mnist": "train-images-idx3-ubyte.gz and the three other files of its kind",
}


def read(source: str, path: Path) -> Dataset:
    """Return all images of a data set from a folder with its official files.

    Args:
        source: `cifar100`, `svhn` or `fashion_mnist`.
        path: the folder.

    Returns:
        The images. The name is the source's where published checksums prove the files, else `<source>-unverified`.

    Raises:
        UserError: a file is missing, damaged or of another form, or a label is outside of the classes.
    """
    readers: Mapping[str, Callable[[Path], Any]] = {"cifar100": _cifar100, "svhn": _svhn, "fashion_mnist": _fashion}
    if not path.is_dir():
        raise UserError(f"There is no folder {path}; for {source} data.dir must name one with {WHERE[source]}.")
    train, test, names, proven = readers[source](path)
    return assemble(source if proven else f"{source}-unverified", train, test, names)


def _file(folder: Path, name: str, source: str) -> Path:
    found = folder / name
    if not found.is_file():
        raise UserError(f"{found} is missing; for {source} data.dir must name a folder with {WHERE[source]}.")
    if found.stat().st_size > LARGEST:
        raise UserError(f"{found} has {found.stat().st_size:,} bytes, more than any file of {source}.")
    return found


def _is_official(path: Path, name: str = "") -> bool:
    expected = MD5.get(name or path.name)
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == expected


def _cifar100(path: Path) -> tuple[Split, Split, tuple[str, ...], bool]:
    places = (path, path / "cifar-100-python", path / "cifar-100-binary")
    for place in places:
        if (place / "train.bin").is_file():
            parts = [_cifar100_binary(_file(place, f"{name}.bin", "cifar100")) for name in ("train", "test")]
            text = place / "fine_label_names.txt"
            names = tuple(text.read_text(errors="replace").split()) if text.is_file() else ()
            return parts[0], parts[1], _hundred(names), False
        if (place / "train").is_file():
            files = [_file(place, name, "cifar100") for name in ("train", "test")]
            parts = [_cifar100_python(file) for file in files]
            proven = all(_is_official(file, f"cifar-100-python/{file.name}") for file in files)
            return parts[0], parts[1], _hundred(_names(place / "meta")), proven
    raise UserError(f"{path} holds no CIFAR-100; data.dir must name a folder with {WHERE['cifar100']}.")


def _hundred(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) == 100 else tuple(str(label) for label in range(100))


def _cifar100_binary(file: Path) -> Split:
    raw = np.fromfile(file, np.uint8)
    if not raw.size or raw.size % (2 + PIXELS):
        raise UserError(f"{file} has {raw.size:,} bytes, not a multiple of {2 + PIXELS:,}; copy it again.")
    records = raw.reshape(-1, 2 + PIXELS)
    # Byte 0 is the coarse label, byte 1 the fine one.
    return Split(_planes(records[:, 2:]), records[:, 1].astype(np.int32), str(file))


def _cifar100_python(file: Path) -> Split:
    batch = _unpickled(file, "data", "fine_labels")
    pixels, labels = batch.get("data"), batch.get("fine_labels")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        raise UserError(f"{file} is not a file of CIFAR-100: it needs an array `data`, uint8 [N, {PIXELS:,}].")
    # A pickle can hold integers of any length, so they are bounded before NumPy converts them.
    if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise UserError(f"{file} is not a file of CIFAR-100: it needs a list `fine_labels` of whole numbers.")
    return Split(_planes(pixels), np.array(labels, np.int64), str(file))


def _unpickled(file: Path, *keys: str) -> dict[str, Any]:
    try:
        return load_dict(file.read_bytes(), *keys)
    except UnsafePickleError as error:
        raise UserError(f"{file} is refused and was not run: its pickle holds {error}, not only arrays.") from error
    except ValueError as error:
        raise UserError(f"{file} is not a whole file of CIFAR-100 ({error}); copy it again.") from error


def _names(meta: Path) -> tuple[str, ...]:
    if not os.path.lexists(meta):
        return ()
    found = _unpickled(meta, "fine_label_names").get("fine_label_names")
    if not isinstance(found, list):
        raise UserError(f"{meta} is not a file of CIFAR-100: it needs a list `fine_label_names`; copy it again.")
    return tuple(n.decode("ascii", "replace") if isinstance(n, bytes) else str(n) for n in found[:1000])


def _planes(flat: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _svhn(path: Path) -> tuple[Split, Split, tuple[str, ...], bool]:
    files = [_file(path, f"{name}_32x32.mat", "svhn") for name in ("train", "test")]
    train, test = (_svhn_split(file) for file in files)
    return train, test, DIGITS, all(_is_official(file) for file in files)


def _svhn_split(file: Path) -> Split:
    from scipy.io import loadmat

    try:
        found = loadmat(file, variable_names=("X", "y"))
        images, labels = np.asarray(found["X"]), np.asarray(found["y"])
    except Exception as error:  # a damaged file raises errors of several kinds
        raise UserError(f"{file} is not a file of SVHN with X and y ({error}); copy it again.") from error
    if images.dtype != np.uint8 or images.shape[:3] != (32, 32, 3) or labels.shape != (images.shape[-1], 1):
        raise UserError(f"{file} has X {images.dtype} {images.shape} and y {labels.shape}; SVHN has [32, 32, 3, N].")
    labels = labels[:, 0].astype(np.int64)
    # The digit 0 has the label 10 in the official files.
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), np.where(labels == 10, 0, labels), str(file))


def _fashion(path: Path) -> tuple[Split, Split, tuple[str, ...], bool]:
    place = path / "FashionMNIST" / "raw" if (path / "FashionMNIST" / "raw").is_dir() else path
    parts, proven = [], True
    for split in ("train", "t10k"):
        arrays = []
        for kind, sides in (("images-idx3", 3), ("labels-idx1", 1)):
            packed = place / f"{split}-{kind}-ubyte.gz"
            file = packed if packed.is_file() else _file(place, f"{split}-{kind}-ubyte", "fashion_mnist")
            proven = proven and _is_official(file)
            arrays.append(_idx(file, sides))
        parts.append(Split(arrays[0], arrays[1].astype(np.int64), str(place / split)))
    return parts[0], parts[1], CLOTHES, proven


def _idx(file: Path, sides: int) -> np.ndarray:
    """An IDX file of bytes: 0, 0, 8, number of sides, each side as four bytes, then the values."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            # One byte over the limit is enough for the length check below to refuse a larger file.
            raw = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} cannot be read ({error}); copy it again.") from error
    header = 4 + 4 * sides
    shape = tuple(int.from_bytes(raw[start : start + 4], "big") for start in range(4, header, 4))
    # Python's integers do not overflow.
    if raw[:4] != bytes((0, 0, 8, sides)) or len(raw) - header != math.prod(shape):
        raise UserError(f"{file} is not a whole IDX file of bytes with {sides} sides; copy it again.")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)
