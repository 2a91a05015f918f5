"""The procedural set: the same bytes everywhere, balanced, and too hard for a linear model."""

from __future__ import annotations

import numpy as np
import pytest

from jaxcifar.config import Data
from jaxcifar.data import load, shapes
from jaxcifar.data.signed_distance import OUTLINES


@pytest.fixture(scope="module")
def data():
    return shapes.make(range(2_000), range(500))


def test_what_it_says(data):
    assert data.name == "shapes"
    assert data.class_names[:3] == ("disc", "ring", "square")
    assert len(set(data.class_names)) == 10
    assert data.train_images.shape == (2_000, 32, 32, 3)
    assert data.train_images.dtype == np.uint8
    assert data.test_images.shape == (500, 32, 32, 3)
    assert data.test_labels.dtype == np.int32
    assert np.bincount(data.train_labels).tolist() == [200] * 10


def test_the_same_bytes_on_every_machine():
    """Pinned: records compare fingerprints, so a change of the drawing is a change of the data set."""
    assert (
        shapes.make(range(300), range(50)).fingerprint
        == "1ffe272dbba72b45943dde222d53fb3a9514b513f925b15a60cc0c604f30abd8"
    )


def test_fewer_images_are_the_first_ones(data):
    few = load(Data(source="shapes", train_size=205, test_size=7))
    np.testing.assert_array_equal(few.train_images, data.train_images[:205])
    np.testing.assert_array_equal(few.train_labels, data.train_labels[:205])
    np.testing.assert_array_equal(few.test_images, data.test_images[:7])
    assert few.fingerprint != data.fingerprint


def test_held_out_images_are_training_images(data):
    found = shapes.make(range(10), range(30, 50), held_out=True)
    np.testing.assert_array_equal(found.test_images, data.train_images[30:50])
    np.testing.assert_array_equal(found.test_labels, data.train_labels[30:50])
    assert (data.test_images[:20] != found.test_images).any()


def test_no_image_comes_twice_and_another_seed_is_another_set(data):
    everything = np.concatenate([data.train_images, data.test_images])
    assert len(np.unique(everything.reshape(len(everything), -1), axis=0)) == 2_500
    assert (shapes.make(range(10), range(1), seed=1).train_images != data.train_images[:10]).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: outline.__name__)
def test_outlines_are_whole_and_differ(outline):
    """Each shape fills a fair part of the frame and stays within it; any two differ in a tenth of their union."""
    axis = np.linspace(-1.2, 1.2, 97, dtype=np.float32)
    q, p = np.meshgrid(axis, axis, indexing="ij")
    inside = outline(p, q) < 0
    assert 0.1 < inside.mean() < 0.6
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()
    for other in OUTLINES:
        if other is not outline:
            mask = other(p, q) < 0
            assert (inside ^ mask).sum() > 0.1 * (inside | mask).sum(), other.__name__


def test_a_linear_model_stays_far_below_60_percent(data):
    """Ridge regression on the pixels, solved exactly in its dual, at the strength that does best on the test images."""
    train, test = (
        images.reshape(len(images), -1).astype(np.float32) / 255 - 0.5
        for images in (data.train_images, data.test_images)
    )
    kernel, target = train @ train.T, np.eye(10, dtype=np.float32)[data.train_labels]
    best = 0.0
    for strength in (100, 1_000, 10_000):
        scores = (test @ train.T) @ np.linalg.solve(kernel + strength * np.eye(len(train), dtype=np.float32), target)
        best = max(best, np.mean(scores.argmax(1) == data.test_labels))
    assert best < 0.3
