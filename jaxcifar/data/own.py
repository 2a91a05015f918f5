"""Images of the user's own: arrays in Python, a .npz file, or a folder of pictures with a subfolder for each class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.config import Data
from jaxcifar.data.dataset import Dataset, fingerprint
from jaxcifar.errors import UserError

LARGEST_SIDE, MOST_CHANNELS = 96, 4
MOST_CLASSES = 2**16
"""Where labels alone say how many classes there are: a wrong label would otherwise make millions of them."""
KEYS = ("x_train", "y_train", "x_test", "y_test")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Split:
    """Images and labels with the name that messages give them."""

    images: Any
    labels: Any
    name: str


def arrays(
    x_train: Any, y_train: Any, x_test: Any, y_test: Any, class_names: Sequence[str] = (), **options: Any
) -> Data:
    """Return the data of a run from arrays in memory.

    Args:
        x_train: training images, uint8 [N, H, W, C] or [N, H, W], with sides up to 96 pixels; they are copied.
        y_train: their labels, whole numbers [N] from 0.
        x_test, y_test: the same for testing.
        class_names: in the order of the labels; the labels themselves by default.
        options: further fields of `Data`, such as `flip="random"`.

    Raises:
        UserError: an array has another type or shape, or a label is outside of the classes; the sentence says where.

    Examples:
        >>> import numpy as np
        >>> images, labels = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 0, 1])
        >>> arrays(images, labels, images, labels, class_names=("cat", "dog")).source
        'arrays'
    """
    # Copies: who changes an array later would change the images, and not the fingerprint.
    x_train, x_test = np.array(x_train), np.array(x_test)
    parts = Split(x_train, y_train, "x_train, y_train"), Split(x_test, y_test, "x_test, y_test")
    dataset = assemble("arrays", *parts, class_names)
    return Data(source="arrays", arrays=dataset, sha256=dataset.fingerprint, **options)


def assemble(name: str, train: Split, test: Split, class_names: Sequence[str] = ()) -> Dataset:
    """Return a checked data set; raises UserError as `arrays` does."""
    x_train, x_test = (_images(split.images, split.name) for split in (train, test))
    if len(x_test) and x_test.shape[1:] != x_train.shape[1:]:
        raise UserError(
            f"{train.name} has images {x_train.shape[1:]} and {test.name} {x_test.shape[1:]}; both must have one shape."
        )
    y_train, y_test = (
        check_labels(split.labels, split.name, len(images)) for split, images in ((train, x_train), (test, x_test))
    )
    if len(np.unique(y_train)) < 2:
        raise UserError(f"{train.name} has images of one class; a classifier needs at least two.")
    largest = int(y_train.max())
    if not len(class_names) and largest >= MOST_CLASSES:
        index = int(y_train.argmax())
        raise UserError(
            f"{train.name} has the label {largest:,} at index {index:,}; without class names labels are below "
            f"{MOST_CLASSES:,}."
        )
    names = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in class_names) or tuple(
        str(i) for i in range(largest + 1)
    )
    for labels, split in ((y_train, train), (y_test, test)):
        outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if outside.size:
            index = int(outside[0])
            raise UserError(
                f"{split.name} has the label {labels[index]} at index {index:,}; with {len(names)} classes labels are "
                f"0 to {len(names) - 1}."
            )
    return Dataset(
        name=name,
        fingerprint=fingerprint([x_train, x_test], [y_train, y_test]),
        class_names=names,
        train_images=x_train,
        train_labels=y_train.astype(np.int32),
        test_images=x_test,
        test_labels=y_test.astype(np.int32),
    )


def _images(images: Any, name: str) -> np.ndarray:
    found = np.asarray(images)
    if np.issubdtype(found.dtype, np.floating) and (bad := np.argwhere(~np.isfinite(found))).size:
        raise UserError(
            f"{name} has {found[tuple(bad[0])]} in the image at index {bad[0][0]:,}; images are uint8, 0 to 255."
        )
    if found.dtype != np.uint8 or found.ndim not in (3, 4):
        raise UserError(
            f"{name} has images {found.dtype} {found.shape}; give uint8, 0 to 255, as [N, H, W, C] or [N, H, W]."
        )
    found = found[..., None] if found.ndim == 3 else found
    _, height, width, channels = found.shape
    if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE or not 1 <= channels <= MOST_CHANNELS:
        raise UserError(
            f"{name} has images {found.shape}; sides are at most {LARGEST_SIDE} pixels and channels 1 to "
            f"{MOST_CHANNELS}, in the order [N, H, W, C]."
        )
    return found


def check_labels(labels: Any, name: str, images: int) -> np.ndarray:
    """Return labels as whole numbers [N]; a column [N, 1] is one too.

    Args:
        labels: what was given.
        name: what messages call it.
        images: N.

    Raises:
        UserError: they have another shape or dtype, or there are more or fewer than images.
    """
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        one_hot = ", which look one-hot: give labels.argmax(1)" if found.ndim == 2 else ""
        raise UserError(f"{name} has labels {found.dtype} {found.shape}{one_hot}; they must be whole numbers [N].")
    if len(found) != images:
        raise UserError(f"{name} has {images:,} images and {len(found):,} labels; give one label for each image.")
    return found


def read_npz(path: Path, config: Data) -> Dataset:
    """Return the arrays x_train, y_train, x_test, y_test and, where it is there, class_names of a .npz file.

    Raises:
        UserError: the file is missing, damaged, lacks an array or holds a pickle, which is never loaded; or as for
            `arrays`.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}; data.dir must name a .npz file with {', '.join(KEYS)}.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in (*KEYS, "class_names") if name in stored.files}
    except Exception as error:  # a damaged zip raises errors of several libraries
        pickled = "allow_pickle" in str(error)
        why = "it holds a pickle, which can run code and is never loaded" if pickled else str(error)
        raise UserError(f"{path} cannot be read: {why}; write it by np.savez with plain arrays.") from error
    optional = KEYS[2:] if config.holdout and not any(name in found for name in KEYS[2:]) else ()
    missing = next((name for name in KEYS if name not in found and name not in optional), None)
    if missing:
        hint = ", or give data.holdout to hold training images out" if missing in KEYS[2:] else ""
        raise UserError(f"{path} has no array {missing!r}; it needs {', '.join(KEYS)}{hint}.")
    train = Split(found["x_train"], found["y_train"], f"{path}, x_train and y_train")
    test = Split(found["x_test"], found["y_test"], f"{path}, x_test and y_test") if "x_test" in found else _none(train)
    return assemble(_word(path.stem), train, test, found.get("class_names", ()))


def _none(train: Split) -> Split:
    return Split(np.asarray(train.images)[:0], np.zeros(0, np.int32), "no test images")


def _word(text: str) -> str:
    """A file's name as the name of a data set: one word of letters, digits and . _ -"""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "own"


def read_folder(path: Path, config: Data) -> Dataset:
    """Return the pictures of DIR/train/<class>/ and DIR/test/<class>/, or of DIR/<class>/ where data.holdout is given.

    Pictures are sorted by name and then shuffled, always in the same way; they have one size, at most 96 x 96, and
    become grey where all are, else RGB.

    Raises:
        UserError: the folder has another form, one class only, or a picture is damaged, too large or of another size.
    """
    if not path.is_dir():
        raise UserError(f"There is no folder {path}; data.dir must name one with train/<class>/ and test/<class>/.")
    whole = not (path / "train").is_dir()
    if whole and not config.holdout:
        raise UserError(
            f"{path} has no folder train; give train/<class>/ and test/<class>/, or <class>/ with data.holdout."
        )
    train = path if whole else path / "train"
    tests = [] if whole else [path / name for name in ("test", "val") if (path / name).is_dir()][:1]
    if not tests and not config.holdout:
        raise UserError(f"{path} has no folder test; give test/<class>/, or data.holdout to hold training images out.")
    names = _classes(train)
    if len(names) < 2:
        raise UserError(f"{train} has {len(names)} folders of pictures; each class has one, and there must be two.")
    files = [_files(folder, names, folder is train) for folder in (train, *tests)]
    opened = [_open(part) for part in files]
    grey = all(image.ndim == 2 for part in opened for image in part)
    splits = [
        Split(_stacked(images, part, grey), np.array([label for _, label in part], np.int32), str(folder))
        for images, part, folder in zip(opened, files, (train, *tests), strict=True)
    ]
    return assemble(_word(path.name), splits[0], splits[1] if tests else _none(splits[0]), names)


def _classes(folder: Path) -> list[str]:
    return sorted(below.name for below in folder.iterdir() if below.is_dir() and not below.name.startswith("."))


def _files(folder: Path, names: Sequence[str], is_train: bool) -> list[tuple[Path, int]]:
    """The pictures of a split with their labels, in a fixed random order, so that the last N hold every class."""
    present = _classes(folder)
    unknown = next((name for name in present if name not in names), None)
    if unknown:
        raise UserError(f"{folder / unknown} is a class without training images; the classes are {', '.join(names)}.")
    found = [
        (path, label)
        for label, name in enumerate(names)
        if name in present
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in PICTURES
    ]
    empty = set(range(len(names))) - {label for _, label in found}
    if empty and is_train:
        raise UserError(f"{folder / names[min(empty)]} holds no pictures; a class needs some ({', '.join(PICTURES)}).")
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def _open(files: Sequence[tuple[Path, int]]) -> list[np.ndarray]:
    from PIL import Image

    found = []
    for path, _ in files:
        try:
            with Image.open(path) as picture:  # only the header is read before the size is checked
                if max(picture.size) > LARGEST_SIDE:
                    raise UserError(
                        f"{path} has {picture.size} pixels; sides are at most {LARGEST_SIDE}, so resize it."
                    )
                if picture.mode[0] in "IF":
                    raise UserError(f"{path} has more than 8 bits per channel ({picture.mode}); convert it to 8.")
                found.append(np.asarray(picture.convert("L" if picture.mode in ("L", "LA", "1") else "RGB")))
        except UserError:
            raise
        except Exception as error:  # a damaged picture raises errors of many kinds
            raise UserError(f"{path} cannot be read as a picture: {error}.") from error
    return found


def _stacked(images: Sequence[np.ndarray], files: Sequence[tuple[Path, int]], grey: bool) -> np.ndarray:
    whole = images if grey else [np.stack([x] * 3, -1) if x.ndim == 2 else x for x in images]
    for image, (path, _) in zip(whole, files, strict=True):
        if image.shape != whole[0].shape:
            raise UserError(f"{path} is {image.shape[:2]} pixels and {files[0][0]} {whole[0].shape[:2]}; resize them.")
    # np.stack needs at least one array; without images, sides of one pixel pass the later checks.
    return np.stack(whole) if whole else np.zeros((0, 1, 1), np.uint8)
