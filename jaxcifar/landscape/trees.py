"""Vector algebra on pytrees: each function treats its pytrees as flat vectors of all their numbers."""

import jax
import jax.numpy as jnp

from jaxcifar.landscape.checks import Array, PyTree, at_highest_precision, measured


@at_highest_precision
def tree_dot(first: PyTree, second: PyTree) -> Array:
    """Inner product of two pytrees.

    $$ \\langle a, b \\rangle = \\sum_i a_i b_i $$

    Args:
        first, second: pytrees of one structure; leaves below float32 are upcast.

    Returns:
        Scalar array, in the product of the units of the two.
    """
    products = jax.tree.map(lambda a, b: jnp.vdot(a, b), measured(first), measured(second))
    return jnp.sum(jnp.stack(jax.tree.leaves(products)))


def tree_norm(tree: PyTree) -> Array:
    """Euclidean norm of a pytree.

    $$ \\lVert a \\rVert = \\sqrt{\\sum_i a_i^2} $$

    Args:
        tree: pytree of floating arrays.

    Returns:
        Scalar array, in the unit of the leaves.
    """
    return jnp.sqrt(tree_dot(tree, tree))


def tree_distance(first: PyTree, second: PyTree) -> Array:
    """Euclidean distance of two pytrees, $\\lVert a - b \\rVert$, as a scalar array."""
    return tree_norm(difference(first, second))


def tree_cosine(first: PyTree, second: PyTree) -> Array:
    """Cosine of the angle between two pytrees.

    $$ \\cos(a, b) = \\frac{\\langle a, b \\rangle}{\\lVert a \\rVert \\lVert b \\rVert} $$

    Args:
        first, second: pytrees of one structure.

    Returns:
        Scalar array in [-1, 1], without unit; NaN where either vector is zero, since the angle is then undefined.
    """
    lengths = tree_norm(first) * tree_norm(second)
    return jnp.clip(ratio(tree_dot(first, second), lengths), -1.0, 1.0)


def tree_size(tree: PyTree) -> int:
    """How many numbers a pytree holds."""
    return sum(getattr(leaf, "size", 1) for leaf in jax.tree.leaves(tree))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Quotient that is NaN, never infinite, where the denominator is zero."""
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), jnp.nan)


def difference(first: PyTree, second: PyTree) -> PyTree:
    """first - second, leaf by leaf, in float32 or wider."""
    return jax.tree.map(lambda a, b: a - b, measured(first), measured(second))


def moved(params: PyTree, *steps: tuple[Array | float, PyTree]) -> PyTree:
    """params plus the sum of `scale * direction`, each leaf in the dtype of the parameters."""
    for scale, direction in steps:
        params = jax.tree.map(lambda w, d, scale=scale: w + jnp.asarray(scale, w.dtype) * d, params, direction)
    return params
