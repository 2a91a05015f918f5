"""Trace and spectral density: one sign probe on a diagonal, the quadrature's nodes and mass, dense matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

KEY = jax.random.key(0)
DIAGONAL = np.array([10.0, 3.0, 1.0, -2.0])


def test_one_sign_probe_gives_the_trace_of_a_diagonal(quadratic, precision):
    trace = landscape.hessian_trace(quadratic(np.diag(DIAGONAL)), jnp.ones(4, precision.dtype), KEY, samples=1)
    np.testing.assert_allclose(trace.mean, 12.0, rtol=precision.tolerance)
    assert np.isnan(trace.standard_error)


def test_trace_of_a_network_lies_within_its_error(mlp, dense_hessian, float64):
    loss, params = mlp("float64")
    trace = landscape.hessian_trace(loss, params, KEY, samples=400)
    assert abs(trace.mean - np.trace(dense_hessian(loss, params))) < 4 * trace.standard_error
    assert trace.standard_error < 0.1 * abs(trace.mean)


def test_full_quadrature_finds_the_spectrum(quadratic, precision):
    w = jnp.ones(4, precision.dtype)
    found = landscape.spectral_density(quadratic(np.diag(DIAGONAL)), w, KEY, iterations=4, samples=3)
    np.testing.assert_allclose(found.nodes, np.tile(np.sort(DIAGONAL), (3, 1)), rtol=10 * precision.tolerance)
    np.testing.assert_allclose(np.sum(found.weights, axis=1), np.ones(3), rtol=precision.tolerance)
    np.testing.assert_allclose(found.integral, 1, atol=1e-3)


def test_density_of_a_network_integrates_to_one_and_has_its_moments(mlp, dense_hessian):
    loss, params = mlp("float32")
    found = landscape.spectral_density(loss, params, KEY, iterations=12, samples=64)
    grid, density = np.asarray(found.grid, np.float64), np.asarray(found.density, np.float64)
    np.testing.assert_allclose(np.trapezoid(density, grid), 1, atol=1e-3)
    np.testing.assert_allclose(found.integral, 1, atol=1e-3)
    eigenvalues = np.linalg.eigvalsh(dense_hessian(loss, params))
    mean = np.trapezoid(grid * density, grid)
    np.testing.assert_allclose(mean, eigenvalues.mean(), atol=0.15 * eigenvalues.std())
    within = lambda low: np.trapezoid((density * (grid > low))[grid > low], grid[grid > low])  # noqa: E731
    np.testing.assert_allclose(within(0.1), np.mean(eigenvalues > 0.1), atol=0.1)


def test_a_quadrature_is_redrawn_on_another_grid():
    nodes, weights = jnp.array([[0.0, 2.0], [0.0, 2.0]]), jnp.array([[0.25, 0.75], [0.75, 0.25]])
    grid = jnp.linspace(-2, 4, 601)
    density = np.asarray(landscape.density_on_grid(nodes, weights, grid, 0.2))
    np.testing.assert_allclose(np.trapezoid(density, grid), 1, atol=1e-5)
    np.testing.assert_allclose(density[200], 0.5 / (0.2 * np.sqrt(2 * np.pi)), rtol=1e-4)


def test_a_spectrum_of_one_point_integrates_to_one():
    @jax.jit
    def density(scale):
        return landscape.spectral_density(
            lambda w: 0.5 * scale * jnp.vdot(w, w), jnp.ones(6), KEY, iterations=3, samples=2
        )

    for scale in (0.0, 3.0):
        found = density(scale)
        np.testing.assert_allclose(found.integral, 1, atol=1e-3)
        np.testing.assert_allclose(found.grid[np.argmax(found.density)], scale, atol=0.01)


@pytest.mark.parametrize("measure", [landscape.hessian_trace, landscape.spectral_density])
def test_no_sample_is_refused(quadratic, measure):
    with pytest.raises(ValueError, match="samples is 0"):
        measure(quadratic(np.eye(3)), jnp.ones(3), KEY, samples=0)
