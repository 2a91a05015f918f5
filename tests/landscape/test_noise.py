"""The noise scale on four points, over all ways to part them into batches, where its estimates are exact."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

POINTS = np.array([[1.0, 2.0], [4.0, -1.0], [0.5, 3.0], [2.0, 5.0]])
W = np.array([10.0, -3.0])


def _mean_squared_norm(size):
    """Mean of ‖g‖² over all batches of a size, with L = ½‖w - x‖² averaged over the batch."""

    def squared_norm(batch):
        gradient = jax.grad(lambda w: 0.5 * jnp.mean(jnp.sum((w - jnp.asarray(batch)) ** 2, axis=-1)))(jnp.asarray(W))
        return float(landscape.tree_dot(gradient, gradient))

    return np.mean([squared_norm(np.array(batch)) for batch in itertools.combinations(POINTS, size)])


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (1, 3), (2, 3), (1, 4)])
def test_four_points_over_all_partitions(float64, sizes):
    found = landscape.noise_scale([_mean_squared_norm(size) for size in sizes], sizes)
    trace = np.trace(np.cov(POINTS.T))
    squared = np.sum((W - POINTS.mean(0)) ** 2) - trace / 4
    np.testing.assert_allclose([found.trace, found.squared_norm], [trace, squared], rtol=1e-9)
    np.testing.assert_allclose(found.scale, trace / squared, rtol=1e-9)


def test_arrays_and_jit():
    norms = jnp.array([[5.0, 3.0], [3.0, 3.0]])
    found = jax.jit(lambda n: landscape.noise_scale(n, (1, 2)))(norms)
    np.testing.assert_allclose(found.trace, [4, 0])
    np.testing.assert_allclose(found.squared_norm, [1, 3])
    np.testing.assert_allclose(found.scale, [4, 0])


def test_an_estimate_of_no_gradient_leaves_the_scale_undefined():
    found = landscape.noise_scale((4.0, 1.0), (1, 2))
    np.testing.assert_allclose([found.trace, found.squared_norm], [6, -2])
    assert np.isnan(found.scale)


@pytest.mark.parametrize(
    ("norms", "sizes", "message"),
    [
        ((1.0, 2.0, 3.0), (1, 2), r"squared_norms has shape \(3,\), but must be a pair"),
        ((1.0, -2.0), (1, 2), r"squared_norms is -2\.0 at 1 of 2 places, but must be a pair"),
        ((1.0, float("nan")), (1, 2), "squared_norms is nan at 1 of 2 places"),
        ((1.0, 2.0), (2, 2), r"batch_sizes is \[2, 2\], but must be a pair of different numbers of images"),
        ((1.0, 2.0), (2, 0), "a batch size is 0, but must be an integer from 1 to"),
        ((1.0, 2.0), (2, 2.5), "a batch size is 2.5, but must be an integer"),
        ((1.0, 2.0), 3, r"batch_sizes is \[3\]"),
    ],
)
def test_wrong_pairs_are_refused(norms, sizes, message):
    with pytest.raises(ValueError, match=message):
        landscape.noise_scale(norms, sizes)
