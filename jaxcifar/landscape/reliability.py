"""Step reliability: the effect of a step compared with the prediction of the gradient at its start.

β and distances of gradients change with the scale of the weights, which BatchNorm leaves free. Here the length of a
step is set by the decrease of the loss that the gradient predicts, so that no figure depends on that scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.landscape.arguments import Float, as_axis, check_real, is_traced
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_gradient_precision, if_finite, matched, prepared
from jaxcifar.landscape.trees import in_unit, moved, ratio, tree_cosine, tree_distance, tree_dot, tree_norm


class StepReliability(NamedTuple):
    """Measures at w - αg with α = c L/‖g‖², for C predicted relative decreases c.

    `relative_decreases` [C] c; `step_sizes` [C] α; `losses` [C]; `gradient_change` [C] κ; `cosine` [C];
    `decrease_ratio` [C] ρ, real over predicted decrease; `largest_safe`, the largest c that does not raise the loss, 0
    where none does. All but c are NaN where the gradient is zero.
    """

    relative_decreases: Float[Array, " C"]
    step_sizes: Float[Array, " C"]
    losses: Float[Array, " C"]
    gradient_change: Float[Array, " C"]
    cosine: Float[Array, " C"]
    decrease_ratio: Float[Array, " C"]
    largest_safe: Float[Array, ""]


class UpdateReliability(NamedTuple):
    """Measures at w + u: `gradient_change` κ, `cosine`, `decrease_ratio` ρ and `relative_decrease` -g·u/L, scalars."""

    gradient_change: Float[Array, ""]
    cosine: Float[Array, ""]
    decrease_ratio: Float[Array, ""]
    relative_decrease: Float[Array, ""]


@at_gradient_precision
def step_reliability(
    loss: Loss,
    params: PyTree,
    relative_decreases: Float[Array, " C"] | Sequence[float] = (0.03, 0.1, 0.3, 1.0),
) -> StepReliability:
    """Compare steps along the negative gradient with what the gradient predicts, free of the scale of weights.

    $$ \\alpha = c \\frac{L(w)}{\\lVert g \\rVert^2}, \\quad
       \\kappa = \\frac{\\lVert g(w - \\alpha g) - g \\rVert}{\\lVert g \\rVert}, \\quad
       \\cos(g(w - \\alpha g), g), \\quad
       \\rho = \\frac{L(w) - L(w - \\alpha g)}{\\alpha \\lVert g \\rVert^2} $$

    To first order the step to α lowers the loss by the share c. A reliable gradient has κ near 0, cosine and ρ near 1.
    Where L(kw) = L(w) for some weights, as before BatchNorm, g shrinks as 1/k and α grows as k²: no figure changes.
    The figures depend on L itself, so compare losses of one kind.

    Args:
        loss: `loss(params)`, a positive scalar; batch, BatchNorm mode and dropout key are closed over.
        params: pytree of parameters, w.
        relative_decreases: array [C] of c, positive, without unit.

    Returns:
        `StepReliability`.

    Raises:
        ValueError: unfit loss, parameters or decreases; a loss that is not finite and positive (outside `jit`; inside,
            the figures are NaN).

    Cost: C + 1 gradients, one after another.

    Examples:
        >>> found = step_reliability(lambda w: 2.0 * jnp.vdot(w, w), jnp.ones(2), [0.5, 1.0])
        >>> found.gradient_change.tolist(), found.decrease_ratio.tolist(), float(found.largest_safe)
        ([0.25, 0.5], [0.875, 0.75], 1.0)
    """
    params = prepared(loss, params)
    decreases = as_axis(relative_decreases, "relative_decreases", "relative decreases")
    check_real(decreases, "relative_decreases", "positive", lambda c: c > 0)

    def compute(params: PyTree, decreases: Array) -> tuple[StepReliability, Array, Array]:
        value, gradient = jax.value_and_grad(loss)(params)
        # In a unit near the gradient's own size its square neither vanishes nor overflows.
        unit, scaled = in_unit(gradient)
        squared = tree_dot(scaled, scaled)
        # A loss of 0 or less has no relative decrease: a step size of NaN makes every figure NaN.
        steps = decreases.astype(squared.dtype) * ratio(jnp.where(value > 0, value, jnp.nan), squared)

        def at(step: Array) -> tuple[Array, Array, Array, Array]:
            there, changed = jax.value_and_grad(loss)(moved(params, (-step / unit, scaled)))
            change = ratio(tree_distance(changed, gradient), tree_norm(gradient))
            return there, change, tree_cosine(changed, gradient), ratio(value - there, step * squared)

        # One step size after another: the activations of only one gradient are in memory.
        losses, change, cosine, decrease = lax.map(at, steps)
        # A comparison with NaN is false, so a step to a loss of NaN counts as unsafe.
        safe = jnp.max(jnp.where(losses <= value, decreases, 0))
        safe = jnp.where(jnp.isnan(steps[0]), jnp.nan, safe)
        # NaN weights may leave a loss finite, for instance behind a maximum.
        losses, change, cosine, decrease = (
            jnp.where(jnp.isnan(steps), jnp.nan, column) for column in (losses, change, cosine, decrease)
        )
        sizes = steps / unit / unit
        return StepReliability(decreases, sizes, losses, change, cosine, decrease, safe), value, squared

    found, value, squared = jax.jit(compute)(params, decreases)
    found = if_finite(value, found, squared)
    if not is_traced(value) and not float(value) > 0:
        raise ValueError(
            f"loss(params) is {value}, but a relative decrease needs a positive loss: use a loss bounded below by 0."
        )
    # Under `jit`, `if_finite` may have set every field to NaN, but c is an input and stays known.
    return found._replace(relative_decreases=decreases)


@at_gradient_precision
def update_reliability(loss: Loss, params: PyTree, update: PyTree) -> UpdateReliability:
    """Compare an optimizer's own step with what the gradient predicts of it.

    $$ \\kappa = \\frac{\\lVert g(w + u) - g \\rVert}{\\lVert g \\rVert}, \\quad \\cos(g(w + u), g), \\quad
       \\rho = \\frac{L(w) - L(w + u)}{-\\langle g, u \\rangle} $$

    Args:
        loss: `loss(params)`, a scalar; batch, BatchNorm mode and dropout key are closed over.
        params: pytree of parameters before the step, w.
        update: pytree shaped like `params`, u: the parameters after the step minus those before.

    Returns:
        `UpdateReliability`. `relative_decrease` places the step on the axis of `step_reliability`'s c; it is negative
        where the update ascends and NaN where the loss is not positive. All are NaN where the gradient is zero, and ρ
        where the update is orthogonal to it.

    Raises:
        ValueError: unfit loss, parameters or update; a loss that is not finite at `params` (outside `jit`).

    Cost: 2 gradients.
    """
    params = prepared(loss, params)
    update = matched(update, params, "update")

    def compute(params: PyTree, update: PyTree) -> tuple[UpdateReliability, Array, Array]:
        value, gradient = jax.value_and_grad(loss)(params)
        there, changed = jax.value_and_grad(loss)(moved(params, (1.0, update)))
        predicted, norm = -tree_dot(gradient, update), tree_norm(gradient)
        found = UpdateReliability(
            ratio(tree_distance(changed, gradient), norm),
            tree_cosine(changed, gradient),
            ratio(value - there, predicted),
            ratio(predicted, jnp.where(value > 0, value, jnp.nan)),
        )
        return jax.tree.map(lambda figure: jnp.where(norm > 0, figure, jnp.nan), found), value, norm

    found, value, norm = jax.jit(compute)(params, update)
    return if_finite(value, found, norm)
