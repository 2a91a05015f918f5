"""Sharpness that does not change with a layer's scale, as BatchNorm and ReLU networks need it.

Where L(cw) = L(w), gradient and Hessian shrink as 1/c and 1/c²: an eigenvalue alone says more about the size of the
weights than about the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar.landscape.arguments import Float, as_count, as_key, as_scalar
from jaxcifar.landscape.checks import Array, Loss, PyTree, check_alike, measured, prepared
from jaxcifar.landscape.curvature import extreme_eigenvalues
from jaxcifar.landscape.groups import Layers, group_of_leaves
from jaxcifar.landscape.trees import tree_dot, tree_norm, tree_size


class BlockSharpness(NamedTuple):
    """Per block, in the order given: `sharpness` = `squared_norm` x `eigenvalue`, in the unit of the loss, each
    [blocks], and the `residual` [blocks] of the eigenvalue."""

    sharpness: Float[Array, " blocks"]
    squared_norm: Float[Array, " blocks"]
    eigenvalue: Float[Array, " blocks"]
    residual: Float[Array, " blocks"]


def scale_free_sharpness(block: PyTree, eigenvalue: Float[Array, ""] | float) -> Float[Array, ""]:
    """Return the squared norm of a block times its eigenvalue.

    $$ \\lVert w \\rVert^2 \\lambda $$

    Args:
        block: pytree of the block's parameters, w.
        eigenvalue: λ, scalar, the largest eigenvalue of the Hessian in these parameters alone.

    Returns:
        Scalar array, in the unit of the loss; NaN where the eigenvalue is.

    Raises:
        ValueError: a block that is empty or not floating, an eigenvalue that is not one number.

    Cost: none beyond the eigenvalue.
    """
    block = measured(block, "block")
    return tree_dot(block, block) * as_scalar(eigenvalue, "eigenvalue", "one number", np.isreal)


def weight_gradient_product(params: PyTree, gradient: PyTree) -> Float[Array, ""]:
    """Return the norm of the parameters times the norm of the gradient.

    $$ \\lVert w \\rVert \\lVert g \\rVert $$

    Args:
        params: pytree w, of a block or of the network.
        gradient: pytree of the same block's gradient, shaped like `params`.

    Returns:
        Scalar array, in the unit of the loss.

    Raises:
        ValueError: pytrees that are empty, not floating, or of different structure or shapes.

    Cost: none beyond the gradient.
    """
    params, gradient = measured(params), measured(gradient, "gradient")
    check_alike(params, gradient, "params and gradient")
    return tree_norm(params) * tree_norm(gradient)


def block_sharpness(
    loss: Loss,
    params: PyTree,
    blocks: Layers,
    key: Array,
    *,
    iterations: int = 20,
    memory_limit: int | None = None,
) -> BlockSharpness:
    """Return the scale-free sharpness of each block, from the top eigenvalue of that block's part of the Hessian.

    $$ \\lVert w_b \\rVert^2 \\, \\lambda_{max}\\!\\left(\\nabla^2_{w_b} L \\right) $$

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters.
        blocks: blocks by path, as `covariate_shift` takes its layers.
        key: PRNG key of the starting vectors.
        iterations: Lanczos iterations; a block with fewer parameters takes as many as it has, and is exact.
        memory_limit: as in `extreme_eigenvalues`.

    Returns:
        `BlockSharpness`.

    Raises:
        ValueError: as `extreme_eigenvalues`, or blocks that do not split the leaves.

    Cost: 3 + 2 `iterations` gradients and one compilation per block.
    """
    params = prepared(loss, params)
    owners = group_of_leaves(params, blocks)
    iterations = as_count(iterations, "iterations", 1)
    keys = jax.random.split(as_key(key), max(owners) + 1)
    found = []
    # Blocks differ in their shapes, so neither `scan` nor `vmap` can run over them.
    for block, block_key in enumerate(keys):
        leaves, restricted = _restricted(loss, params, [owner == block for owner in owners])
        found.append(_sharpness(restricted, leaves, block_key, iterations, memory_limit))
    return BlockSharpness(*(jnp.stack(column) for column in zip(*found, strict=True)))


def _sharpness(loss: Loss, block: PyTree, key: Array, iterations: int, memory_limit: int | None) -> BlockSharpness:
    """Return the figures of one block, as scalars, with at most one iteration per parameter."""
    steps = min(iterations, tree_size(block))
    top = extreme_eigenvalues(loss, block, key, iterations=steps, bottom=0, memory_limit=memory_limit).top
    size = tree_dot(block, block)
    return BlockSharpness(size * top.values[0], size, top.values[0], top.residuals[0])


def _restricted(loss: Loss, params: PyTree, inside: Sequence[bool]) -> tuple[list[Array], Loss]:
    """Return the leaves marked `inside`, and the loss as a function of them alone."""
    leaves, structure = jax.tree.flatten(params)

    def restricted(block: list[Array]) -> Array:
        given = iter(block)
        # The other leaves are constants here, so that vectors of the Hessian have the size of the block only.
        merged = [next(given) if mine else leaf for leaf, mine in zip(leaves, inside, strict=True)]
        return loss(structure.unflatten(merged))

    return [leaf for leaf, mine in zip(leaves, inside, strict=True) if mine], restricted
