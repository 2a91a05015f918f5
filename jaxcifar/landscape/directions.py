"""What the loss and its gradient do along one direction from a point: Santurkar et al.'s probe of a training step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.landscape.checks import (
    Array,
    Loss,
    PyTree,
    as_axis,
    at_highest_precision,
    check_alike,
    if_finite,
    measured,
    prepared,
)
from jaxcifar.landscape.trees import moved, ratio, tree_cosine, tree_distance, tree_norm


class DirectionProbe(NamedTuple):
    """Measures at w + α d, for A step sizes α.

    `step_sizes` [A]; `losses` [A]; `gradient_distance` [A], of the gradient there to the one at w; `cosine` [A] of
    the two; `beta` [A], distance over α‖d‖; scalars `loss` and `gradient_norm` at w, and `effective_beta`, the
    maximum of `beta`.
    """

    step_sizes: Array
    losses: Array
    gradient_distance: Array
    cosine: Array
    beta: Array
    loss: Array
    gradient_norm: Array
    effective_beta: Array


def probe_step_sizes(learning_rate: Array | float, number: int = 8, low: float = 0.5, high: float = 4.0) -> Array:
    """Evenly spaced step sizes around a learning rate.

    $$ \\alpha_i = \\eta (low + i (high - low) / (number - 1)) $$

    Args:
        learning_rate: η, scalar.
        number: how many, at least 2.
        low, high: first and last, as multiples of η; ½ and 4 are the paper's.

    Returns:
        Array [number], in the unit of η.

    References:
        Santurkar et al. (2018), arXiv 1805.11604, figure 4.
    """
    return jnp.asarray(learning_rate) * jnp.linspace(low, high, number)


def gradient_direction_probe(loss: Loss, params: PyTree, step_sizes: Array) -> DirectionProbe:
    """The loss, and the change of its gradient, along the negative gradient.

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
        ValueError: unfit loss or parameters; a loss that is not finite at `params` (outside `jit`).

    Cost: A + 1 gradients, one after another.

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, section 3.1.
    """
    params = prepared(loss, params)
    return _probe(loss, params, None, step_sizes)


def direction_probe(loss: Loss, params: PyTree, direction: PyTree, step_sizes: Array) -> DirectionProbe:
    """The loss, and the change of its gradient, along any direction, such as the optimizer's own update.

    $$ L(w + \\alpha d), \\quad \\lVert g(w) - g(w + \\alpha d) \\rVert, \\quad
       \\beta = \\max_\\alpha \\frac{\\lVert g(w) - g(w + \\alpha d) \\rVert}{\\alpha \\lVert d \\rVert} $$

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.
        direction: pytree shaped like `params`, d; it is not normalised.
        step_sizes: array [A] of α; with an optimizer's update as d, 1 is the step that training takes.

    Returns:
        `DirectionProbe`; β is NaN where the direction or α is zero.

    Cost: A + 1 gradients, one after another.
    """
    params = prepared(loss, params)
    check_alike(params, direction, "params and direction")
    return _probe(loss, params, measured(direction), step_sizes)


@at_highest_precision
def _probe(loss: Loss, params: PyTree, direction: PyTree | None, step_sizes: Array) -> DirectionProbe:
    """The probe along `direction`, or along the negative gradient where it is None."""

    def compute(params: PyTree, direction: PyTree | None, step_sizes: Array) -> DirectionProbe:
        value, gradient = jax.value_and_grad(loss)(params)
        direction = jax.tree.map(jnp.negative, gradient) if direction is None else direction
        length = tree_norm(direction)

        def at(step_size: Array) -> tuple[Array, Array, Array, Array]:
            there, gradient_there = jax.value_and_grad(loss)(moved(params, (step_size, direction)))
            distance = tree_distance(gradient, gradient_there)
            return there, distance, tree_cosine(gradient, gradient_there), ratio(distance, jnp.abs(step_size) * length)

        losses, distances, cosines, beta = lax.map(at, step_sizes)
        return DirectionProbe(step_sizes, losses, distances, cosines, beta, value, tree_norm(gradient), jnp.max(beta))

    probe = jax.jit(compute)(params, direction, as_axis(step_sizes, "step_sizes", "step sizes"))
    return if_finite(probe.loss, probe)
