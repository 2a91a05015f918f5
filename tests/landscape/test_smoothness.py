"""β-smoothness and gradient distance: quadratics, the step of zero length, and the trap of two batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcifar import landscape

MATRIX = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, -2.0]])


def test_same_batch_beta_of_a_quadratic(precision):
    def loss(params):
        w = jnp.concatenate([params["a"], params["b"]])
        return 0.5 * jnp.vdot(w, jnp.asarray(MATRIX, w.dtype) @ w)

    before = {"a": jnp.array([1.0, 2.0], precision.dtype), "b": jnp.array([-1.0], precision.dtype)}
    step = {"a": jnp.array([0.3, -0.2], precision.dtype), "b": jnp.array([0.5], precision.dtype)}
    after = jax.tree.map(jnp.add, before, step)
    flat = np.array([0.3, -0.2, 0.5])
    moved = MATRIX @ flat
    beta = landscape.same_batch_beta(loss, before, after)
    assert beta.dtype == precision.dtype
    np.testing.assert_allclose(beta, np.linalg.norm(moved) / np.linalg.norm(flat), rtol=precision.tolerance)
    change = landscape.same_batch_gradient_distance(loss, before, after)
    np.testing.assert_allclose(change.distance, np.linalg.norm(moved), rtol=precision.tolerance)
    part = landscape.same_batch_gradient_distance(loss, before, after, lambda gradient: gradient["b"])
    np.testing.assert_allclose(part.distance, abs(moved[2]), rtol=precision.tolerance)


def test_cosine_of_two_gradients(precision):
    before, after = jnp.array([1.0, 0.0], precision.dtype), jnp.array([1.0, 1.0], precision.dtype)
    change = landscape.distance_from_gradients(before, after)
    np.testing.assert_allclose(change.cosine, 0.5**0.5, rtol=precision.tolerance)
    np.testing.assert_allclose(change.distance, 1.0, rtol=precision.tolerance)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_without_a_step_beta_is_undefined_and_the_gradient_unchanged(mlp, wrap):
    loss, params = mlp("float32")
    beta = wrap(lambda w: landscape.same_batch_beta(loss, w, w))(params)
    change = wrap(lambda w: landscape.same_batch_gradient_distance(loss, w, w))(params)
    assert np.isnan(beta)
    assert change.distance == 0
    np.testing.assert_allclose(change.cosine, 1.0, rtol=1e-6)
    other = jax.tree.map(lambda leaf: leaf + 1, params)
    assert np.isnan(wrap(landscape.beta_from_gradients)(params, other, params, params))


def test_cosine_with_a_zero_gradient_is_undefined():
    assert np.isnan(landscape.distance_from_gradients(jnp.zeros(2), jnp.ones(2)).cosine)


def _noisy_quadratic(rate, dimension=1000, steps=500):
    """Root mean square of the same-batch and the cross-batch ratio of SGD on ½‖w - x_t‖², after burn-in."""

    def loss(w, x):
        return 0.5 * jnp.sum((w - x) ** 2)

    def draw(t):
        return jax.random.normal(jax.random.fold_in(jax.random.key(0), t), (dimension,))

    def move(t, w):
        return w - rate * jax.grad(loss)(w, draw(t))

    burn_in = jnp.asarray(5 / rate, int)
    start = lax.fori_loop(0, burn_in, move, jnp.zeros(dimension))

    def step(w, t):
        after, now, later = move(t, w), draw(t), draw(t + 1)
        gradient = jax.grad(loss)
        same = landscape.beta_from_gradients(gradient(w, now), gradient(after, now), w, after)
        cross = landscape.beta_from_gradients(gradient(w, now), gradient(after, later), w, after)
        return after, jnp.stack([same, cross])

    _, ratios = lax.scan(step, start, burn_in + jnp.arange(steps))
    return ratios


@pytest.mark.parametrize(("rate", "expected"), [(0.1, 14.5), (0.01, 142), (0.001, 1415)])
def test_two_batches_make_a_false_beta(float64, rate, expected):
    ratios = np.asarray(jax.jit(_noisy_quadratic)(rate))
    formula = np.sqrt(((1 + rate) ** 2 + 1 + rate**3 / (2 - rate)) * (2 - rate) / (2 * rate**2))
    np.testing.assert_allclose(formula, expected, rtol=0.005)
    np.testing.assert_allclose(ratios[:, 0], 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.mean(ratios[:, 1] ** 2)), formula, rtol=0.03)


def test_cross_batch_measures_take_each_gradient_on_its_own_batch(precision):
    batches = jnp.array([[0.0, 0.0], [3.0, -1.0]], precision.dtype)

    def on(batch):
        return lambda w: 0.5 * jnp.sum((w - batch) ** 2)

    before, after = jnp.array([1.0, 1.0], precision.dtype), jnp.array([0.5, 0.5], precision.dtype)
    difference = np.array([-0.5 - 3.0, -0.5 + 1.0])
    beta = landscape.cross_batch_beta(on(batches[0]), on(batches[1]), before, after)
    change = landscape.cross_batch_gradient_distance(on(batches[0]), on(batches[1]), before, after)
    np.testing.assert_allclose(change.distance, np.linalg.norm(difference), rtol=precision.tolerance)
    np.testing.assert_allclose(beta, np.linalg.norm(difference) / 0.5**0.5, rtol=precision.tolerance)


def test_noise_floor_is_the_rounding_of_the_batch_order():
    x = jax.random.normal(jax.random.key(0), (500, 3))
    y = jax.random.normal(jax.random.key(1), (500,))

    def on(x, y):
        return lambda w: jnp.mean((x @ w - y) ** 2)

    w = jnp.ones(3)
    floor = landscape.noise_floor(on(x, y), on(x[::-1], y[::-1]), w)
    assert 0 < floor.relative < 1e-5
    residual = np.asarray(x, np.float64) @ np.ones(3) - np.asarray(y, np.float64)
    exact = 2 * np.asarray(x, np.float64).T @ residual / 500
    against = landscape.noise_floor_from_gradients(jax.grad(on(x, y))(w), exact)
    assert against.relative < 1e-5
    np.testing.assert_allclose(against.distance, against.relative * np.linalg.norm(exact), rtol=1e-4)


def test_running_maximum_and_quantiles_leave_undefined_values_out():
    beta = np.array([np.nan, 2.0, 1.0, np.nan, 5.0])
    np.testing.assert_array_equal(landscape.running_maximum(beta), [np.nan, 2.0, 2.0, 2.0, 5.0])
    summary = landscape.maximum_and_quantiles(beta, (0.0, 0.5))
    assert summary.maximum == 5.0
    np.testing.assert_array_equal(summary.values, [1.0, 2.0])
    nothing = landscape.maximum_and_quantiles(np.array([np.nan]))
    assert np.isnan(nothing.maximum)
    assert np.isnan(nothing.values).all()


def test_pytrees_of_two_networks_are_refused():
    with pytest.raises(ValueError, match="params_before and params_after differ"):
        landscape.same_batch_beta(lambda w: jnp.sum(w["a"]), {"a": jnp.ones(2)}, {"a": jnp.ones(3)})
    with pytest.raises(ValueError, match="gradient_before and gradient_after differ"):
        landscape.distance_from_gradients({"a": jnp.ones(2)}, {"b": jnp.ones(2)})


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1.0, 1e22, 1e30])
def test_lengths_beyond_the_root_of_the_numbers_range(scale: float):
    """β of c/2 ‖w‖² is c, whose square float32 does not hold."""
    before, after = jnp.array([1.0, -2.0]), jnp.array([0.5, 1.0])
    beta = landscape.same_batch_beta(lambda w: 0.5 * scale * jnp.vdot(w, w), before, after)
    np.testing.assert_allclose(beta, scale, rtol=1e-5)
    np.testing.assert_allclose(landscape.tree_norm({"a": scale * before}), scale * 5**0.5, rtol=1e-6)
    first, second = {"a": scale * jnp.array([1.0, 2.0, 3.0])}, {"a": jnp.array([1.0, 2.0, 2.0]) / scale}
    np.testing.assert_allclose(landscape.tree_cosine(first, second), 11 / 14**0.5 / 3, rtol=1e-6)


def test_the_length_of_zero_and_of_what_is_not_finite():
    assert landscape.tree_norm([jnp.zeros(3)]) == 0
    assert landscape.tree_norm([jnp.array([1.0, jnp.inf])]) == jnp.inf
    assert jnp.isnan(landscape.tree_norm([jnp.array([1.0, jnp.nan])]))
    gradient = jax.grad(landscape.tree_norm)(jnp.array([3e-25, -4e-25]))
    np.testing.assert_allclose(gradient, [0.6, -0.8], rtol=1e-6)
