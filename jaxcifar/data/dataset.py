"""A data set in memory: what every source returns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from jaxcifar.config import Data
from jaxcifar.errors import UserError
from jaxcifar.records.study import TEST_SIZE, TRAIN_SIZE


# Comparing arrays gives an array and no truth value, so data sets are equal only if they are the same object.
@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in the official order, and what a record says about them.

    Args:
        name: name of the data in every record, title and table, e.g. `cifar10`, `cifar10-jpeg`, `shapes`.
        fingerprint: SHA-256 (hex) of the loaded data before any subset was taken, see `fingerprint`.
        class_names: the names of the classes, in the order of the labels.
        train_images: uint8 [N, H, W, C].
        train_labels: int32 [N], from 0, below the number of classes.
        test_images: uint8 [M, H, W, C]; held-out training images where `data.holdout` is set.
        test_labels: int32 [M].
    """

    name: str
    fingerprint: str
    class_names: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def fingerprint(images: Iterable[np.ndarray], labels: Iterable[np.ndarray]) -> str:
    """Return the SHA-256 of the images' bytes followed by the labels' bytes (as uint8).

    Args:
        images: uint8 arrays [N, H, W, C], row-major: training, then test.
        labels: integer arrays [N]: training, then test.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for block in images:
        digest.update(np.ascontiguousarray(block, np.uint8).data)
    for block in labels:
        # One byte as long as that is enough, which keeps the fingerprints of data sets with up to 256 classes.
        narrow = np.uint8 if np.max(block, initial=0) < 256 else np.dtype("<i4")
        digest.update(np.ascontiguousarray(block, narrow).data)
    return digest.hexdigest()


def split_rows(config: Data, sizes: tuple[int, int] | None = None) -> tuple[range, range, bool]:
    """Return the training rows, the evaluation rows, and whether the latter are held-out training rows.

    Args:
        config: which images are asked for.
        sizes: the numbers of training and test images; by default CIFAR-10's, or what a fitted config says.

    Raises:
        UserError: the config asks for more images than exist.
    """
    whole_train, whole_test = sizes or _sizes(config)
    place = f" in {config.dir}" if config.dir else ""
    if config.holdout >= whole_train:
        raise UserError(f"data.holdout is {config.holdout:,} of {whole_train:,} training images; leave some to train.")
    available = whole_train - config.holdout
    train_size = available if config.train_size is None else config.train_size
    if train_size > available:
        left = f" with data.holdout {config.holdout:,}" if config.holdout else ""
        raise UserError(f"data.train_size is {train_size:,}; at most {available:,} training images exist{place}{left}.")
    # The held-out rows do not depend on train_size, so runs on subsets of any size share their evaluation images.
    evaluation = range(available, whole_train) if config.holdout else range(whole_test)
    test_size = len(evaluation) if config.test_size is None else config.test_size
    if test_size > len(evaluation):
        kind = "held-out" if config.holdout else "test"
        raise UserError(f"data.test_size is {test_size:,}; at most {len(evaluation):,} {kind} images exist{place}.")
    return range(train_size), evaluation[:test_size], bool(config.holdout)


def _sizes(config: Data) -> tuple[int, int]:
    """Training and test images of a source; those of the user's own are in a config that was fitted to its data."""
    if config.has_cifar_form:
        return TRAIN_SIZE, TEST_SIZE
    if config.train_size is None or config.test_size is None:
        raise UserError(f"The number of images of the source {config.source!r} is not known before they are loaded.")
    # A fitted config counts training images without the held-out ones.
    return config.train_size + config.holdout, config.test_size


def subset(data: Dataset, config: Data) -> Dataset:
    """Return the images that the config asks for, from a whole data set."""
    own = None if config.has_cifar_form else (len(data.train_labels), len(data.test_labels))
    train, evaluation, held_out = split_rows(config, own)
    train, evaluation = slice(train.start, train.stop), slice(evaluation.start, evaluation.stop)
    images, labels = (data.train_images, data.train_labels) if held_out else (data.test_images, data.test_labels)
    return replace(
        data,
        train_images=data.train_images[train],
        train_labels=data.train_labels[train],
        test_images=images[evaluation],
        test_labels=labels[evaluation],
    )


def train_size(config: Data) -> int:
    """Return the number of training images that a config asks for.

    Raises:
        UserError: more than exist.
    """
    return len(split_rows(config)[0])
