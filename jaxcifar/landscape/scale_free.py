"""Sharpness that a change of a layer's scale leaves alone, as BatchNorm and ReLU networks need it.

Where L(cw) = L(w), gradient and Hessian shrink as 1/c and 1/c²: an eigenvalue alone says more about the size of the
weights than about the function.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcifar.landscape.checks import Array, Loss, PyTree, prepared
from jaxcifar.landscape.curvature import extreme_eigenvalues
from jaxcifar.landscape.groups import Layers, group_of_leaves
from jaxcifar.landscape.trees import tree_dot, tree_norm, tree_size


class BlockSharpness(NamedTuple):
    """Per block, in the order given: `sharpness` = `squared_norm` x `eigenvalue`, in the unit of the loss, each
    [blocks], and the `residual` [blocks] of the eigenvalue."""

    sharpness: Array
    squared_norm: Array
    eigenvalue: Array
    residual: Array


def scale_free_sharpness(block: PyTree, eigenvalue: Array) -> Array:
    """Squared norm of a block times its eigenvalue.

    $$ \\lVert w \\rVert^2 \\lambda $$

    Args:
        block: pytree of the block's parameters, w.
        eigenvalue: λ, scalar, the largest eigenvalue of the Hessian in these parameters alone.

    Returns:
        Scalar array, in the unit of the loss.

    Cost: none beyond the eigenvalue.
    """
    return tree_dot(block, block) * eigenvalue


def weight_gradient_product(params: PyTree, gradient: PyTree) -> Array:
    """Norm of the parameters times norm of the gradient.

    $$ \\lVert w \\rVert \\lVert g \\rVert $$

    Args:
        params: pytree w, of a block or of the network.
        gradient: pytree of the same block's gradient.

    Returns:
        Scalar array, in the unit of the loss.

    Cost: none beyond the gradient.
    """
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
    """Scale-free sharpness of each block, from the top eigenvalue of that block's own part of the Hessian.

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

    Cost: 3 + 2 `iterations` gradients and one compilation a block.
    """
    params = prepared(loss, params)
    owners = group_of_leaves(params, blocks)
    keys = jax.random.split(key, max(owners) + 1)
    found = []
    for block, block_key in enumerate(keys):
        leaves, restricted = _restricted(loss, params, [owner == block for owner in owners])
        steps = min(iterations, tree_size(leaves))
        top = extreme_eigenvalues(
            restricted, leaves, block_key, iterations=steps, bottom=0, memory_limit=memory_limit
        ).top
        size = tree_dot(leaves, leaves)
        found.append(BlockSharpness(size * top.values[0], size, top.values[0], top.residuals[0]))
    return BlockSharpness(*(jnp.stack(column) for column in zip(*found, strict=True)))


def _restricted(loss: Loss, params: PyTree, inside: Sequence[bool]) -> tuple[list[Array], Loss]:
    """The leaves marked `inside`, and the loss as a function of them alone."""
    leaves, structure = jax.tree.flatten(params)

    def restricted(block: list[Array]) -> Array:
        given = iter(block)
        merged = [next(given) if mine else leaf for leaf, mine in zip(leaves, inside, strict=True)]
        return loss(structure.unflatten(merged))

    return [leaf for leaf, mine in zip(leaves, inside, strict=True) if mine], restricted
