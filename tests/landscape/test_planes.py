"""Planes and lines: exact on linear regression, directions as long as the weights filter by filter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(10, 3)), RANDOM.normal(size=10)


def _regression(dtype):
    x, y = jnp.asarray(X, dtype), jnp.asarray(Y, dtype)
    return lambda params: jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


def _point(dtype, seed):
    random = np.random.default_rng(seed)
    return {"w": jnp.asarray(random.normal(size=3), dtype), "b": jnp.asarray(random.normal(), dtype)}


def _exact(w, b):
    return np.mean((X @ w + b - Y) ** 2)


def test_plane_of_a_linear_regression_is_its_quadratic(precision):
    center, first, second = (_point(precision.dtype, seed) for seed in (1, 2, 3))
    x, y = np.linspace(-1, 1, 3), np.linspace(-2, 1, 4)
    seen = []
    found = landscape.plane(
        _regression(precision.dtype), center, (first, second), x, y, progress=lambda *done: seen.append(done)
    )
    points = [[{k: np.asarray(center[k] + a * first[k] + b * second[k]) for k in center} for a in x] for b in y]
    expected = [[_exact(p["w"], p["b"]) for p in row] for row in points]
    np.testing.assert_allclose(found.losses, expected, rtol=precision.tolerance)
    np.testing.assert_allclose(found.x, x)
    np.testing.assert_allclose(found.y, y)
    assert seen == [(3, 12), (6, 12), (9, 12), (12, 12)]


def test_plane_under_jit_is_the_plane_outside():
    loss, center = _regression("float32"), _point("float32", 1)
    directions = (_point("float32", 2), _point("float32", 3))
    x, y = np.linspace(-1, 1, 3), np.linspace(-1, 1, 2)
    inside = jax.jit(lambda w: landscape.plane(loss, w, directions, x, y).losses)(center)
    np.testing.assert_allclose(inside, landscape.plane(loss, center, directions, x, y).losses, rtol=1e-6)
    with pytest.raises(ValueError, match="progress was given under jit"):
        jax.jit(lambda w: landscape.plane(loss, w, directions, x, y, progress=print).losses)(center)


def test_line_between_two_snapshots(precision):
    loss = _regression(precision.dtype)
    start, end = _point(precision.dtype, 1), _point(precision.dtype, 2)
    step = jax.tree.map(jnp.subtract, end, start)
    found = landscape.line(loss, start, step, np.linspace(0, 1, 3))
    np.testing.assert_allclose(found.losses[::2], [loss(start), loss(end)], rtol=precision.tolerance)
    middle = {k: np.asarray(start[k] + end[k]) / 2 for k in start}
    np.testing.assert_allclose(found.losses[1], _exact(middle["w"], middle["b"]), rtol=precision.tolerance)


@pytest.mark.parametrize("filter_axis", [-1, 0])
def test_filters_are_as_long_as_the_weights(float64, filter_axis):
    random = np.random.default_rng(4)
    params, direction = ({"conv": random.normal(size=(3, 3, 2, 4)), "bias": random.normal(size=4)} for _ in range(2))
    np.moveaxis(params["conv"], filter_axis, 0)[1] = 0
    scaled = landscape.filter_normalised(direction, params, filter_axis)
    weights, moved = (np.moveaxis(np.asarray(t["conv"]), filter_axis, 0) for t in (params, scaled))
    lengths = [np.linalg.norm(t.reshape(t.shape[0], -1), axis=1) for t in (weights, moved)]
    np.testing.assert_allclose(lengths[1], lengths[0], rtol=1e-9)
    assert np.all(scaled["bias"] == 0)


def test_biases_do_not_move_whatever_their_shape():
    params = {"kernel": jnp.ones((4, 3, 3, 3)), "bias": jnp.ones(4), "broadcast_bias": jnp.ones((4, 1, 1))}
    (direction,) = landscape.random_directions(params, jax.random.key(0), 1, filter_axis=0)
    assert landscape.tree_norm(direction["kernel"]) == pytest.approx(float(jnp.sqrt(4 * 27)))
    assert landscape.tree_norm([direction["bias"], direction["broadcast_bias"]]) == 0


def test_random_directions_are_two_and_as_long_as_the_weights():
    params = {"kernel": jnp.asarray(RANDOM.normal(size=(40, 3)), jnp.float32)}
    first, second = landscape.random_directions(params, jax.random.key(0))
    for direction in (first, second):
        lengths = [np.linalg.norm(t["kernel"], axis=0) for t in (params, direction)]
        np.testing.assert_allclose(lengths[1], lengths[0], rtol=1e-5)
    assert abs(landscape.tree_cosine(first, second)) < 0.5


def test_a_point_may_be_infinite_but_the_center_may_not():
    loss = lambda w: jnp.where(w < 1.5, w, jnp.inf)  # noqa: E731
    found = landscape.line(loss, jnp.float32(0), jnp.float32(1), np.arange(3.0))
    np.testing.assert_array_equal(found.losses, [0, 1, np.inf])
    with pytest.raises(ValueError, match=r"loss\(params\) is inf"):
        landscape.line(loss, jnp.float32(2), jnp.float32(1), np.arange(3.0))


def test_grids_and_directions_are_checked():
    loss, center = _regression("float32"), _point("float32", 1)
    with pytest.raises(ValueError, match="1 directions were given"):
        landscape.plane(loss, center, [center], np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"y has shape \(2, 2\)"):
        landscape.plane(loss, center, [center, center], np.ones(2), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"params and direction differ in structure \(only one has leaf b\)"):
        landscape.line(loss, center, {"w": center["w"]}, np.ones(2))


def test_what_the_loss_closes_over_may_be_traced():
    w, axis = jnp.array([1.0, -2.0]), jnp.linspace(-1, 1, 3)
    directions = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])

    def losses(scale):
        def loss(w):
            return scale * jnp.vdot(w, w)

        plane = landscape.plane(loss, w, directions, axis, axis).losses
        return plane, landscape.line(loss, w, directions[0], axis).losses

    together = jax.vmap(losses)(jnp.array([1.0, 3.0]))
    for found, alone in zip(together, losses(1.0), strict=True):
        np.testing.assert_allclose(found, jnp.stack([alone, 3 * alone]), rtol=1e-6)
