"""The official layouts of CIFAR-10, read and checked: binary or Python batches, in a folder or a .tar.gz."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from jaxcifar.config import UserError
from jaxcifar.data.dataset import TRAIN_SIZE, Dataset, fingerprint
from jaxcifar.data.unpickle import UnsafePickleError, load_plain

ROWS, PIXELS = 10_000, 3_072
BINARY_SIZE = ROWS * (1 + PIXELS)
LARGEST_BATCH = 64 << 20  # bytes; an official Python batch has 31 million

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
BINARY, PYTHON = tuple(f"{name}.bin" for name in BATCHES), BATCHES
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# MD5: the archives' on the data set's own page, the batches' in torchvision.datasets.CIFAR10; none is published for .bin files.
ARCHIVE_MD5 = {"c32a1d4ab5d03f1284b67883e8d87530", "c58f30108f718f92721af3b95e74349a"}
BATCH_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
OFFICIAL, UNVERIFIED = "cifar10", "cifar10-unverified"


def read(path: Path) -> Dataset:
    """All of CIFAR-10 from one place on the disk.

    Args:
        path: a folder that holds the batches, or `cifar-10-batches-bin`, `cifar-10-batches-py` or an official archive;
            or such a .tar.gz itself.

    Returns:
        All 50,000 and 10,000 images. The name is `cifar10` where a published checksum proves the files, else the line
        in the folder's `name.txt`, else `cifar10-unverified`.

    Raises:
        UserError: the path is missing or empty, a file is missing, truncated or damaged, a label is above 9, or a
            pickle names anything but NumPy arrays.
    """
    try:
        return _read(path)
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


def _read(path: Path) -> Dataset:
    if not path.exists():
        raise UserError(f"There is no {path}; data.dir or $JAXCIFAR_DATA must name a folder or a .tar.gz of CIFAR-10.")
    if path.is_file():
        return _read_archive(path)
    for folder in (path, *(path / name for name in FOLDERS)):
        for layout in (BINARY, PYTHON):
            if any((folder / name).exists() for name in layout):
                return _read_folder(folder, layout)
    for name in ARCHIVES:
        if (path / name).is_file():
            return _read_archive(path / name)
    raise UserError(
        f"{path} holds no CIFAR-10: it should hold {BINARY[0]} or {PYTHON[0]} and their five sisters, "
        f"a folder {' or '.join(FOLDERS)}, or {' or '.join(ARCHIVES)}."
    )


def _read_folder(folder: Path, layout: tuple[str, ...]) -> Dataset:
    for name in layout:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; CIFAR-10 has six batches, so copy that one there too.")
        _check_size(str(folder / name), name, (folder / name).stat().st_size)
    given = folder / "name.txt"
    files = ((str(folder / name), name, (folder / name).read_bytes()) for name in layout)
    return _assemble(files, str(folder), given.read_bytes() if given.is_file() else b"", proven=False)


def _read_archive(path: Path) -> Dataset:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    named: dict[str, bytes] = {}
    return _assemble(_archive_files(path, named), str(path), named, proven=digest in ARCHIVE_MD5)


def _archive_files(path: Path, named: dict[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """The batches of an archive as (where, name, bytes), read into memory; `name.txt` is left in `named`."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name not in (*BINARY, *PYTHON, "name.txt"):
                    continue
                tarfile.data_filter(member, str(path.parent))
                where = f"{path}:{member.name}"
                _check_size(where, name, member.size)
                content = archive.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UserError(f"{where} is no regular file.")
                if name == "name.txt":
                    named[name] = content.read()
                else:
                    yield where, name, content.read()
    except tarfile.FilterError as error:
        raise UserError(f"{path} is refused as unsafe: {error}.") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is no whole .tar.gz ({error}); download it again.") from error


def _check_size(where: str, name: str, size: int) -> None:
    if name in BINARY and size != BINARY_SIZE:
        raise UserError(f"{where} has {size:,} bytes; a whole one has {BINARY_SIZE:,}, so copy it again.")
    if size > LARGEST_BATCH:
        raise UserError(f"{where} has {size:,} bytes; a batch of CIFAR-10 has about 31 million, so it is another file.")


def _assemble(
    files: Iterable[tuple[str, str, bytes]], source: str, named: dict[str, bytes] | bytes, proven: bool
) -> Dataset:
    images = np.empty((len(BATCHES) * ROWS, 32, 32, 3), np.uint8)
    labels = np.empty(len(BATCHES) * ROWS, np.int32)
    found: dict[str, bool] = {}
    for where, name, raw in files:
        stem = name.removesuffix(".bin")
        if stem in found:
            raise UserError(f"{where} is there twice; an archive of CIFAR-10 holds each batch once.")
        rows = slice(BATCHES.index(stem) * ROWS, (BATCHES.index(stem) + 1) * ROWS)
        planes, labels[rows] = _decode_binary(raw) if name in BINARY else _decode_python(where, raw)
        images[rows] = planes.reshape(ROWS, 3, 32, 32).transpose(0, 2, 3, 1)
        if labels[rows].max() > 9 or labels[rows].min() < 0:
            raise UserError(f"{where} has a label {labels[rows].max()}; CIFAR-10's are 0 to 9, so it is another file.")
        found[stem] = name in PYTHON and hashlib.md5(raw, usedforsecurity=False).hexdigest() == BATCH_MD5[stem]
    for stem in BATCHES:
        if stem not in found:
            raise UserError(f"{source} has no {stem}; it is no whole CIFAR-10.")
    line = named.get("name.txt", b"") if isinstance(named, dict) else named
    return build(images, labels, OFFICIAL if proven or all(found.values()) else given_name(line, source))


def build(images: np.ndarray, labels: np.ndarray, name: str) -> Dataset:
    """A whole CIFAR-10 of 60,000 images [60000, 32, 32, 3] and their labels, training first."""
    parts = [slice(0, TRAIN_SIZE), slice(TRAIN_SIZE, None)]
    return Dataset(
        name=name,
        fingerprint=fingerprint([images], [labels]),
        class_names=CLASS_NAMES,
        train_images=images[parts[0]],
        train_labels=labels[parts[0]],
        test_images=images[parts[1]],
        test_labels=labels[parts[1]],
    )


def given_name(line: bytes, source: str) -> str:
    """The name that `name.txt` gives; only a checksum gives the plain name."""
    name = line.decode("utf-8", "replace").strip()
    if not name or name in (OFFICIAL, "shapes"):
        return UNVERIFIED
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UserError(
            f"name.txt in {source} says {name[:80]!r}; a name is one word of letters, digits, '.', '_', '-'."
        )
    return name


def _decode_binary(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(raw, np.uint8).reshape(ROWS, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _decode_python(where: str, raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = load_plain(raw)
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except UnsafePickleError as error:
        raise UserError(
            f"{where} is refused and was not run: its pickle names {error}, not only NumPy arrays."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where} is no whole batch of CIFAR-10 ({error}); copy it again.") from error
    if pixels.shape != (ROWS, PIXELS) or pixels.dtype != np.uint8:
        raise UserError(f"{where} has {pixels.dtype} {pixels.shape}; a batch has uint8 {(ROWS, PIXELS)}.")
    if labels.shape != (ROWS,) or labels.dtype.kind not in "iu":
        raise UserError(f"{where} has labels {labels.dtype} {labels.shape}; a batch has {ROWS:,} whole numbers.")
    return pixels, labels
