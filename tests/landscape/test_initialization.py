"""Figures of a network before training, against exact answers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape


@pytest.mark.parametrize(
    ("features", "rank"),
    [
        (np.eye(4), 4.0),
        (np.ones((5, 3)), 1.0),
        (np.outer([1.0, -2.0, 3.0], [1.0, 2.0]), 1.0),
        # M = diag(1, 1, 4): (1 + 1 + 4)² / (1 + 1 + 16)
        (np.diag([1.0, 1.0, 2.0]), 2.0),
        (np.diag([1.0, 1.0, 2.0]).reshape(3, 1, 3) * 1e-25, 2.0),
        (np.diag([1.0, 1.0, 2.0]) * 1e25, 2.0),
    ],
)
def test_rank(features: np.ndarray, rank: float):
    np.testing.assert_allclose(landscape.feature_rank(jnp.asarray(features, jnp.float32)), rank, rtol=1e-6)


def test_features_of_zeros_have_no_rank():
    assert np.isnan(landscape.feature_rank(jnp.zeros((3, 2))))


def test_share_of_a_branch():
    signs = jnp.array([1.0, -1.0, 1.0, -1.0])[:, None]
    # Channels of variance 1 and 4 beside 9 and 1, and a mean that does not count.
    branch, shortcut = signs * jnp.array([1.0, 2.0]) + 5, signs * jnp.array([3.0, 1.0])
    np.testing.assert_allclose(landscape.branch_share(branch, shortcut), 5 / 15, rtol=1e-6)
    np.testing.assert_allclose(
        landscape.branch_share(branch[:, None, None], shortcut[:, None, None]), 5 / 15, rtol=1e-6
    )
    np.testing.assert_allclose(landscape.branch_share(1e-25 * branch, 1e-25 * shortcut), 5 / 15, rtol=1e-5)
    assert float(landscape.branch_share(jnp.ones((4, 2)), shortcut)) == 0
    assert np.isnan(landscape.branch_share(jnp.ones((4, 2)), jnp.ones((4, 2))))


def test_the_gradients_of_a_linear_function_are_one():
    inputs = jax.random.normal(jax.random.key(0), (2, 5, 3, 3))
    found = landscape.input_gradient_correlation(lambda x: x.sum((1, 2)), inputs)
    np.testing.assert_allclose(found, np.ones(5), rtol=1e-6)


def test_the_gradients_of_a_square_turn_with_the_input():
    # The gradient of ‖x‖²/2 is x; points on a circle at angles of 0, 30, 60 and 90 degrees.
    angles = np.deg2rad([0.0, 30.0, 60.0, 90.0])
    inputs = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], -1)[None], jnp.float32)
    found = landscape.input_gradient_correlation(lambda x: jnp.sum(x**2, -1) / 2, inputs)
    np.testing.assert_allclose(found, np.cos(angles), atol=1e-6)


def test_gradients_like_white_noise_are_not_correlated():
    inputs = jax.random.normal(jax.random.key(0), (4, 16, 2000))
    found = landscape.input_gradient_correlation(lambda x: jnp.sum(x**2, -1), inputs)
    assert float(found[0]) == pytest.approx(1, abs=1e-5)
    assert float(jnp.abs(found[1:]).max()) < 0.05


def test_a_gradient_of_zero_has_no_angle():
    found = landscape.input_gradient_correlation(lambda x: 0 * x.sum(-1), jnp.ones((1, 3, 2)))
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: landscape.feature_rank(jnp.ones(3)), r"^features has shape \(3,\), but must be an array with 2 axes"),
        (lambda: landscape.feature_rank("x"), "^features is 'x', but must be an array of real numbers"),
        (
            lambda: landscape.branch_share(jnp.ones((2, 3)), jnp.ones((3, 2))),
            r"^branch has shape \(2, 3\) and shortcut",
        ),
        (lambda: landscape.branch_share(jnp.ones(2), jnp.ones(2)), r"^branch has shape \(2,\)"),
        (
            lambda: landscape.input_gradient_correlation(3, jnp.ones((1, 2, 3))),
            "^function is 3, but must be a function",
        ),
        (lambda: landscape.input_gradient_correlation(jnp.sum, jnp.ones((2, 3))), r"^inputs has shape \(2, 3\)"),
    ],
)
def test_a_wrong_argument_is_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()
