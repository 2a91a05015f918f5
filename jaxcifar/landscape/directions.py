"""The loss and its gradient along one direction from a point: Santurkar et al.'s probe of a training step."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcifar.landscape.arguments import LONGEST, Float, as_axis, as_count, as_scalar, is_traced
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_gradient_precision, if_finite, matched, prepared
from jaxcifar.landscape.trees import moved, ratio, tree_cosine, tree_distance, tree_norm


class DirectionProbe(NamedTuple):
    """Measures at w + α d, for A step sizes α.

    `step_sizes` [A]; `losses` [A]; `gradient_distance` [A], of the gradient there to the one at w; `cosine` [A] of
    the two; `beta` [A], distance over α‖d‖; scalars `loss` and `gradient_norm` at w, and `effective_beta`, the
    maximum of `beta` over the step sizes other than zero.
    """

    step_sizes: Float[Array, " A"]
    losses: Float[Array, " A"]
    gradient_distance: Float[Array, " A"]
    cosine: Float[Array, " A"]
    beta: Float[Array, " A"]
    loss: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    effective_beta: Float[Array, ""]


def probe_step_sizes(
    learning_rate: Float[Array, ""] | float, number: int = 8, low: float = 0.5, high: float = 4.0
) -> Float[Array, " number"]:
    """Return evenly spaced step sizes around a learning rate.

    $$ \\alpha_i = \\eta (low + i (high - low) / (number - 1)) $$

    Args:
        learning_rate: η, scalar, 0 or more.
        number: how many, at least 2.
        low, high: first and last, as multiples of η; ½ and 4 are the paper's.

    Returns:
        Array [number], in the unit of η.

    Raises:
        ValueError: a learning rate that is negative, not finite (outside `jit`) or not one number, fewer than 2 step
            sizes, or `low` that is not below `high`.

    References:
        Santurkar et al. (2018), arXiv 1805.11604, figure 4.
    """
    as_scalar(learning_rate, "learning_rate", "0 or more and finite", lambda rate: (rate >= 0) & np.isfinite(rate))
    for value, name in ((low, "low"), (high, "high")):
        as_scalar(value, name, "a finite number", np.isfinite)
    if not is_traced(low, high) and low >= high:
        raise ValueError(f"low is {low} and high {high}, but low must be below high.")
    return jnp.asarray(learning_rate) * jnp.linspace(low, high, as_count(number, "number", 2, LONGEST))


def gradient_direction_probe(loss: Loss, params: PyTree, step_sizes: Float[Array, " A"]) -> DirectionProbe:
    """Return the loss, and the change of its gradient, along the negative gradient.

    $$ L(w - \\alpha g), \\quad \\lVert g(w) - g(w - \\alpha g) \\rVert, \\quad
       \\beta = \\max_\\alpha \\frac{\\lVert g(w) - g(w - \\alpha g) \\rVert}{\\alpha \\lVert g \\rVert} $$

    This is the step of plain gradient descent. Adam's step is another direction: give it to `direction_probe`, and
    report the two under their own names.

    Args:
        loss: `loss(params)`, a scalar; batch, BatchNorm mode and dropout key are closed over.
        params: pytree of parameters, w.
        step_sizes: array [A] of α, in parameter² per loss, such as `probe_step_sizes(learning_rate)`.

    Returns:
        `DirectionProbe`; β is NaN where the gradient or α is zero.

    Raises:
        ValueError: unfit loss, parameters or step sizes; a loss or gradient that is not finite at `params` (outside
            `jit`).

    Cost: A + 1 gradients, one after another.

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, section 3.1.
    """
    params = prepared(loss, params)
    return _probe(loss, params, None, step_sizes)


def direction_probe(loss: Loss, params: PyTree, direction: PyTree, step_sizes: Float[Array, " A"]) -> DirectionProbe:
    """Return the loss, and the change of its gradient, along any direction, such as the optimizer's own update.

    $$ L(w + \\alpha d), \\quad \\lVert g(w) - g(w + \\alpha d) \\rVert, \\quad
       \\beta = \\max_\\alpha \\frac{\\lVert g(w) - g(w + \\alpha d) \\rVert}{\\alpha \\lVert d \\rVert} $$

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.
        direction: pytree shaped like `params`, d; it is not normalised.
        step_sizes: array [A] of α; with an optimizer's update as d, 1 is the step that training takes.

    Returns:
        `DirectionProbe`; β is NaN where the direction or α is zero.

    Raises:
        ValueError: as `gradient_direction_probe`, and a direction that is not finite or not shaped like `params`.

    Cost: A + 1 gradients, one after another.
    """
    params = prepared(loss, params)
    return _probe(loss, params, matched(direction, params, "direction"), step_sizes)


@at_gradient_precision
def _probe(loss: Loss, params: PyTree, direction: PyTree | None, step_sizes: Array) -> DirectionProbe:
    """Return the probe along `direction`, or along the negative gradient where it is None."""

    def compute(params: PyTree, direction: PyTree | None, step_sizes: Array) -> DirectionProbe:
        value, gradient = jax.value_and_grad(loss)(params)
        # The gradient at the start is computed once, and serves as direction and as reference.
        direction = jax.tree.map(jnp.negative, gradient) if direction is None else direction
        length = tree_norm(direction)

        def at(step_size: Array) -> tuple[Array, Array, Array, Array]:
            there, gradient_there = jax.value_and_grad(loss)(moved(params, (step_size, direction)))
            distance = tree_distance(gradient, gradient_there)
            # α may be negative, and the denominator is a length.
            return there, distance, tree_cosine(gradient, gradient_there), ratio(distance, jnp.abs(step_size) * length)

        # One step size after another: the activations of only one gradient are in memory.
        losses, distances, cosines, beta = lax.map(at, step_sizes)
        # β is undefined at a step of length zero, which must not hide the others.
        greatest = jnp.max(jnp.where(step_sizes == 0, -jnp.inf, beta))
        # Where every step is zero, the maximum above is the fill value.
        greatest = jnp.where(jnp.all(step_sizes == 0), jnp.nan, greatest)
        return DirectionProbe(step_sizes, losses, distances, cosines, beta, value, tree_norm(gradient), greatest)

    probe = jax.jit(compute)(params, direction, as_axis(step_sizes, "step_sizes", "step sizes"))
    return if_finite(probe.loss, probe, probe.gradient_norm)
