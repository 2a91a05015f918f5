"""The loss on a plane or a line through a point, with directions scaled filter by filter."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcifar.landscape.checks import (
    Array,
    Loss,
    PyTree,
    as_axis,
    at_highest_precision,
    check_alike,
    if_finite,
    is_traced,
    measured,
    prepared,
)
from jaxcifar.landscape.krylov import random_vector
from jaxcifar.landscape.trees import moved, ratio

Progress = Callable[[int, int], None]


class Plane(NamedTuple):
    """`losses` [y, x] at w + x a + y b, with `x` and `y` as given: `losses[i, j]` stands at `x[j], y[i]`."""

    x: Array
    y: Array
    losses: Array


class Line(NamedTuple):
    """`losses` [x] at w + x d, with `x` as given."""

    x: Array
    losses: Array


def filter_normalised(direction: PyTree, params: PyTree, filter_axis: int = -1) -> PyTree:
    """Scale each filter of a direction to the norm of the weights' filter.

    $$ d_{i,j} \\leftarrow \\frac{d_{i,j}}{\\lVert d_{i,j} \\rVert} \\lVert w_{i,j} \\rVert $$

    A filter is what makes one output channel. Biases and BatchNorm's scale and offset are set to zero, as in the paper:
    leaves of one axis or none, and of three or more of which all but one are of size 1 (Equinox's convolution biases).

    Args:
        direction: pytree shaped like `params`.
        params: pytree of parameters, w.
        filter_axis: the axis of output channels; -1 for Flax kernels, 0 for Equinox and PyTorch weights.

    Returns:
        Pytree shaped like `params`, in its unit.

    Cost: no gradient.

    References:
        Li et al., Visualizing the Loss Landscape of Neural Nets (2018), arXiv 1712.09913, section 4.
    """
    check_alike(params, direction, "params and direction")

    def scaled(d: Array, w: Array) -> Array:
        if w.ndim < 2 or (w.ndim > 2 and w.size == w.shape[filter_axis]):
            return jnp.zeros_like(w)
        others = tuple(axis for axis in range(w.ndim) if axis != filter_axis % w.ndim)
        lengths = [jnp.sqrt(jnp.sum(jnp.square(leaf), axis=others, keepdims=True)) for leaf in (w, d)]
        return d * jnp.nan_to_num(ratio(*lengths))

    return jax.tree.map(scaled, measured(direction), measured(params))


def random_directions(params: PyTree, key: Array, number: int = 2, filter_axis: int = -1) -> tuple[PyTree, ...]:
    """Independent normal directions, filter-normalised.

    $$ d \\sim \\mathcal N(0, I), \\quad
       d_{i,j} \\leftarrow d_{i,j} \\lVert w_{i,j} \\rVert / \\lVert d_{i,j} \\rVert $$

    Args:
        params: pytree of parameters, w.
        key: PRNG key.
        number: how many.
        filter_axis: as in `filter_normalised`.

    Returns:
        Tuple of `number` pytrees shaped like `params`.

    Cost: no gradient.

    References:
        Li et al. (2018), arXiv 1712.09913.
    """

    def draw(params: PyTree, key: Array) -> tuple[PyTree, ...]:
        keys = jax.random.split(key, number)
        return tuple(filter_normalised(random_vector(k, params), params, filter_axis) for k in keys)

    return jax.jit(draw)(measured(params), key)


def plane(
    loss: Loss,
    params: PyTree,
    directions: Sequence[PyTree],
    x: Array | np.ndarray,
    y: Array | np.ndarray,
    *,
    progress: Progress | None = None,
) -> Plane:
    """The loss on a grid of the plane that two directions span.

    $$ L(w + x a + y b) $$

    Args:
        loss: `loss(params)`, a scalar. BatchNorm takes batch statistics or running ones as the loss says; name it.
        params: pytree of parameters, w, where x = y = 0.
        directions: the pair a, b, shaped like `params`.
        x, y: arrays of the grid's coordinates along a and b.
        progress: called with (points done, points in all) after each row of the grid; not under `jit`.

    Returns:
        `Plane`, in the unit of the loss; a point far out may be infinite or NaN.

    Raises:
        ValueError: unfit loss, parameters or directions, `progress` under `jit`, a loss that is not finite at
            `params` (outside `jit`).

    Cost: one forward pass a point (a third of a gradient), and one at w.

    References:
        Li et al., Visualizing the Loss Landscape of Neural Nets (2018), arXiv 1712.09913.
    """
    if len(directions) != 2:
        raise ValueError(f"{len(directions)} directions were given, but a plane needs 2 (a line: `line`).")
    x, y = as_axis(x, "x", "coordinates"), as_axis(y, "y", "coordinates")
    points = jnp.stack(jnp.meshgrid(x, y), axis=-1)
    return Plane(x, y, _evaluate(loss, params, directions, points, progress))


def line(
    loss: Loss, params: PyTree, direction: PyTree, x: Array | np.ndarray, *, progress: Progress | None = None
) -> Line:
    """The loss along a line.

    $$ L(w + x d) $$

    With d the difference of two snapshots, x in [0, 1] interpolates between them.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.
        direction: pytree shaped like `params`, d.
        x: array of coordinates.
        progress: called with (points done, points in all) after each point; not under `jit`.

    Returns:
        `Line`, in the unit of the loss.

    Cost: one forward pass a point, and one at w.

    References:
        Goodfellow, Vinyals and Saxe (2015), arXiv 1412.6544.
    """
    x = as_axis(x, "x", "coordinates")
    return Line(x, _evaluate(loss, params, [direction], x[:, None, None], progress)[:, 0])


@at_highest_precision
def _evaluate(
    loss: Loss, params: PyTree, directions: Sequence[PyTree], points: Array, progress: Progress | None
) -> Array:
    """Losses [rows, columns] at `points` [rows, columns, directions], row by row where the caller's jit allows it."""
    params = prepared(loss, params)
    for direction in directions:
        check_alike(params, direction, "params and a direction")
    directions = [measured(direction) for direction in directions]

    def at(params: PyTree, directions: list[PyTree], points: Array, count: Array | int) -> Array:
        def fill(i: Array, losses: Array) -> Array:
            steps = zip(points[i], directions, strict=True)
            return losses.at[i].set(loss(moved(params, *steps)))

        start = jnp.zeros(points.shape[0], jax.eval_shape(loss, params).dtype)
        return lax.fori_loop(0, count, fill, start)

    if is_traced(params, directions, points):
        if progress is not None:
            raise ValueError("progress was given under jit, but it can only be called outside: leave one of them out.")
        flat = points.reshape(-1, len(directions))
        return at(params, directions, flat, flat.shape[0]).reshape(points.shape[:2])
    evaluate = jax.jit(at)
    center = evaluate(params, directions, jnp.zeros_like(points[0]), 1)[0]
    rows = if_finite(center, [])
    for number, row in enumerate(points, 1):
        rows.append(np.asarray(evaluate(params, directions, row, points.shape[1])))
        if progress is not None:
            progress(number * points.shape[1], points.shape[0] * points.shape[1])
    return jnp.asarray(np.stack(rows))
