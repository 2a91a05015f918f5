"""Read and check the official layouts of CIFAR-10: binary or Python batches, in a folder or a .tar.gz."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from jaxcifar.data.dataset import Dataset, fingerprint
from jaxcifar.data.unpickle import UnsafePickleError, load_dict
from jaxcifar.errors import UserError

ROWS, PIXELS = 10_000, 3_072
LARGEST_BATCH = 64 << 20  # bytes; an official Python batch has 31 million
LARGEST_ARCHIVE = 6 * LARGEST_BATCH  # bytes after decompression; an official one has 185 million

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
BINARY, PYTHON = tuple(f"{name}.bin" for name in BATCHES), BATCHES
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# MD5 of the official binary batches, published in agreement by prabhuomkar/pytorch-cpp and rai-project/dldataset. The
# Python batches hold the same images in the same order, so these six prove every layout.
BATCH_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
EXTENDED_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)
OFFICIAL, UNVERIFIED = "cifar10", "cifar10-unverified"
CIFAR100 = f"CIFAR-100; only CIFAR-10 can be read, so give {' or '.join(FOLDERS)}"


class IncompleteError(UserError):
    """Files are missing, cut short or unreadable, so that a whole copy in the same folder is read instead."""


def read(path: Path, notify: Callable[[str], None], rows: int = ROWS) -> Dataset:
    """Return all of CIFAR-10 from one path.

    Args:
        path: a folder that holds the batches, `cifar-10-batches-bin`, `cifar-10-batches-py` or an official archive; or
            such a .tar.gz itself. Where it holds several copies, the first whole one is read.
        notify: told which copies are incomplete, where another one is read.
        rows: number of images in each of the six batches.

    Returns:
        All images, 50,000 and 10,000. The name is `cifar10` where published checksums prove the images, else the first
        line of the folder's `name.txt`, else `cifar10-unverified`.

    Raises:
        UserError: the path is missing or empty, a file is missing, truncated or damaged, a label is not 0 to 9, or a
            pickle names anything but NumPy arrays.
    """
    # The tests of os.path answer False for what may not be read, where those of Path may raise an error.
    if not os.path.exists(path):
        raise UserError(f"There is no {path}; data.dir or $JAXCIFAR_DATA must name a folder or a .tar.gz of CIFAR-10.")
    problems: list[str] = []
    for place, layout in _copies(path):
        try:
            found = _read_folder(place, layout, rows) if layout else _read_archive(place, rows)
        except IncompleteError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{error.filename or place} cannot be read: {error.strerror or error}.")
        else:
            for problem in problems:
                notify(f"{problem} The whole copy in {place} is read instead.")
            return found
    if problems:
        raise IncompleteError(problems[0])
    try:
        names = (path.name, *os.listdir(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    if "train.bin" in names or any(name.startswith("cifar-100-") for name in names):
        raise UserError(f"{path} holds {CIFAR100}.")
    raise UserError(
        f"{path} holds no CIFAR-10; it should hold {BINARY[0]} or {PYTHON[0]} and the other five batch files, "
        f"a folder {' or '.join(FOLDERS)}, or {' or '.join(ARCHIVES)}."
    )


def _copies(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """What may hold CIFAR-10 at the path: folders with the names of their batches, then archives with none."""
    if os.path.isfile(path):
        yield path, ()
        return
    for folder in (path, *(path / name for name in FOLDERS)):
        for layout in (BINARY, PYTHON):
            if any(os.path.exists(folder / name) for name in layout):
                yield folder, layout
    yield from ((path / name, ()) for name in ARCHIVES if os.path.isfile(path / name))


def _read_folder(folder: Path, layout: tuple[str, ...], rows: int) -> Dataset:
    for name in layout:
        if not os.path.isfile(folder / name):
            raise IncompleteError(f"{folder / name} is missing; CIFAR-10 has six batches, so copy that one there too.")
        _check_size(folder / name, (folder / name).stat().st_size, rows)
    # All sizes are checked by now. The generator holds one batch in memory at a time.
    return _assemble(((folder / name, (folder / name).read_bytes()) for name in layout), folder, rows)


def _read_archive(path: Path, rows: int) -> Dataset:
    try:
        return _assemble(_archive_files(path, rows), path, rows)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise IncompleteError(f"{path} is not a whole .tar.gz ({error}); download it again.") from error


def _archive_files(path: Path, rows: int) -> Iterator[tuple[Path, bytes]]:
    """The batches and name.txt of an archive, read into memory: nothing is written.

    tarfile parses each header, but not the archive: its loop reads extended headers whole, whatever size they claim,
    and a hostile file of some kilobytes could fill the memory.
    """
    left, block_size = LARGEST_ARCHIVE, tarfile.BLOCKSIZE
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as stream:
        # A block of zeros ends an archive.
        while any(block := stream.read(block_size)):
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            name, padded = PurePosixPath(member.name), -(-member.size // block_size) * block_size
            left -= block_size + padded
            # The binary form of a size in a header can be negative. `left` limits what a small file may decompress to.
            if member.size < 0 or left < 0:
                raise UserError(f"{path} unpacks to over {LARGEST_ARCHIVE >> 20} MiB, so it is not CIFAR-10's archive.")
            if ".." in name.parts:
                raise UserError(f"{path} is refused as unsafe: it holds {str(name)!r}, outside of its own folder.")
            if not (member.isreg() or member.isdir() or member.type in EXTENDED_HEADERS):
                raise UserError(f"{path} is refused: {str(name)!r} in it is a link or a device, not a file.")
            if str(name).startswith("cifar-100-"):
                raise UserError(f"{path} holds {CIFAR100}.")
            if member.isreg() and name.name in (*BINARY, *PYTHON, "name.txt"):
                _check_size(path / name.name, member.size, rows)
                content = stream.read(padded)[: member.size]
                if len(content) < member.size:
                    raise EOFError("its end is missing")
                yield path / name.name, content
            else:
                # In a compressed stream seeking reads and drops small pieces, so skipped files take no memory.
                stream.seek(padded, os.SEEK_CUR)
        while left > 0 and (rest := stream.read(1 << 20)):  # gzip compares its checksum at the end
            left -= len(rest)


def _check_size(where: Path, size: int, rows: int) -> None:
    if where.name in BINARY and size != (whole := rows * (1 + PIXELS)):
        if size and size % (2 + PIXELS) == 0:
            raise UserError(
                f"{where} has records of {2 + PIXELS:,} bytes with two labels, so it is a file of {CIFAR100}."
            )
        raise IncompleteError(f"{where} has {size:,} bytes; a whole one has {whole:,}, so copy it again.")
    if size > LARGEST_BATCH:
        hint = "CIFAR-100's training images" if 153_000_000 < size < 157_000_000 else "another file"
        raise UserError(f"{where} has {size:,} bytes; a batch of CIFAR-10 has about 31 million, so it is {hint}.")


def _assemble(files: Iterable[tuple[Path, bytes]], source: Path, rows: int) -> Dataset:
    images = np.empty((len(BATCHES) * rows, 32, 32, 3), np.uint8)
    labels = np.empty(len(BATCHES) * rows, np.int32)
    seen: set[str] = set()
    line = ""
    for where, raw in files:
        if where.name == "name.txt":
            line = _first_line(raw)
            continue
        stem = where.name.removesuffix(".bin")
        if stem in seen:
            raise UserError(f"{where} occurs twice; an archive of CIFAR-10 holds each batch once.")
        seen.add(stem)
        part = slice(BATCHES.index(stem) * rows, (BATCHES.index(stem) + 1) * rows)
        planes, found = (_decode_binary if where.name in BINARY else _decode_python)(where, raw)
        if planes.shape != (rows, PIXELS) or planes.dtype != np.uint8:
            raise UserError(f"{where} has images {planes.dtype} {planes.shape}; a batch has uint8 {(rows, PIXELS)}.")
        _check_labels(where, found, rows)
        # Files hold three planes of pixels for each image; the networks take channels last.
        images[part] = planes.reshape(rows, 3, 32, 32).transpose(0, 2, 3, 1)
        labels[part] = found
    for stem in BATCHES:
        if stem not in seen:
            raise IncompleteError(f"{source} has no {stem}; it is not a whole CIFAR-10, so download it again.")
    return build(images, labels, line or name_line(source if source.is_dir() else source.parent), source)


def _check_labels(where: Path, labels: Sequence | np.ndarray, rows: int) -> None:
    if len(labels) != rows:
        raise UserError(f"{where} has {len(labels):,} labels for {rows:,} images.")
    for index, label in enumerate(labels):
        # A bool is an int in Python, and 3.0 is in range(10): both are refused by their types.
        number = isinstance(label, int | float | np.number) and not isinstance(label, bool)
        if not number or label not in range(10) or not isinstance(label, int | np.integer):
            # The text of a hostile object can be endless, so only numbers are shown.
            shown = str(label) if number and not abs(label) >= 1e18 else f"({type(label).__name__})"
            raise UserError(
                f"{where} has a label {shown} at index {index:,}; CIFAR-10 has whole numbers from 0 to 9, so this is "
                "another data set or a damaged file."
            )


def build(images: np.ndarray, labels: np.ndarray, line: str, source: Path) -> Dataset:
    """Return the data set of all images and labels, of which the last sixth is for testing.

    Args:
        images: uint8 [N, 32, 32, 3].
        labels: int32 [N].
        line: the first line of name.txt, or "".
        source: the path that messages name.
    """
    train_size = len(labels) * 5 // 6
    for label, count in enumerate(np.bincount(labels[:train_size], minlength=10)):
        if not count:
            raise UserError(
                f"{source} has no training image of class {label} ({CLASS_NAMES[label]}); CIFAR-10 has ten."
            )
    return Dataset(
        name=OFFICIAL if official_pixels(images, labels) else given_name(line, source),
        fingerprint=fingerprint([images], [labels]),
        class_names=CLASS_NAMES,
        train_images=images[:train_size],
        train_labels=labels[:train_size],
        test_images=images[train_size:],
        test_labels=labels[train_size:],
    )


def official_pixels(images: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether images and labels, written as binary batches, have the published checksums."""
    for number, name in enumerate(BINARY):
        part = slice(number * len(labels) // 6, (number + 1) * len(labels) // 6)
        planes = images[part].transpose(0, 3, 1, 2).reshape(-1, PIXELS)
        records = np.hstack([labels[part, None].astype(np.uint8), planes])
        # Some systems (FIPS) refuse MD5 unless it is declared not to be used for security.
        if hashlib.md5(records.data, usedforsecurity=False).hexdigest() != BATCH_MD5[name]:
            return False
    return True


def name_line(folder: Path) -> str:
    """Return the first line of the folder's name.txt, or "" where there is none that can be read."""
    path = folder / "name.txt"
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as stream:
                return _first_line(stream.read(1_000))
    return ""


def _first_line(raw: bytes) -> str:
    # Some editors begin a file with a byte-order mark, which utf-8-sig removes.
    lines = raw[:1_000].decode("utf-8-sig", "replace").splitlines()
    return lines[0].strip() if lines else ""


def given_name(line: str, source: Path) -> str:
    """Return the name that name.txt gives; `cifar10` and `shapes` need more than its word."""
    if not line or line.lower() in (OFFICIAL, "shapes"):
        return UNVERIFIED
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", line):
        raise UserError(f"name.txt for {source} says {line[:64]!r}; it must be one word of letters, digits and . _ -")
    return line


def _decode_binary(where: Path, raw: bytes) -> tuple[np.ndarray, Sequence | np.ndarray]:
    records = np.frombuffer(raw, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0].tolist()


def _decode_python(where: Path, raw: bytes) -> tuple[np.ndarray, Sequence | np.ndarray]:
    try:
        batch = load_dict(raw, "data", "labels", "fine_labels", "coarse_labels")
    except UnsafePickleError as error:
        raise UserError(f"{where} is refused and was not run: its pickle holds {error}, not only arrays.") from error
    except ValueError as error:
        raise IncompleteError(f"{where} is not a whole batch of CIFAR-10 ({error}); copy it again.") from error
    if "fine_labels" in batch or "coarse_labels" in batch:
        raise UserError(f"{where} has labels of 100 classes, so it is a file of {CIFAR100}.")
    pixels, labels = batch.get("data"), batch.get("labels")
    if not isinstance(pixels, np.ndarray) or not isinstance(labels, list | np.ndarray) or np.ndim(pixels) != 2:
        raise UserError(f"{where} is not a whole batch of CIFAR-10: it needs an array `data` and a list `labels`.")
    return pixels, labels if isinstance(labels, list) else labels.reshape(-1)
