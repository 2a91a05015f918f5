"""The loss on a plane or a line through a point, with directions scaled filter by filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcifar.landscape.arguments import LONGEST, Float, as_axis, as_count, as_key, as_list, check_function, is_traced
from jaxcifar.landscape.checks import (
    Array,
    Loss,
    PyTree,
    at_highest_precision,
    check_finite,
    if_finite,
    leaf_of,
    matched,
    measured,
    prepared,
)
from jaxcifar.landscape.krylov import random_vector
from jaxcifar.landscape.trees import moved, ratio, tree_norm

Progress = Callable[[int, int], None]

MOST_AXES = 64


class Plane(NamedTuple):
    """`losses` [y, x] at w + x a + y b, with `x` and `y` as given: `losses[i, j]` is the loss at `x[j], y[i]`."""

    x: Float[Array, " x"]
    y: Float[Array, " y"]
    losses: Float[Array, "y x"]


class Line(NamedTuple):
    """`losses` [x] at w + x d, with `x` as given."""

    x: Float[Array, " x"]
    losses: Float[Array, " x"]


def filter_normalised(direction: PyTree, params: PyTree, filter_axis: int = -1) -> PyTree:
    """Return a direction with each filter scaled to the norm of the weights' filter.

    $$ d_{i,j} \\leftarrow \\frac{d_{i,j}}{\\lVert d_{i,j} \\rVert} \\lVert w_{i,j} \\rVert $$

    A filter holds the weights of one output channel. Biases and BatchNorm's scale and offset are set to zero, as in the
    paper: leaves of one axis or none, and of three or more axes of which all but one have size 1 (Equinox's convolution
    biases).

    Args:
        direction: pytree shaped like `params`.
        params: pytree of parameters, w.
        filter_axis: the axis of output channels; -1 for Flax kernels, 0 for Equinox and PyTorch weights.

    Returns:
        Pytree shaped like `params`, in its unit.

    Raises:
        ValueError: pytrees that are not finite, not floating or not shaped alike, an axis that a leaf does not have, or
            parameters without a leaf that has filters, of which every direction would be zero.

    Cost: no gradient.

    References:
        Li et al., Visualizing the Loss Landscape of Neural Nets (2018), arXiv 1712.09913, section 4.
    """
    params = measured(params)
    check_finite(params, "params")
    filter_axis = _filter_axis(params, filter_axis)
    return _normalised(matched(direction, params, "direction"), params, filter_axis)


def _normalised(direction: PyTree, params: PyTree, filter_axis: int) -> PyTree:
    def scaled(d: Array, w: Array) -> Array:
        if not _has_filters(w, filter_axis):
            return jnp.zeros_like(w)
        others = tuple(axis for axis in range(w.ndim) if axis != filter_axis % w.ndim)
        lengths = [jnp.sqrt(jnp.sum(jnp.square(leaf), axis=others, keepdims=True)) for leaf in (w, d)]
        # A filter of the direction that is zero stays zero, whatever the weights' length.
        return d * jnp.where(lengths[1] == 0, 0, ratio(*lengths))

    return jax.tree.map(scaled, direction, params)


def _has_filters(w: Array, filter_axis: int) -> bool:
    return w.ndim > 1 and not (w.ndim > 2 and w.size == w.shape[filter_axis])


def _filter_axis(params: PyTree, filter_axis: int) -> int:
    """Return `filter_axis` after a check that every leaf with filters has it, and that there is such a leaf."""
    filter_axis = as_count(filter_axis, "filter_axis", -MOST_AXES, MOST_AXES)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if leaf.ndim > 1 and not -leaf.ndim <= filter_axis < leaf.ndim:
            raise ValueError(
                f"filter_axis is {filter_axis}, but must be from {-leaf.ndim} to {leaf.ndim - 1} for "
                f"{leaf_of('params', path)} of shape {leaf.shape}."
            )
    if not any(_has_filters(leaf, filter_axis) for leaf in jax.tree.leaves(params)):
        raise ValueError(
            "params has only leaves that count as biases (one axis or none, or all but one of size 1), whose "
            "filter-normalised direction is zero: give a weight of one axis a second one (w[:, None]), or take "
            "directions of your own."
        )
    return filter_axis


def random_directions(params: PyTree, key: Array, number: int = 2, filter_axis: int = -1) -> tuple[PyTree, ...]:
    """Return independent normal directions, filter-normalised.

    $$ d \\sim \\mathcal N(0, I), \\quad
       d_{i,j} \\leftarrow d_{i,j} \\lVert w_{i,j} \\rVert / \\lVert d_{i,j} \\rVert $$

    Args:
        params: pytree of parameters, w.
        key: PRNG key.
        number: number of directions, at least 1.
        filter_axis: as in `filter_normalised`.

    Returns:
        Tuple of `number` pytrees shaped like `params`.

    Raises:
        ValueError: parameters, axis, key or number as `filter_normalised` and the above do not allow.

    Cost: no gradient.

    References:
        Li et al. (2018), arXiv 1712.09913.
    """
    params = measured(params)
    check_finite(params, "params")
    filter_axis, number = _filter_axis(params, filter_axis), as_count(number, "number", 1, LONGEST)

    def draw(params: PyTree, key: Array) -> tuple[PyTree, ...]:
        keys = jax.random.split(key, number)
        return tuple(_normalised(random_vector(k, params), params, filter_axis) for k in keys)

    return jax.jit(draw)(params, as_key(key))


def plane(
    loss: Loss,
    params: PyTree,
    directions: Sequence[PyTree],
    x: Float[Array | np.ndarray, " x"],
    y: Float[Array | np.ndarray, " y"],
    *,
    progress: Progress | None = None,
) -> Plane:
    """Return the loss on a grid of the plane that two directions span.

    $$ L(w + x a + y b) $$

    Args:
        loss: `loss(params)`, a scalar. It decides whether BatchNorm uses batch or running statistics.
        params: pytree of parameters, w, where x = y = 0.
        directions: the pair a, b, shaped like `params`.
        x, y: arrays of the grid's coordinates along a and b.
        progress: called with (finished points, all points) after each row of the grid; not under `jit`.

    Returns:
        `Plane`, in the unit of the loss; a point far out may be infinite or NaN.

    Raises:
        ValueError: unfit loss, parameters, directions or coordinates, `progress` under `jit`; a direction that is zero,
            along which the plane would be flat, or a loss that is not finite at `params` (both outside `jit`).

    Cost: one forward pass per point (a third of a gradient), and one at w.

    References:
        Li et al., Visualizing the Loss Landscape of Neural Nets (2018), arXiv 1712.09913.
    """
    directions = as_list(directions, "directions")
    if len(directions) != 2:
        raise ValueError(f"{len(directions)} directions were given, but a plane needs 2 (a line: `line`).")
    x, y = as_axis(x, "x", "coordinates"), as_axis(y, "y", "coordinates")
    # The default indexing of `meshgrid` has rows along y, as `Plane.losses` [y, x] has.
    points = jnp.stack(jnp.meshgrid(x, y), axis=-1)
    named = {f"directions[{i}]": direction for i, direction in enumerate(directions)}
    return Plane(x, y, _evaluate(loss, params, named, points, progress))


def line(
    loss: Loss,
    params: PyTree,
    direction: PyTree,
    x: Float[Array | np.ndarray, " x"],
    *,
    progress: Progress | None = None,
) -> Line:
    """Return the loss along a line.

    $$ L(w + x d) $$

    With d the difference of two snapshots, x in [0, 1] interpolates between them.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.
        direction: pytree shaped like `params`, d.
        x: array of coordinates.
        progress: called with (finished points, all points) after each point; not under `jit`.

    Returns:
        `Line`, in the unit of the loss.

    Raises:
        ValueError: as `plane`.

    Cost: one forward pass per point, and one at w.

    References:
        Goodfellow, Vinyals and Saxe (2015), arXiv 1412.6544.
    """
    x = as_axis(x, "x", "coordinates")
    # Rows of one point, since `progress` is called after each row.
    return Line(x, _evaluate(loss, params, {"direction": direction}, x[:, None, None], progress)[:, 0])


@at_highest_precision
def _evaluate(loss: Loss, params: PyTree, named: dict[str, PyTree], points: Array, progress: Progress | None) -> Array:
    """Return losses [rows, columns] at `points` [rows, columns, directions], row by row outside the caller's `jit`."""
    params = prepared(loss, params)
    directions = [_direction(direction, params, name) for name, direction in named.items()]
    if progress is not None:
        check_function(progress, "progress", "a function of the finished points and all points")

    def at(params: PyTree, directions: list[PyTree], points: Array, count: Array | int) -> Array:
        def fill(i: Array, losses: Array) -> Array:
            steps = zip(points[i], directions, strict=True)
            return losses.at[i].set(loss(moved(params, *steps)))

        start = jnp.zeros(points.shape[0], jax.eval_shape(loss, params).dtype)
        return lax.fori_loop(0, count, fill, start)

    # The number of points is an argument, so that one program computes the center, and then every row.
    evaluate = jax.jit(at)
    center = evaluate(params, directions, jnp.zeros_like(points[0]), 1)[0]
    # What the loss closes over may be traced too, as under `vmap` over batches.
    if is_traced(params, directions, points, center):
        if progress is not None:
            raise ValueError("progress was given under jit, but it can only be called outside: leave one of them out.")
        # One loop over all points: a Python loop over rows would be unrolled into the caller's program.
        flat = points.reshape(-1, len(directions))
        return at(params, directions, flat, flat.shape[0]).reshape(points.shape[:2])
    rows = if_finite(center, [])
    for number, row in enumerate(points, 1):
        # The copy to the host waits for the row, so that `progress` counts finished points only.
        rows.append(np.asarray(evaluate(params, directions, row, points.shape[1])))
        if progress is not None:
            progress(number * points.shape[1], points.shape[0] * points.shape[1])
    return jnp.asarray(np.stack(rows))


def _direction(direction: PyTree, params: PyTree, name: str) -> PyTree:
    """Return a direction shaped like `params`, refused where it is zero; a traced one is not looked at."""
    direction = matched(direction, params, name)
    length = tree_norm(direction)
    if not is_traced(length) and float(length) == 0:
        raise ValueError(
            f"{name} is zero, but must not be, since the loss would be flat along it: give another direction (filter "
            "normalisation sets biases, and filters whose weights are zero, to zero)."
        )
    return direction
