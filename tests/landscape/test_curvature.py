"""Hessian products and extreme eigenvalues against dense matrices, and what Lanczos refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape
from jaxcifar.landscape import krylov

KEY = jax.random.key(0)


@jax.custom_vjp
def _cube(x):
    """x³ with a reverse rule only, as the fast convolutions have."""
    return x**3


_cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))


def test_hessian_product_needs_no_forward_mode(float64):
    matrix = np.random.default_rng(0).normal(size=(3, 3))

    def loss(params):
        return jnp.sum(_cube(jnp.asarray(matrix) @ params["w"])) + params["b"] ** 2 * params["w"][0]

    params = {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array(3.0)}
    vector = {"w": jnp.array([0.2, 1.0, -1.0]), "b": jnp.array(2.0)}
    w, v = np.array([1.0, -2.0, 0.5]), np.array([0.2, 1.0, -1.0])
    expected = matrix.T @ (6 * (matrix @ w) * (matrix @ v)) + np.array([2 * 3.0 * 2.0, 0, 0])
    product = landscape.hvp(loss, params, vector)
    np.testing.assert_allclose(product["w"], expected, rtol=1e-12)
    np.testing.assert_allclose(product["b"], 2 * w[0] * 2.0 + 2 * 3.0 * v[0], rtol=1e-12)


def test_softmax_regression_against_its_closed_hessian(precision):
    random = np.random.default_rng(1)
    x, labels, weights = random.normal(size=(12, 4)), random.integers(3, size=12), random.normal(size=(3, 4))
    inputs = jnp.asarray(x, precision.dtype)

    def loss(w):
        return -jnp.mean(jax.nn.log_softmax(inputs @ w.T)[jnp.arange(12), labels])

    scores = np.exp(x @ weights.T)
    p = scores / scores.sum(1, keepdims=True)
    hessian = np.mean(
        [np.kron(np.diag(q) - np.outer(q, q), np.outer(row, row)) for q, row in zip(p, x, strict=True)], axis=0
    )
    found = landscape.extreme_eigenvalues(loss, jnp.asarray(weights, precision.dtype), KEY, iterations=12, top=2)
    expected = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(found.top.values, expected[[-1, -2]], rtol=precision.tolerance)
    assert np.all(np.asarray(found.top.residuals) < precision.tolerance * expected[-1])
    assert abs(found.bottom.values[0]) < precision.tolerance * expected[-1]


def test_small_network_against_its_dense_hessian(mlp, dense_hessian, precision):
    loss, params = mlp(precision.dtype)
    found = landscape.extreme_eigenvalues(loss, params, KEY, iterations=31, top=2, bottom=1)
    expected = np.linalg.eigvalsh(dense_hessian(loss, params))
    np.testing.assert_allclose(found.top.values, expected[[-1, -2]], rtol=precision.tolerance)
    np.testing.assert_allclose(found.bottom.values, expected[:1], rtol=5 * precision.tolerance)
    assert np.all(np.asarray(found.top.residuals) < 5 * precision.tolerance * expected[-1])
    lengths = sum(np.sum(np.asarray(leaf[0]) ** 2) for leaf in jax.tree.leaves(found.top.vectors))
    np.testing.assert_allclose(lengths, 1, rtol=precision.tolerance)


def test_residual_bounds_the_error_before_convergence(mlp, dense_hessian, float64):
    loss, params = mlp("float64")
    found = landscape.extreme_eigenvalues(loss, params, KEY, iterations=4)
    expected = np.linalg.eigvalsh(dense_hessian(loss, params))
    for pairs in found:
        error = np.abs(expected - float(pairs.values[0])).min()
        assert 1e-6 < error <= float(pairs.residuals[0])


def test_large_bases_take_the_same_steps_as_matfree(mlp, float64):
    matrix = np.random.default_rng(2).normal(size=(40, 40))
    matrix = jnp.asarray(matrix + matrix.T)
    start = jnp.asarray(np.random.default_rng(3).normal(size=40))
    ours = krylov.row_major_tridiagonal(25)(lambda v: matrix @ v, start)
    theirs = krylov.matfree_tridiagonal(25)(lambda v: matrix @ v, start)
    for mine, reference in zip(jax.tree.leaves(ours), jax.tree.leaves(tuple(theirs)), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours[0] @ ours[0].T, np.eye(25), atol=1e-12)


@pytest.mark.parametrize("large", [0, 2**40], ids=["row_major", "matfree"])
def test_an_operator_of_low_rank_ends_the_iteration_early(monkeypatch, large):
    monkeypatch.setattr(krylov, "LARGE_BASIS", large)
    x = jnp.arange(1.0, 7.0)
    found = krylov.lanczos(lambda v: x * jnp.vdot(x, v), jnp.ones(6), 6)
    assert 2 <= found.count <= 6
    values = np.asarray(found.values[: int(found.count)])
    np.testing.assert_allclose(values[-1], 91.0, rtol=1e-5)
    np.testing.assert_allclose(values[:-1], 0.0, atol=1e-3)
    top = found.basis.T @ found.coordinates[:, int(found.count) - 1]
    np.testing.assert_allclose(np.abs(top), x / 91**0.5, atol=1e-4)


def test_a_flat_loss_has_eigenvalue_zero():
    found = landscape.extreme_eigenvalues(lambda w: jnp.sum(w), jnp.ones(5), KEY, iterations=3, top=2)
    assert found.top.values[0] == found.bottom.values[0] == 0
    assert found.top.residuals[0] == 0
    assert np.isnan(found.top.values[1])
    assert np.isnan(found.top.residuals[1])


def test_preconditioned_sharpness_of_diagonal_matrices(quadratic, precision):
    a, p = np.array([10.0, 3.0, 1.0, -4.0]), np.array([20.0, 1.0, 0.25, 2.0])
    found = landscape.preconditioned_sharpness(
        quadratic(np.diag(a)),
        jnp.ones(4, precision.dtype),
        jnp.asarray(p, precision.dtype),
        KEY,
        iterations=4,
        top=2,
        bottom=1,
    )
    np.testing.assert_allclose(found.top.values, [4.0, 3.0], rtol=precision.tolerance)
    np.testing.assert_allclose(found.bottom.values, [-2.0], rtol=precision.tolerance)


def test_a_preconditioner_that_is_not_positive_is_refused(quadratic):
    with pytest.raises(ValueError, match=r"smallest entry is 0\.0"):
        landscape.preconditioned_sharpness(quadratic(np.eye(2)), jnp.ones(2), jnp.array([1.0, 0.0]), KEY, iterations=2)


@pytest.mark.parametrize("measure", [landscape.extreme_eigenvalues, landscape.spectral_density])
def test_more_iterations_than_parameters_are_refused(quadratic, measure):
    with pytest.raises(ValueError, match="iterations is 4, but must be an integer from 1 to 3, the number of"):
        measure(quadratic(np.eye(3)), jnp.ones(3), KEY, iterations=4)
    for wrong in (0, 2.0):
        with pytest.raises(ValueError, match=f"iterations is {wrong}"):
            measure(quadratic(np.eye(3)), jnp.ones(3), KEY, iterations=wrong)


@pytest.mark.parametrize("measure", [landscape.extreme_eigenvalues, landscape.spectral_density])
def test_a_basis_beyond_the_memory_limit_is_refused_with_the_figure(quadratic, measure):
    assert landscape.lanczos_memory({"w": jnp.ones((10, 100))}, 20) == 80_000
    with pytest.raises(ValueError, match=r"20 Lanczos iterations on 1,000 parameters keep 8e-05 GB, but 1e-06 GB"):
        measure(lambda w: jnp.sum(w["w"] ** 2), {"w": jnp.ones((10, 100))}, KEY, iterations=20, memory_limit=1000)


def test_memory_of_half_precision_counts_what_the_measure_computes_in(float64):
    assert landscape.lanczos_memory(jnp.ones(10, jnp.bfloat16), 3) == 120
    assert landscape.lanczos_memory(jnp.ones(10, jnp.float64), 3) == 240


def test_more_free_memory_than_a_machine_has_is_refused(quadratic):
    vast = jax.ShapeDtypeStruct((10**12,), jnp.float32)
    with pytest.raises(ValueError, match="keep 8e\\+04 GB"):
        jax.eval_shape(
            lambda w: landscape.extreme_eigenvalues(lambda w: jnp.sum(w**2), w, KEY, iterations=20).top.values, vast
        )


def test_one_copy_of_a_large_basis_is_kept():
    params, iterations = jax.ShapeDtypeStruct((1_000_000,), jnp.float32), 20
    vector = 4 * 1_000_000

    def measure(w):
        return landscape.extreme_eigenvalues(lambda w: jnp.sum(w**3), w, jax.random.key(0), iterations=iterations)

    used = jax.jit(measure).lower(params).compile().memory_analysis()
    assert used.temp_size_in_bytes < landscape.lanczos_memory(params, iterations) + 8 * vector


def test_counts_of_eigenvalues_are_checked(quadratic):
    with pytest.raises(ValueError, match="top is 3, but must be an integer from 0 to 2, iterations"):
        landscape.extreme_eigenvalues(quadratic(np.eye(3)), jnp.ones(3), KEY, iterations=2, top=3)
