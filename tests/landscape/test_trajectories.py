"""Principal directions of paths whose plane is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import landscape

COORDINATES = np.array([[4.0, 1.0], [1.0, -2.0], [-1.0, 0.5], [-2.0, 1.5], [-3.0, 0.0]])


def _unit_pair():
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 2)))
    return basis.T


def _tree(flat, dtype):
    return {"a": jnp.asarray(flat[:4].reshape(2, 2), dtype), "b": jnp.asarray(flat[4:], dtype)}


def _loss(params):
    return jnp.sum(params["a"] ** 2) + jnp.sum(params["b"])


def test_points_of_a_known_plane(precision):
    u, v = _unit_pair()
    flat = np.arange(7.0) + COORDINATES @ np.stack([u, v])
    snapshots = [_tree(point, precision.dtype) for point in flat]
    path = landscape.trajectory(_loss, snapshots)
    expected = COORDINATES - COORDINATES[-1]
    gaps = [np.linalg.norm(c[:, None] - c[None], axis=-1) for c in (expected, np.asarray(path.coordinates))]
    np.testing.assert_allclose(gaps[1], gaps[0], rtol=precision.tolerance, atol=20 * precision.tolerance)
    variances = np.sort(np.linalg.eigvalsh(np.cov(COORDINATES.T)))[::-1]
    np.testing.assert_allclose(path.explained, variances / variances.sum(), rtol=precision.tolerance)
    np.testing.assert_allclose(path.off_plane, 0, atol=20 * precision.tolerance)
    np.testing.assert_allclose(path.losses, [float(_loss(s)) for s in snapshots], rtol=precision.tolerance)
    gram = [[float(landscape.tree_dot(d, e)) for e in path.directions] for d in path.directions]
    np.testing.assert_allclose(gram, np.eye(2), atol=5 * precision.tolerance)
    assert np.all(np.asarray(path.coordinates[0]) >= 0)
    np.testing.assert_array_equal(path.coordinates[-1], [0, 0])
    back = path.coordinates[1] @ np.stack([np.concatenate([d["a"].ravel(), d["b"]]) for d in path.directions])
    np.testing.assert_allclose(back, flat[1] - flat[-1], atol=20 * precision.tolerance)


def test_what_the_plane_leaves_out_is_shown(float64):
    flat = np.zeros((4, 7))
    flat[:, 0], flat[:, 1] = [3, 1, -1, -3], [1, -1, -1, 1]
    path = landscape.trajectory(_loss, [_tree(point, "float64") for point in flat], components=1)
    np.testing.assert_allclose(path.explained, [20 / 24], rtol=1e-9)
    np.testing.assert_allclose(path.off_plane, [0, 2, 2, 0], atol=1e-9)
    middle = landscape.project(_tree(flat[1], "float64"), path.origin, path.directions)
    np.testing.assert_allclose(middle, [4.0], rtol=1e-9)


def test_the_path_lies_on_the_plane_drawn_from_its_directions(float64):
    u, v = _unit_pair()
    snapshots = [_tree(np.arange(7.0) + c @ np.stack([u, v]), "float64") for c in COORDINATES]
    path = landscape.trajectory(_loss, snapshots)
    x, y = path.coordinates[1:2].T
    on_plane = landscape.plane(_loss, path.origin, path.directions, x, y).losses[0, 0]
    np.testing.assert_allclose(on_plane, path.losses[1], rtol=1e-9)


def test_a_path_that_does_not_move_has_no_variance():
    path = landscape.trajectory(_loss, [_tree(np.ones(7), "float32")] * 3)
    assert np.isnan(path.explained).all()
    np.testing.assert_array_equal(path.coordinates, np.zeros((3, 2)))


def test_trajectory_under_jit(float64):
    snapshots = [_tree(point, "float64") for point in np.random.default_rng(1).normal(size=(4, 7))]
    outside = landscape.trajectory(_loss, snapshots)
    inside = jax.jit(lambda s: landscape.trajectory(_loss, s))(snapshots)
    for a, b in zip(jax.tree.leaves(inside), jax.tree.leaves(outside), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("count", "components", "message"),
    [
        (2, 2, "components is 2, but must be an integer from 1 to 1, one less than snapshots"),
        (1, 1, "snapshots has 1 entries, but a path needs at least 2"),
        (3, 0, "components is 0, but must be an integer from 1 to 2"),
    ],
)
def test_too_few_snapshots_are_refused(count, components, message):
    with pytest.raises(ValueError, match=message):
        landscape.trajectory(_loss, [_tree(np.ones(7), "float32")] * count, components)
