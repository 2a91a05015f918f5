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
from jaxcifar.data.dataset import Dataset, fingerprint
from jaxcifar.data.unpickle import UnsafePickleError, load_plain

ROWS, PIXELS = 10_000, 3_072
LARGEST_BATCH = 64 << 20  # bytes; an official Python batch has 31 million

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
BINARY, PYTHON = tuple(f"{name}.bin" for name in BATCHES), BATCHES
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Published by the data set's own page (archives), by torchvision.datasets.CIFAR10 (Python batches) and, in agreement,
# by prabhuomkar/pytorch-cpp and rai-project/dldataset (binary batches).
ARCHIVE_MD5 = ("c32a1d4ab5d03f1284b67883e8d87530", "c58f30108f718f92721af3b95e74349a")
BATCH_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
OFFICIAL, UNVERIFIED = "cifar10", "cifar10-unverified"


def read(path: Path, proven: bool = False, rows: int = ROWS) -> Dataset:
    """All of CIFAR-10 from one place on the disk.

    Args:
        path: a folder that holds the batches, or `cifar-10-batches-bin`, `cifar-10-batches-py` or an official archive;
            or such a .tar.gz itself.
        proven: a published checksum of these files was already checked.
        rows: images in each of the six batches.

    Returns:
        All images, 50,000 and 10,000. The name is `cifar10` where a published checksum proves the files, else the line
        in the folder's `name.txt`, else `cifar10-unverified`.

    Raises:
        UserError: the path is missing or empty, a file is missing, truncated or damaged, a label is above 9, or a
            pickle names anything but NumPy arrays.
    """
    try:
        return _read(path, proven, rows)
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


def _read(path: Path, proven: bool, rows: int) -> Dataset:
    if not path.exists():
        raise UserError(f"There is no {path}; data.dir or $JAXCIFAR_DATA must name a folder or a .tar.gz of CIFAR-10.")
    if path.is_file():
        return _read_archive(path, proven, rows)
    for folder in (path, *(path / name for name in FOLDERS)):
        for layout in (BINARY, PYTHON):
            if any((folder / name).exists() for name in layout):
                return _read_folder(folder, layout, proven, rows)
    for name in ARCHIVES:
        if (path / name).is_file():
            return _read_archive(path / name, proven, rows)
    raise UserError(
        f"{path} holds no CIFAR-10; it should hold {BINARY[0]} or {PYTHON[0]} and their sisters, "
        f"a folder {' or '.join(FOLDERS)}, or {' or '.join(ARCHIVES)}."
    )


def _read_folder(folder: Path, layout: tuple[str, ...], proven: bool, rows: int) -> Dataset:
    for name in layout:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; CIFAR-10 has six batches, so copy that one there too.")
        _check_size(folder / name, name, (folder / name).stat().st_size, rows)
    named = folder / "name.txt"
    names = (*layout, "name.txt") if named.is_file() else layout
    return _assemble(((folder / name, name, (folder / name).read_bytes()) for name in names), folder, proven, rows)


def _read_archive(path: Path, proven: bool, rows: int) -> Dataset:
    if not proven:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        proven = digest in ARCHIVE_MD5
    return _assemble(_archive_files(path, rows), path, proven, rows)


def _archive_files(path: Path, rows: int) -> Iterator[tuple[Path, str, bytes]]:
    """The batches of an archive as (where, name, bytes), read into memory: nothing is written."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                _check_member(path, member)
                where, name = path / member.name, PurePosixPath(member.name).name
                content = archive.extractfile(member) if name in (*BINARY, *PYTHON, "name.txt") else None
                if content is not None:
                    _check_size(where, name, member.size, rows)
                    yield where, name, content.read()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is no whole .tar.gz ({error}); download it again.") from error


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    """Refuses what an extraction would: absolute names, `..`, links and devices (the filter is in Python 3.11.4+)."""
    if not (member.isreg() or member.isdir()):
        raise UserError(f"{path} is refused: {member.name!r} in it is a link or a device, not a file.")
    if hasattr(tarfile, "data_filter"):
        try:
            tarfile.data_filter(member, str(path.parent))
        except tarfile.FilterError as error:
            raise UserError(f"{path} is refused as unsafe: {error}.") from error


def _check_size(where: Path, name: str, size: int, rows: int) -> None:
    if name in BINARY and size != (whole := rows * (1 + PIXELS)):
        raise UserError(f"{where} has {size:,} bytes; a whole one has {whole:,}, so copy it again.")
    if size > LARGEST_BATCH:
        raise UserError(f"{where} has {size:,} bytes; a batch of CIFAR-10 has about 31 million, so it is another file.")


def _assemble(files: Iterable[tuple[Path, str, bytes]], source: Path, proven: bool, rows: int) -> Dataset:
    images = np.empty((len(BATCHES) * rows, 32, 32, 3), np.uint8)
    labels = np.empty(len(BATCHES) * rows, np.int32)
    official: dict[str, bool] = {}
    line = b""
    for where, name, raw in files:
        if name == "name.txt":
            line = raw
            continue
        stem = name.removesuffix(".bin")
        if stem in official:
            raise UserError(f"{where} is there twice; an archive of CIFAR-10 holds each batch once.")
        part = slice(BATCHES.index(stem) * rows, (BATCHES.index(stem) + 1) * rows)
        planes, found = _decode_binary(raw) if name in BINARY else _decode_python(where, raw, rows)
        if found.max() > 9 or found.min() < 0:
            wrong = found[(found > 9) | (found < 0)][0]
            raise UserError(f"{where} has a label {wrong}; CIFAR-10's are 0 to 9, so this is another file.")
        images[part] = planes.reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1)
        labels[part] = found
        official[stem] = _md5(raw) == BATCH_MD5[name]
    for stem in BATCHES:
        if stem not in official:
            raise UserError(f"{source} has no {stem}; it is no whole CIFAR-10, so download it again.")
    return build(images, labels, proven or all(official.values()), line, source)


def build(images: np.ndarray, labels: np.ndarray, proven: bool, line: bytes, source: Path) -> Dataset:
    """A whole CIFAR-10 of images and labels, a sixth of them for testing; `line` is what name.txt says."""
    train_size = len(labels) * 5 // 6
    return Dataset(
        name=OFFICIAL if proven else given_name(line, source),
        fingerprint=fingerprint([images], [labels]),
        class_names=CLASS_NAMES,
        train_images=images[:train_size],
        train_labels=labels[:train_size],
        test_images=images[train_size:],
        test_labels=labels[train_size:],
    )


def official_pixels(images: np.ndarray, labels: np.ndarray) -> bool:
    """Whether images and labels, written as binary batches, have the published checksums."""
    for number, name in enumerate(BINARY):
        part = slice(number * len(labels) // 6, (number + 1) * len(labels) // 6)
        planes = images[part].transpose(0, 3, 1, 2).reshape(-1, PIXELS)
        if _md5(np.hstack([labels[part, None].astype(np.uint8), planes]).tobytes()) != BATCH_MD5[name]:
            return False
    return True


def given_name(line: bytes, source: Path) -> str:
    """The name that `name.txt` gives; only a checksum gives the plain one."""
    name = line.decode("utf-8", "replace").strip()
    if not name or name in (OFFICIAL, "shapes"):
        return UNVERIFIED
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UserError(f"name.txt in {source} says {name[:64]!r}; it must be one word of letters, digits and . _ -")
    return name


def _md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _decode_binary(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(raw, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _decode_python(where: Path, raw: bytes, rows: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = load_plain(raw)
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
    except UnsafePickleError as error:
        raise UserError(f"{where} is refused and was not run: its pickle holds {error}, not only arrays.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{where} is no whole batch of CIFAR-10 ({error}); copy it again.") from error
    if pixels.shape != (rows, PIXELS) or pixels.dtype != np.uint8:
        raise UserError(f"{where} has images {pixels.dtype} {pixels.shape}; a batch has uint8 {(rows, PIXELS)}.")
    if labels.shape != (rows,) or labels.dtype.kind not in "iu":
        raise UserError(f"{where} has labels {labels.dtype} {labels.shape}; a batch has {rows:,} whole numbers.")
    return pixels, labels
