"""Vector algebra on pytrees: each function treats a pytree as one flat vector of all its numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.landscape.arguments import Float
from jaxcifar.landscape.checks import Array, PyTree, at_highest_precision, check_alike, measured


@at_highest_precision
def tree_dot(first: PyTree, second: PyTree) -> Float[Array, ""]:
    """Return the inner product of two pytrees.

    $$ \\langle a, b \\rangle = \\sum_i a_i b_i $$

    Args:
        first, second: pytrees of one structure; leaves below float32 are cast to float32.

    Returns:
        Scalar array, in the product of the units of the two. NaN in a leaf gives NaN.

    Raises:
        ValueError: pytrees that are empty, not floating, or of different structure or shapes.
    """
    first, second = measured(first, "first"), measured(second, "second")
    check_alike(first, second, "first and second")
    products = jax.tree.map(lambda a, b: jnp.vdot(a, b), first, second)
    return jnp.sum(jnp.stack(jax.tree.leaves(products)))


def tree_norm(tree: PyTree) -> Float[Array, ""]:
    """Return the Euclidean norm of a pytree.

    $$ \\lVert a \\rVert = \\sqrt{\\sum_i a_i^2} $$

    Args:
        tree: pytree of floating arrays.

    Returns:
        Scalar array, in the unit of the leaves.

    Raises:
        ValueError: a pytree that is empty or not floating.
    """
    unit, scaled = in_unit(measured(tree, "tree"))
    return unit * jnp.sqrt(tree_dot(scaled, scaled))


def in_unit(tree: PyTree) -> tuple[Array, PyTree]:
    """Return the power of two near the largest number of a pytree, and the pytree in this unit."""
    unit = unit_of(jnp.max(jnp.stack([jnp.max(jnp.abs(leaf), initial=0) for leaf in jax.tree.leaves(tree)])))
    return unit, jax.tree.map(lambda leaf: leaf / unit.astype(leaf.dtype), tree)


def unit_of(largest: Array) -> Array:
    """Return the power of two just above a number, 1 where it is not finite.

    Squares of numbers below 1e-19 vanish in float32, and those above 1e19 overflow. A power of two as the unit changes
    no digit of the others.
    """
    exponent = jnp.clip(jnp.frexp(lax.stop_gradient(largest))[1], -125, 126)
    return jnp.where(jnp.isfinite(largest), jnp.ldexp(jnp.ones_like(largest), exponent), 1)


def tree_distance(first: PyTree, second: PyTree) -> Float[Array, ""]:
    """Return the Euclidean distance of two pytrees, $\\lVert a - b \\rVert$, as a scalar array.

    Raises:
        ValueError: as `tree_dot`.
    """
    return tree_norm(difference(first, second))


def tree_cosine(first: PyTree, second: PyTree) -> Float[Array, ""]:
    """Return the cosine of the angle between two pytrees.

    $$ \\cos(a, b) = \\frac{\\langle a, b \\rangle}{\\lVert a \\rVert \\lVert b \\rVert} $$

    Args:
        first, second: pytrees of one structure.

    Returns:
        Scalar array in [-1, 1], without unit; NaN where either vector is zero, since the angle is then undefined.

    Raises:
        ValueError: as `tree_dot`.
    """
    (_, first), (_, second) = in_unit(measured(first, "first")), in_unit(measured(second, "second"))
    product = tree_dot(first, second)
    # Rounding may put the quotient of parallel vectors just outside [-1, 1].
    return jnp.clip(ratio(product, tree_norm(first) * tree_norm(second)), -1.0, 1.0)


def tree_size(tree: PyTree) -> int:
    """Return how many numbers a pytree holds."""
    return sum(getattr(leaf, "size", 1) for leaf in jax.tree.leaves(tree))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Return a quotient that is NaN, never infinite, where the denominator is zero."""
    defined = denominator != 0
    # Divide by 1 in the branch that is not taken: an infinity there would make the derivative NaN.
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), jnp.nan)


def difference(first: PyTree, second: PyTree) -> PyTree:
    """Return first - second, leaf by leaf, in float32 or wider."""
    first, second = measured(first, "first"), measured(second, "second")
    check_alike(first, second, "first and second")
    return jax.tree.map(jnp.subtract, first, second)


def moved(params: PyTree, *steps: tuple[Array | float, PyTree]) -> PyTree:
    """Return params plus the sum of `scale * direction`, each leaf in the dtype of the parameters."""
    for scale, direction in steps:
        # A wider scale or direction would promote the parameters, and the loss is checked in their own dtype.
        params = jax.tree.map(
            lambda w, d, scale=scale: w + jnp.asarray(scale, w.dtype) * d.astype(w.dtype), params, direction
        )
    return params
