"""Augmentation against NumPy, one image at a time, at given places; and its use of keys, indices and epochs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.config import Data
from jaxcifar.data import augment, normalize
from jaxcifar.data.augment import alternating, crop, cutout, flip, views

IMAGES = np.random.default_rng(0).integers(1, 256, (6, 32, 32, 3), np.uint8)
INDICES = jnp.array([0, 1, 7, 100, 40_000, 49_999])
KEY = jax.random.key(3)


@pytest.mark.parametrize("padding", [1, 4])
def test_crop_is_pad_and_cut(padding):
    offsets = np.array([[0, 0], [2 * padding, 2 * padding], [padding, padding], [0, 2], [1, 0], [2 * padding, 1]])
    found = crop(jnp.asarray(IMAGES), jnp.asarray(offsets), padding)
    assert found.dtype == jnp.uint8
    for image, (top, left), result in zip(IMAGES, offsets, np.asarray(found), strict=True):
        padded = np.zeros((32 + 2 * padding, 32 + 2 * padding, 3), np.uint8)
        padded[padding:-padding, padding:-padding] = image
        np.testing.assert_array_equal(result, padded[top : top + 32, left : left + 32])


def test_crop_can_mirror_the_border():
    offsets = np.array([[0, 0], [8, 8], [4, 4], [0, 8], [3, 5], [7, 1]])
    found = crop(jnp.asarray(IMAGES), jnp.asarray(offsets), 4, "reflect")
    padded = np.pad(IMAGES, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    for image, (top, left), result in zip(padded, offsets, np.asarray(found), strict=True):
        np.testing.assert_array_equal(result, image[top : top + 32, left : left + 32])
    config = Data(crop=4, crop_padding="reflect")
    black = Data(crop=4)
    images = jnp.asarray(IMAGES)
    with_border, without = (augment(images, INDICES, 0, KEY, given) for given in (config, black))
    assert not np.array_equal(with_border, without)


def test_views_begin_with_the_images_and_weigh_one():
    images = jnp.asarray(IMAGES)
    assert [len(views(images, kind)) for kind in ("none", "mirror", "six")] == [1, 2, 6]
    for kind in ("none", "mirror", "six"):
        found = views(images, kind)
        np.testing.assert_array_equal(found[0][1], images)
        assert sum(weight for weight, _ in found) == 1
    up_left = views(images, "six")[2][1]
    np.testing.assert_array_equal(up_left[:, 1:, 1:], images[:, :-1, :-1])
    np.testing.assert_array_equal(up_left[:, 0, 1:], images[:, 1, :-1])


def test_flip_mirrors_the_chosen_ones():
    chosen = np.array([True, False, True, True, False, False])
    found = np.asarray(flip(jnp.asarray(IMAGES), jnp.asarray(chosen)))
    for image, mirrored, result in zip(IMAGES, chosen, found, strict=True):
        np.testing.assert_array_equal(result, image[:, ::-1] if mirrored else image)


@pytest.mark.parametrize("size", [1, 8, 9, 32])
def test_cutout_is_a_square_cut_off_at_the_border(size):
    centers = np.array([[0, 0], [31, 31], [16, 16], [3, 30], [31, 0], [12, 5]])
    found = np.asarray(cutout(jnp.asarray(IMAGES, jnp.float32), jnp.asarray(centers), size))
    for image, (row, column), result in zip(IMAGES, centers, found, strict=True):
        expected, top, left = image.astype(np.float32), row - size // 2, column - size // 2
        expected[max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        np.testing.assert_array_equal(result, expected)


def test_alternating_shows_both_sides_in_two_epochs():
    everyone = jnp.arange(50_000)
    first, second, third = (np.asarray(alternating(everyone, epoch)) for epoch in (0, 1, 2))
    assert (first != second).all()
    assert (first == third).all()
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(np.mean(first[1:] == first[:-1]) - 0.5) < 0.01
    np.testing.assert_array_equal(np.asarray(alternating(INDICES, jnp.int32(1))), second[np.asarray(INDICES)])


@pytest.mark.parametrize(
    ("normalization", "mean", "deviation"),
    [("channel", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)), ("half", 0.5, 0.5)],
)
def test_normalize(normalization, mean, deviation):
    config = Data(normalization=normalization)
    expected = (IMAGES / 255.0 - np.array(mean)) / np.array(deviation)
    np.testing.assert_allclose(normalize(jnp.asarray(IMAGES), config), expected, rtol=0, atol=1e-6)
    assert normalize(jnp.asarray(IMAGES), config, jnp.bfloat16).dtype == jnp.bfloat16
    np.testing.assert_array_equal(augment(jnp.asarray(IMAGES), INDICES, 0, KEY, config), normalize(IMAGES, config))


def test_augment_puts_the_parts_together():
    """Crop, then mirror, then normalise, then cut out, each with its own third of the key."""
    config = Data(crop=4, flip="random", cutout=8, normalization="half")
    found = jax.jit(lambda key: augment(jnp.asarray(IMAGES), INDICES, 0, key, config))(KEY)
    crop_key, flip_key, cutout_key = jax.random.split(KEY, 3)
    expected = crop(jnp.asarray(IMAGES), jax.random.randint(crop_key, (6, 2), 0, 9), 4)
    expected = flip(expected, jax.random.bernoulli(flip_key, shape=(6,)))
    expected = cutout(normalize(expected, config), jax.random.randint(cutout_key, (6, 2), 0, 32), 8)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert (np.asarray(found) != np.asarray(augment(jnp.asarray(IMAGES), INDICES, 0, KEY, Data(crop=4)))).any()


def test_alternating_flip_inside_a_loop_reads_index_and_epoch_not_the_key():
    config = Data(flip="alternating")

    @jax.jit
    def epochs(images):
        def body(epoch, shown):
            return shown.at[epoch].set(augment(images, INDICES, epoch, jax.random.fold_in(KEY, epoch), config))

        return jax.lax.fori_loop(0, 3, body, jnp.zeros((3, *images.shape)))

    first, second, third = np.asarray(epochs(jnp.asarray(IMAGES)))
    np.testing.assert_array_equal(second, first[:, :, ::-1])
    np.testing.assert_array_equal(third, first)
