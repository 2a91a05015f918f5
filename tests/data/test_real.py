"""The real images, where $JAXCIFAR_TEST_DATA names a folder that holds their JPEG copy."""

from __future__ import annotations

import os

import numpy as np
import pytest

from jaxcifar.config import Data
from jaxcifar.data import load

FOLDER = os.environ.get("JAXCIFAR_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="JAXCIFAR_TEST_DATA names no folder with the real images")
FINGERPRINT = "5c8c5947125db79ccee19b8534eaf53094fe685893b90b7de1ab6bfed622fd68"


@pytest.fixture(scope="module")
def data():
    return load(Data(dir=FOLDER))


def test_it_is_the_whole_jpeg_copy(data):
    assert data.name == "cifar10-jpeg"
    assert data.train_images.shape == (50_000, 32, 32, 3)
    assert data.test_images.shape == (10_000, 32, 32, 3)
    assert np.bincount(data.train_labels).tolist() == [5_000] * 10
    assert np.bincount(data.test_labels).tolist() == [1_000] * 10
    assert data.fingerprint == FINGERPRINT


def test_the_first_labels_are_the_official_ones(data):
    """Frog, truck, truck, deer, automobile; and cat, ship, ship, airplane, frog."""
    assert data.train_labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert data.test_labels[:5].tolist() == [3, 8, 8, 0, 6]


def test_channel_statistics_are_those_of_cifar10(data):
    pixels = data.train_images[::20].reshape(-1, 3)
    np.testing.assert_allclose(pixels.mean(0) / 255, (0.4914, 0.4822, 0.4465), atol=1e-2)
    np.testing.assert_allclose(pixels.std(0) / 255, (0.2470, 0.2435, 0.2616), atol=1e-2)


def test_a_subset_has_the_whole_sets_fingerprint(data):
    part = load(Data(dir=FOLDER, train_size=100, holdout=50))
    assert part.fingerprint == FINGERPRINT
    np.testing.assert_array_equal(part.test_images, data.train_images[-50:])
