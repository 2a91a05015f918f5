"""Subsets, held-out images and the fingerprint."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from jaxcifar.config import Data
from jaxcifar.data.dataset import Dataset, fingerprint, split_rows, subset
from jaxcifar.errors import UserError


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        (Data(), (range(50_000), range(10_000), False)),
        (Data(train_size=5_000, test_size=1_000), (range(5_000), range(1_000), False)),
        (Data(holdout=5_000), (range(45_000), range(45_000, 50_000), True)),
        (Data(train_size=100, holdout=5_000, test_size=10), (range(100), range(45_000, 45_010), True)),
    ],
)
def test_split_rows(config, rows):
    assert split_rows(config) == rows


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (Data(train_size=50_001), r"data.train_size is 50,001; at most 50,000 training images exist\."),
        (Data(train_size=50_000, holdout=1), r"at most 49,999 training images exist with data\.holdout 1\."),
        (Data(test_size=10_001), "at most 10,000 test images exist"),
        (Data(holdout=10, test_size=11), "at most 10 held-out images exist"),
    ],
)
def test_more_than_there_is(config, says):
    with pytest.raises(UserError, match=says):
        split_rows(config)


def test_subset_keeps_name_and_fingerprint():
    train, test = np.arange(50_000), np.arange(10_000)
    whole = Dataset("name", "print", ("a",), train, -train, test, -test)
    part = subset(whole, Data(train_size=3, holdout=2))
    assert (part.name, part.fingerprint, part.class_names) == ("name", "print", ("a",))
    assert part.train_images.tolist() == [0, 1, 2]
    assert part.train_labels.tolist() == [0, -1, -2]
    assert part.test_images.tolist() == [49_998, 49_999]
    assert part.test_labels.tolist() == [-49_998, -49_999]
    assert subset(whole, Data(test_size=2)).test_labels.tolist() == [0, -1]


def test_fingerprint_is_images_then_labels_as_bytes():
    images = [np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), np.ones((1, 2, 2, 3), np.uint8)]
    labels = [np.array([7], np.int32), np.array([9], np.int32)]
    assert fingerprint(images, labels) == hashlib.sha256(bytes(range(12)) + b"\1" * 12 + b"\7\11").hexdigest()
    assert fingerprint(images, [labels[0] + 256, labels[1]]) != fingerprint(images, labels)
