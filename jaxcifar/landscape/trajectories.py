"""A run's path through parameter space, in the plane that holds most of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcifar.landscape.arguments import Float, as_count, as_list, is_traced
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_highest_precision, if_finite, matched, measured, prepared
from jaxcifar.landscape.trees import difference, moved, ratio, tree_dot, tree_norm


class Trajectory(NamedTuple):
    """A path of S snapshots in its first K principal directions.

    `origin`: the last snapshot, a pytree. `directions`: K orthonormal pytrees. `coordinates` [S, K] from the origin,
    in the unit of the parameters. `explained` [K]: share of the path's variance along each. `off_plane` [S]: distance
    of each snapshot from the plane through the origin. `losses` [S]: the loss at the snapshots themselves, not at
    their projections.
    """

    origin: PyTree
    directions: tuple[PyTree, ...]
    coordinates: Float[Array, "S K"]
    explained: Float[Array, " K"]
    off_plane: Float[Array, " S"]
    losses: Float[Array, " S"]


@at_highest_precision
def trajectory(loss: Loss, snapshots: Sequence[PyTree], components: int = 2) -> Trajectory:
    """Return principal directions of a path, with the share of variance they explain and the true losses.

    $$ G = M M^\\top = U \\Lambda U^\\top, \\quad d_k = M^\\top u_k / \\sqrt{\\lambda_k}, \\quad
       c_{s,k} = \\langle w_s - w_S, d_k \\rangle, \\quad e_k = \\lambda_k / \\sum_j \\lambda_j $$

    where the rows of M are the snapshots minus their mean, so only the S x S Gram matrix is decomposed. The first
    snapshot's coordinates are not negative, which fixes the signs. A principal component carries large shares even of
    a random walk: read the explained variance with that in mind.

    Args:
        loss: `loss(params)`, a scalar.
        snapshots: S pytrees of parameters in the order of training, at least 2.
        components: K, at most S - 1.

    Returns:
        `Trajectory`. A direction without variance is zero; `explained` is NaN where no snapshot moved.

    Raises:
        ValueError: unfit loss or snapshots, too few of them, a loss that is not finite (outside `jit`).

    Cost: one forward pass per snapshot; memory of two copies of the snapshots.

    References:
        Li et al. (2018), arXiv 1712.09913, section 7; Antognini and Sohl-Dickstein (2018), arXiv 1806.08805, on
        random walks.
    """
    snapshots = as_list(snapshots, "snapshots")
    if len(snapshots) < 2:
        raise ValueError(f"snapshots has {len(snapshots)} entries, but a path needs at least 2.")
    components = as_count(components, "components", 1, len(snapshots) - 1, ", one less than snapshots")
    first = prepared(loss, snapshots[0], "snapshots[0]")
    later = [matched(s, first, f"snapshots[{i}]", "snapshots[0]") for i, s in enumerate(snapshots[1:], 1)]
    snapshots = [first, *later]
    losses = _losses(loss, snapshots)
    # `components` is static, because it sets the number of results.
    directions, coordinates, explained, off_plane = jax.jit(_principal, static_argnums=1)(snapshots, components)
    return Trajectory(snapshots[-1], directions, coordinates, explained, off_plane, losses)


def project(params: PyTree, origin: PyTree, directions: Sequence[PyTree]) -> Float[Array, " K"]:
    """Return the coordinates of a point along orthonormal directions.

    $$ c_k = \\langle w - w_0, d_k \\rangle $$

    Args:
        params, origin: pytrees w and w₀.
        directions: K orthonormal pytrees, such as `Trajectory.directions`.

    Returns:
        Array [K], in the unit of the parameters.

    Raises:
        ValueError: no direction, or pytrees that are not finite, not floating or not shaped alike.

    Cost: no gradient.
    """
    params = measured(params)
    directions = as_list(directions, "directions")
    if not directions:
        raise ValueError("directions has no entry, but a projection needs at least 1.")
    directions = [matched(d, params, f"directions[{i}]") for i, d in enumerate(directions)]
    away = difference(params, matched(origin, params, "origin"))
    return jnp.stack([tree_dot(away, direction) for direction in directions])


def _losses(loss: Loss, snapshots: list[PyTree]) -> Array:
    # One compiled program runs on each snapshot in turn: `lax.map` would need another stacked copy of all snapshots.
    compiled = jax.jit(loss)
    losses = [compiled(snapshot) for snapshot in snapshots]
    if is_traced(losses):
        return if_finite(jnp.stack(losses), jnp.stack(losses))
    return jnp.stack([if_finite(v, v, name=f"loss(snapshots[{i}])") for i, v in enumerate(losses)])


def _principal(snapshots: list[PyTree], components: int) -> tuple[tuple[PyTree, ...], Array, Array, Array]:
    """Return directions, coordinates, explained variance and distance from the plane, relative to the origin."""
    # Differences come first: in means and products of the weights themselves, rounding would hide a short path.
    away = [difference(snapshot, snapshots[-1]) for snapshot in snapshots]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *away)
    centred = jax.tree.map(lambda leaf: leaf - jnp.mean(leaf, axis=0), stacked)
    rows = [leaf.reshape(len(snapshots), -1) for leaf in jax.tree.leaves(centred)]
    # Gram matrices add up over leaves, so no flat copy of all parameters is needed.
    values, vectors = jnp.linalg.eigh(sum(jnp.matmul(leaf, leaf.T) for leaf in rows))
    # Eigenvalues come in ascending order, and rounding may make a zero one negative.
    values, vectors = jnp.maximum(values[::-1], 0), vectors[:, ::-1]
    # Below the rounding error of the Gram matrix a direction is noise, which 1/√λ would magnify: it becomes zero.
    floor = 10 * len(snapshots) * jnp.finfo(values.dtype).eps * values[0]
    scale = jnp.where(values > floor, 1 / jnp.sqrt(jnp.where(values > floor, values, 1)), 0)

    def direction(k: int) -> PyTree:
        unsigned = jax.tree.map(lambda leaf: jnp.tensordot(vectors[:, k] * scale[k], leaf, 1), centred)
        # An eigenvector's sign is arbitrary, and another platform may return the other one.
        sign = jnp.where(tree_dot(away[0], unsigned) < 0, -1, 1)
        # The eigenvectors have the widest dtype of all leaves, and a direction has that of each leaf.
        return jax.tree.map(lambda d, leaf: (sign * d).astype(leaf.dtype), unsigned, centred)

    directions = tuple(direction(k) for k in range(components))
    coordinates = jnp.stack([jnp.stack([tree_dot(w, d) for d in directions]) for w in away])
    # Subtract the projection itself: the difference of the squared lengths would cancel where the distance is small.
    off_plane = [tree_norm(moved(w, *zip(-c, directions, strict=True))) for w, c in zip(away, coordinates, strict=True)]
    return directions, coordinates, ratio(values, jnp.sum(values))[:components], jnp.stack(off_plane)
