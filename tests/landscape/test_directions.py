"""The gradient-direction probe on quadratics, where every figure has a closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

DIAGONAL = np.array([10.0, 3.0, 1.0])


def test_beta_along_the_gradient_of_a_diagonal_quadratic(quadratic, precision):
    rates = landscape.probe_step_sizes(0.05, number=5)
    w = jnp.ones(3, precision.dtype)
    probe = landscape.gradient_direction_probe(quadratic(np.diag(DIAGONAL)), w, rates)
    expected = np.linalg.norm(DIAGONAL**2) / np.linalg.norm(DIAGONAL)
    np.testing.assert_allclose(expected, 9.5736, rtol=1e-5)
    np.testing.assert_allclose(probe.beta, np.full(5, expected), rtol=precision.tolerance)
    np.testing.assert_allclose(probe.effective_beta, expected, rtol=precision.tolerance)
    alphas = np.linspace(0.025, 0.2, 5)
    np.testing.assert_allclose(probe.step_sizes, alphas, rtol=precision.tolerance)
    points = 1 - alphas[:, None] * DIAGONAL
    np.testing.assert_allclose(probe.losses, 0.5 * (points**2 * DIAGONAL).sum(1), rtol=precision.tolerance)
    distances = alphas * np.linalg.norm(DIAGONAL**2)
    np.testing.assert_allclose(probe.gradient_distance, distances, rtol=precision.tolerance)
    cosines = ((points * DIAGONAL) @ DIAGONAL) / np.linalg.norm(points * DIAGONAL, axis=1) / np.linalg.norm(DIAGONAL)
    np.testing.assert_allclose(probe.cosine, cosines, rtol=precision.tolerance, atol=1e-6)
    np.testing.assert_allclose([probe.loss, probe.gradient_norm], [7.0, 110**0.5], rtol=precision.tolerance)


def test_beta_along_the_top_eigenvector_is_the_top_eigenvalue(quadratic, precision):
    w = jnp.array([1.0, 0.0, 0.0], precision.dtype)
    probe = landscape.gradient_direction_probe(quadratic(np.diag(DIAGONAL)), w, jnp.array([0.01, 0.3]))
    np.testing.assert_allclose(probe.beta, [10.0, 10.0], rtol=precision.tolerance)


def test_beta_along_another_direction(quadratic, precision):
    direction = np.array([0.5, -1.0, 2.0])
    w = jnp.ones(3, precision.dtype)
    probe = landscape.direction_probe(
        quadratic(np.diag(DIAGONAL)), w, jnp.asarray(direction, precision.dtype), jnp.array([1.0, -2.0])
    )
    expected = np.linalg.norm(DIAGONAL * direction) / np.linalg.norm(direction)
    np.testing.assert_allclose(probe.beta, [expected, expected], rtol=precision.tolerance)
    np.testing.assert_allclose(
        probe.losses[1], 0.5 * ((1 - 2 * direction) ** 2 * DIAGONAL).sum(), rtol=precision.tolerance
    )


def test_at_a_stationary_point_beta_is_undefined(quadratic):
    probe = landscape.gradient_direction_probe(quadratic(np.diag(DIAGONAL)), jnp.zeros(3), jnp.array([0.1]))
    assert np.isnan(probe.effective_beta)
    assert probe.gradient_distance == 0


def test_a_direction_of_another_network_is_refused(quadratic):
    with pytest.raises(ValueError, match="params and direction differ"):
        landscape.direction_probe(quadratic(np.eye(3)), jnp.ones(3), jnp.ones(2), jnp.ones(1))
