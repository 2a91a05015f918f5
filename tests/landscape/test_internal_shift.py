"""Internal covariate shift of a deep linear network against its definition, written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

X = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]])
Y = np.array([[1.0], [0.0], [2.0]])


def _loss(params):
    x, y = jnp.asarray(X, params["c"].dtype), jnp.asarray(Y, params["c"].dtype)
    return 0.5 * jnp.sum((x @ params["a"] @ params["b"] @ params["c"] - y) ** 2)


def _gradients(a, b, c):
    """Gradients of `_loss` by hand."""
    error = X @ a @ b @ c - Y
    return X.T @ error @ (b @ c).T, (X @ a).T @ error @ c.T, (X @ a @ b).T @ error


def _snapshots(dtype):
    random = np.random.default_rng(3)
    shapes = {"a": (2, 3), "b": (3, 2), "c": (2, 1)}
    return [{name: jnp.asarray(random.normal(size=s), dtype) for name, s in shapes.items()} for _ in range(2)]


def test_covariate_shift_follows_its_definition(precision):
    before, after = _snapshots(precision.dtype)
    old, new = ([np.asarray(p[name], np.float64) for name in "abc"] for p in (before, after))
    plain = _gradients(*old)
    shifted = [plain[0], _gradients(new[0], old[1], old[2])[1], _gradients(new[0], new[1], old[2])[2]]
    shift = landscape.covariate_shift(_loss, before, after, ["a", "b", "c"])
    distances = [np.linalg.norm(g - h) for g, h in zip(plain, shifted, strict=True)]
    cosines = [np.vdot(g, h) / np.linalg.norm(g) / np.linalg.norm(h) for g, h in zip(plain, shifted, strict=True)]
    np.testing.assert_allclose(shift.distance, distances, rtol=precision.tolerance)
    np.testing.assert_allclose(shift.cosine, cosines, rtol=precision.tolerance, atol=1e-6)
    assert shift.distance[0] == 0


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_gradients_beyond_the_root_of_the_numbers_range(scale: float):
    before, after = _snapshots("float32")
    usual = landscape.covariate_shift(_loss, before, after, ["a", "b", "c"])
    found = landscape.covariate_shift(lambda params: scale * _loss(params), before, after, ["a", "b", "c"])
    np.testing.assert_allclose(found.distance, scale * usual.distance, rtol=1e-5)
    np.testing.assert_allclose(found.cosine, usual.cosine, rtol=1e-5)


def test_the_caller_orders_the_layers(float64):
    before, after = _snapshots("float64")
    shift = landscape.covariate_shift(_loss, before, after, lambda params: [["c"], ["a", "b"]])
    old, new = ([np.asarray(p[name]) for name in "abc"] for p in (before, after))
    plain, shifted = _gradients(*old), _gradients(old[0], old[1], new[2])
    expected = np.sqrt(sum(np.sum((g - h) ** 2) for g, h in zip(plain[:2], shifted[:2], strict=True)))
    np.testing.assert_allclose(shift.distance, [0, expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "layers is empty, but at least one layer is needed: the paths are a, b, c"),
        (["a", "b"], "leaf c is in no layer, but each leaf must be in exactly one"),
        (["a", "b", "c", "d"], r"layer 3 \(d\) names no leaf; the paths are a, b, c"),
        (["a", "b", ["c", "a"]], r"leaf a is in layers \[0, 2\]"),
    ],
)
def test_layers_that_do_not_split_the_leaves_are_refused(layers, message):
    before, after = _snapshots("float32")
    with pytest.raises(ValueError, match=message):
        landscape.covariate_shift(_loss, before, after, layers)


def test_a_path_prefix_ends_at_a_whole_name():
    params = {"conv_1": {"kernel": 1.0, "bias": 0.0}, "conv_10": [1.0, {"scale": 2.0}]}
    assert landscape.group_of_leaves(params, ["conv_1", "conv_10"]) == [0, 0, 1, 1]
    assert landscape.group_of_leaves(params, ["conv_1/bias", "conv_10/1/scale", ["conv_1/kernel", "conv_10/0"]]) == [
        0,
        2,
        2,
        1,
    ]
    assert len(jax.tree.leaves(params)) == 4
