"""Step reliability in closed form on quadratics, and unchanged where BatchNorm leaves a scale free."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

DECREASES = np.array([0.03, 0.1, 0.3, 1.0])
DIAGONAL = np.array([10.0, 3.0, 1.0])


def _normalised_network(dtype):
    """Linear layer, BatchNorm with batch statistics and ε = 0, tanh and a trained readout; mean squared error."""
    random = np.random.default_rng(0)
    x, y = (jnp.asarray(random.normal(size=s), dtype) for s in ((16, 3), (16,)))
    params = {"kernel": random.normal(size=(3, 4)), "readout": random.normal(size=4)}

    def loss(params):
        hidden = x @ params["kernel"]
        hidden = (hidden - hidden.mean(0)) / jnp.std(hidden, axis=0)
        return jnp.mean((jnp.tanh(hidden) @ params["readout"] - y) ** 2)

    return loss, jax.tree.map(lambda w: jnp.asarray(w, dtype), params)


@pytest.mark.parametrize("beta", [0.5, 40.0])
def test_an_isotropic_quadratic(precision, beta):
    w = {"a": jnp.array([1.0, -2.0], precision.dtype), "b": jnp.array(3.0, precision.dtype)}
    found = landscape.step_reliability(lambda w: 0.5 * beta * landscape.tree_dot(w, w), w)
    np.testing.assert_allclose(found.relative_decreases, DECREASES, rtol=1e-6)
    np.testing.assert_allclose(found.step_sizes, DECREASES / (2 * beta), rtol=precision.tolerance)
    np.testing.assert_allclose(found.losses, 7 * beta * (1 - DECREASES / 2) ** 2, rtol=precision.tolerance)
    np.testing.assert_allclose(found.gradient_change, DECREASES / 2, rtol=precision.tolerance)
    np.testing.assert_allclose(found.cosine, np.ones(4), rtol=precision.tolerance)
    np.testing.assert_allclose(found.decrease_ratio, 1 - DECREASES / 4, rtol=10 * precision.tolerance)
    assert found.largest_safe == 1


def test_a_diagonal_quadratic_against_its_formulas(quadratic, precision):
    w = jnp.ones(3, precision.dtype)
    found = landscape.step_reliability(quadratic(np.diag(DIAGONAL)), w, [0.1, 3.0, 1.0])
    gradient, loss = DIAGONAL, 7.0
    alpha = np.array([0.1, 3.0, 1.0])[:, None] * loss / np.sum(gradient**2)
    there = DIAGONAL * (1 - alpha * gradient)
    change = np.linalg.norm(there - gradient, axis=1) / np.linalg.norm(gradient)
    cosine = there @ gradient / np.linalg.norm(there, axis=1) / np.linalg.norm(gradient)
    losses = 0.5 * np.sum(DIAGONAL * (1 - alpha * gradient) ** 2, axis=1)
    np.testing.assert_allclose(found.gradient_change, change, rtol=precision.tolerance)
    np.testing.assert_allclose(found.cosine, cosine, rtol=precision.tolerance)
    ratio = (loss - losses) / (alpha[:, 0] * np.sum(gradient**2))
    np.testing.assert_allclose(found.decrease_ratio, ratio, rtol=precision.tolerance, atol=1e-6)
    # The loss is back at its start where α = 2 gᵀg / gᵀAg, that is at c = 2 (gᵀg)² / (L gᵀAg) = 3.363.
    far = landscape.step_reliability(quadratic(np.diag(DIAGONAL)), w, [0.1, 3.36, 3.37])
    np.testing.assert_array_equal(far.losses <= loss, [True, True, False])
    np.testing.assert_allclose(far.largest_safe, 3.36, rtol=1e-6)


def test_no_safe_step_is_zero():
    kink = landscape.step_reliability(lambda w: 1 + 50 * jnp.abs(w), jnp.float32(1e-4), [0.5, 1.0])
    assert kink.largest_safe == 0
    assert np.all(np.asarray(kink.decrease_ratio) < 0)


@pytest.mark.parametrize("factor", [0.2, 7.0])
def test_kernels_before_batchnorm_may_be_scaled(precision, factor):
    loss, params = _normalised_network(precision.dtype)
    kernel_only = lambda kernel: loss({**params, "kernel": kernel})  # noqa: E731
    plain, scaled = (landscape.step_reliability(kernel_only, c * params["kernel"]) for c in (1, factor))
    np.testing.assert_allclose(scaled.step_sizes, factor**2 * plain.step_sizes, rtol=10 * precision.tolerance)
    for name in ("losses", "gradient_change", "cosine", "decrease_ratio", "largest_safe"):
        before, after = getattr(plain, name), getattr(scaled, name)
        np.testing.assert_allclose(after, before, rtol=10 * precision.tolerance, atol=precision.tolerance)
    probes = [
        landscape.gradient_direction_probe(kernel_only, c * params["kernel"], jnp.ones(1)).effective_beta
        for c in (1, factor)
    ]
    assert abs(np.log(probes[1] / probes[0])) > 0.5


def test_an_update_on_a_quadratic(quadratic, precision):
    w, update = np.array([1.0, 1.0, 1.0]), np.array([-0.05, 0.1, -0.2])
    found = landscape.update_reliability(
        quadratic(np.diag(DIAGONAL)), jnp.asarray(w, precision.dtype), jnp.asarray(update, precision.dtype)
    )
    gradient, curvature = DIAGONAL * w, DIAGONAL * update
    there = gradient + curvature
    predicted = -gradient @ update
    change = np.linalg.norm(curvature) / np.linalg.norm(gradient)
    cosine = there @ gradient / np.linalg.norm(there) / np.linalg.norm(gradient)
    expected = [change, cosine, 1 - 0.5 * update @ curvature / predicted, predicted / 7]
    np.testing.assert_allclose(found, expected, rtol=10 * precision.tolerance)


@pytest.mark.parametrize("scale", [1e-19, 1e18])
def test_gradients_beyond_the_root_of_the_numbers_range(scale: float):
    """A loss that is steep in one unit is flat in another; the figures without unit stay as they are."""

    def loss(w):
        return 1.0 + jnp.sum(jnp.array([1.0, 0.3, 0.3, 0.3]) * w) + 0.01 * jnp.vdot(w, w)

    usual = landscape.step_reliability(loss, jnp.ones(4), [0.01, 0.03])
    found = landscape.step_reliability(lambda w: loss(w * scale), jnp.ones(4) / scale, [0.01, 0.03])
    for name in ("losses", "gradient_change", "cosine", "decrease_ratio", "largest_safe"):
        np.testing.assert_allclose(getattr(found, name), getattr(usual, name), rtol=1e-4)
    np.testing.assert_allclose(found.step_sizes * scale * scale, usual.step_sizes, rtol=1e-4)


def test_an_update_along_the_gradient_is_the_step(mlp, float64):
    loss, params = mlp("float64")
    steps = landscape.step_reliability(loss, params, [0.3])
    update = jax.tree.map(lambda g: -steps.step_sizes[0] * g, jax.grad(loss)(params))
    found = landscape.update_reliability(loss, params, update)
    along = (steps.gradient_change[0], steps.cosine[0], steps.decrease_ratio[0], 0.3)
    np.testing.assert_allclose(found, along, rtol=1e-9)


def test_under_jit_and_vmap_as_outside(mlp, float64):
    loss, params = mlp("float64")
    members = jax.tree.map(lambda w: jnp.stack([w, 2 * w]), params)
    update = jax.tree.map(lambda w: 0.1 * w, members)

    def both(w, u):
        return landscape.step_reliability(loss, w), landscape.update_reliability(loss, w, u)

    inside = jax.jit(jax.vmap(both))(members, update)
    for index in range(2):
        outside = both(*jax.tree.map(lambda x, i=index: x[i], (members, update)))
        for a, b in zip(jax.tree.leaves(inside), jax.tree.leaves(outside), strict=True):
            np.testing.assert_allclose(a[index], b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_at_a_stationary_point_all_is_undefined(wrap):
    found = wrap(lambda w: landscape.step_reliability(lambda w: 1 + jnp.vdot(w, w), w))(jnp.zeros(3))
    np.testing.assert_allclose(found.relative_decreases, DECREASES, rtol=1e-6)
    assert all(np.all(np.isnan(column)) for column in found[1:])
    update = wrap(lambda w: landscape.update_reliability(lambda w: 1 + jnp.vdot(w, w), w, w + 1))(jnp.zeros(3))
    assert np.all(np.isnan(update))


def test_a_loss_may_be_a_python_number():
    found = landscape.step_reliability(lambda w: 3.0, jnp.ones(2))
    assert all(np.all(np.isnan(column)) for column in found[1:])


def test_an_update_orthogonal_to_the_gradient_predicts_nothing():
    found = landscape.update_reliability(lambda w: w[0] + w[1] ** 2, jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]))
    assert np.isnan(found.decrease_ratio)
    assert found.relative_decrease == 0


def test_a_loss_that_is_not_positive_has_no_relative_decrease():
    negative = lambda w: jnp.vdot(w, w) - 10  # noqa: E731
    with pytest.raises(ValueError, match=r"loss\(params\) is -7\.0, but a relative decrease needs a positive loss"):
        landscape.step_reliability(negative, jnp.ones(3))
    inside = jax.jit(lambda w: landscape.step_reliability(negative, w))(jnp.ones(3))
    assert all(np.all(np.isnan(column)) for column in inside[1:])
    found = landscape.update_reliability(negative, jnp.ones(3), -0.1 * jnp.ones(3))
    assert np.isnan(found.relative_decrease)
    np.testing.assert_allclose(found.decrease_ratio, 0.95, rtol=1e-4)
