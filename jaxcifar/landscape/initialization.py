"""Figures of a network before training: rank of its features, correlation of its input gradients, residual branches.

They take arrays and functions of inputs, not a loss of parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcifar.landscape.arguments import Float, as_real, check_function
from jaxcifar.landscape.checks import Array, at_highest_precision
from jaxcifar.landscape.trees import ratio


@at_highest_precision
def feature_rank(features: Float[Array, "N ..."]) -> Float[Array, ""]:
    """Return how many directions tell N examples apart by their features, a smooth bound from below on the rank.

    $$ r(H) = \\frac{\\operatorname{tr}(M)^2}{\\lVert M \\rVert_F^2}, \\quad M = H H^T $$

    It is 1 where all examples have the same features up to a factor, and N where their features are orthogonal and of
    one length. A factor on the features changes nothing.

    Args:
        features: of N examples, the other axes are flattened.

    Returns:
        Scalar array in [1, N], without unit; NaN where all features are 0.

    Raises:
        ValueError: features that are not real numbers, or have fewer than two axes.

    References:
        Daneshmand et al., Batch Normalization Provably Avoids Rank Collapse for Randomly Initialised Deep Networks
        (2020), arXiv 2003.01652, equation 4.
    """
    rows = _examples(features, "features", 2).reshape(jnp.shape(features)[0], -1)
    # Squares of M are fourth powers of the features and overflow early. A common factor cancels in the quotient.
    gram = _scaled(rows) @ _scaled(rows).T
    return ratio(jnp.square(jnp.trace(gram)), jnp.sum(jnp.square(gram)))


@at_highest_precision
def branch_share(branch: Float[Array, "N ..."], shortcut: Float[Array, "N ..."]) -> Float[Array, ""]:
    """Return the residual branch's share of the variance of a block's sum.

    $$ \\frac{V(branch)}{V(branch) + V(shortcut)} $$

    V is the variance of a channel over all other axes, mean over channels. With BatchNorm each branch has the variance
    1 while those of earlier blocks add up on the shortcut, so the share falls with depth; without, a branch's variance
    grows with that of the shortcut.

    Args:
        branch, shortcut: what a block adds up, [N, ..., C].

    Returns:
        Scalar array in [0, 1]; NaN where both are constant.

    Raises:
        ValueError: arrays that are not real numbers, have fewer than two axes, or differ in shape.

    References:
        De and Smith, Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks (2020),
        arXiv 2002.10444, section 3.
    """
    pair = _examples(branch, "branch", 2), _examples(shortcut, "shortcut", 2)
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"branch has shape {pair[0].shape} and shortcut {pair[1].shape}, but they must be alike.")
    # One factor for both arrays keeps the ratio of their variances.
    stacked = _scaled(jnp.stack(pair))
    variances = stacked.var(tuple(range(1, stacked.ndim - 1))).mean(-1)
    return ratio(variances[0], variances.sum())


@at_highest_precision
def input_gradient_correlation(
    function: Callable[[Array], Array], inputs: Float[Array, "lines points ..."]
) -> Float[Array, " points"]:
    """Return the cosine of a function's gradients at two inputs of one line, by their distance along it.

    $$ c_k = \\operatorname{mean}_i \\cos(\\nabla f(x_i), \\nabla f(x_{i + k})) $$

    It falls from 1 slowly where the gradient changes smoothly with the input, and at once where gradients are
    shattered, that is, like white noise.

    Args:
        function: from inputs [lines x points, ...] to one number for each; with batch statistics, a gradient is that
            of the sum.
        inputs: points at equal distances along lines, such as from one image to another.

    Returns:
        Array [points]: c_k for lags k = 0, 1, ..., mean over lines and pairs; NaN where a gradient is 0.

    Raises:
        ValueError: `function` is not a function, or inputs have fewer than three axes.

    References:
        Balduzzi et al., The Shattered Gradients Problem (2017), arXiv 1702.08591, section 2.
    """
    check_function(function, "function", "a function from inputs to one number for each")
    points = _examples(inputs, "inputs", 3)
    # Where inputs do not interact, the gradient of the sum holds the gradient of each output by its own input.
    gradient = jax.grad(lambda x: jnp.sum(function(x)))(points.reshape(-1, *points.shape[2:]))
    rows = _scaled(gradient).reshape(*points.shape[:2], -1)
    length = jnp.sqrt(jnp.sum(jnp.square(rows), axis=-1, keepdims=True))
    unit = ratio(rows, length)
    count = points.shape[1]
    # Entry (i, j) is the mean over lines of the cosine at points i and j, so a diagonal holds the pairs of one lag.
    cosines = jnp.einsum("lip,ljp->ij", unit, unit) / points.shape[0]
    return jnp.stack([jnp.diagonal(cosines, lag).mean() for lag in range(count)])


def _examples(values: Array, name: str, axes: int) -> Array:
    """Real numbers with at least this many axes."""
    array = as_real(values, name, f"an array of real numbers with {axes} axes or more")
    if array.ndim < axes:
        raise ValueError(f"{name} has shape {array.shape}, but must be an array with {axes} axes or more.")
    return array


def _scaled(values: Array) -> Array:
    """Values of at most 1, so that no square of them overflows or vanishes."""
    greatest = jnp.max(jnp.abs(values))
    return values / jnp.where(greatest > 0, greatest, 1)
