"""A data set in memory: what every source returns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from jaxcifar.config import Data
from jaxcifar.errors import UserError

TRAIN_SIZE, TEST_SIZE = 50_000, 10_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in the official order, and what a record says about them.

    Args:
        name: name of the data in every record, title and table, e.g. `cifar10`, `cifar10-jpeg`, `shapes`.
        fingerprint: SHA-256 (hex) of the loaded data before any subset was taken, see `fingerprint`.
        class_names: the ten names, in the order of the labels.
        train_images: uint8 [N, 32, 32, 3].
        train_labels: int32 [N], 0 to 9.
        test_images: uint8 [M, 32, 32, 3]; held-out training images where `data.holdout` is set.
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
        images: uint8 arrays [N, 32, 32, 3], row-major: training, then test.
        labels: integer arrays [N]: training, then test.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for block in (*images, *labels):
        digest.update(np.ascontiguousarray(block, np.uint8).data)
    return digest.hexdigest()


def split_rows(config: Data) -> tuple[range, range, bool]:
    """Return the training rows, the evaluation rows, and whether the latter are held-out training rows.

    Raises:
        UserError: the config asks for more images than exist.
    """
    available = TRAIN_SIZE - config.holdout
    train_size = available if config.train_size is None else config.train_size
    if train_size > available:
        left = f" with data.holdout {config.holdout:,}" if config.holdout else ""
        raise UserError(f"data.train_size is {train_size:,}; at most {available:,} training images exist{left}.")
    evaluation = range(available, TRAIN_SIZE) if config.holdout else range(TEST_SIZE)
    test_size = len(evaluation) if config.test_size is None else config.test_size
    if test_size > len(evaluation):
        kind = "held-out" if config.holdout else "test"
        raise UserError(f"data.test_size is {test_size:,}; at most {len(evaluation):,} {kind} images exist.")
    return range(train_size), evaluation[:test_size], bool(config.holdout)


def subset(data: Dataset, config: Data) -> Dataset:
    """Return the images that the config asks for, from a whole data set of 50,000 and 10,000 images."""
    train, evaluation, held_out = split_rows(config)
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
