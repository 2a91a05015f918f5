"""How fast the gradient changes along a run: β-smoothness and gradient distance, on one batch and across batches.

Consecutive training steps see different batches. A change of gradient measured across them is mostly the batches'
noise, so every function says in its name which of the two it measures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax

from jaxcifar.landscape.arguments import Float, check_function
from jaxcifar.landscape.checks import (
    Array,
    Loss,
    PyTree,
    at_highest_precision,
    check_alike,
    if_finite,
    measured,
    prepared,
)
from jaxcifar.landscape.trees import ratio, tree_cosine, tree_distance, tree_norm


class GradientDistance(NamedTuple):
    """Change of a gradient: `distance` in loss per unit of parameter, `cosine` without unit; both scalar arrays."""

    distance: Float[Array, ""]
    cosine: Float[Array, ""]


class NoiseFloor(NamedTuple):
    """Rounding in a gradient: `distance` in loss per unit of parameter, `relative` to the gradient's norm."""

    distance: Float[Array, ""]
    relative: Float[Array, ""]


def beta_from_gradients(
    gradient_before: PyTree, gradient_after: PyTree, params_before: PyTree, params_after: PyTree
) -> Float[Array, ""]:
    """Return β over one step, from gradients that are at hand.

    $$ \\beta = \\frac{\\lVert g_{after} - g_{before} \\rVert}{\\lVert w_{after} - w_{before} \\rVert} $$

    It is a same-batch figure only if both gradients are of one batch, with one dropout key.

    Args:
        gradient_before, gradient_after: pytrees shaped like the parameters, in loss per unit of parameter.
        params_before, params_after: pytrees of the parameters where the gradients were taken.

    Returns:
        Scalar array, in loss per squared unit of parameter. NaN where the step is zero: β is undefined there.

    Raises:
        ValueError: pytrees that are empty, not floating, or of different structure or shapes.

    Cost: no gradient; six passes over the parameters.

    Examples:
        >>> import jax.numpy as jnp
        >>> before, after = {"w": jnp.array([1.0])}, {"w": jnp.array([0.5])}
        >>> float(beta_from_gradients({"w": jnp.array([3.0])}, {"w": jnp.array([1.5])}, before, after))
        3.0

    References:
        Nesterov, Introductory Lectures on Convex Optimization (2004), section 1.2.2.
    """
    before, after = _alike(gradient_before, gradient_after, "gradient_before", "gradient_after")
    start, end = _alike(params_before, params_after, "params_before", "params_after")
    check_alike(before, start, "gradient_before and params_before")
    return ratio(tree_distance(after, before), tree_distance(end, start))


def distance_from_gradients(gradient_before: PyTree, gradient_after: PyTree) -> GradientDistance:
    """Return distance and cosine of two gradients that are at hand.

    $$ \\lVert g_{after} - g_{before} \\rVert, \\quad \\cos(g_{after}, g_{before}) $$

    Give the whole gradients, or one layer's subtree of each.

    Args:
        gradient_before, gradient_after: pytrees of one structure, in loss per unit of parameter.

    Returns:
        `GradientDistance`; the cosine is NaN where either gradient is zero.

    Raises:
        ValueError: pytrees that are empty, not floating, or of different structure or shapes.

    Cost: no gradient; four passes over the parameters.
    """
    before, after = _alike(gradient_before, gradient_after, "gradient_before", "gradient_after")
    return GradientDistance(tree_distance(after, before), tree_cosine(after, before))


def same_batch_beta(loss: Loss, params_before: PyTree, params_after: PyTree) -> Float[Array, ""]:
    """Return β over one step with both gradients on one batch: the β-smoothness along a path.

    $$ \\beta = \\frac{\\lVert \\nabla L(w_{after}) - \\nabla L(w_{before}) \\rVert}
                      {\\lVert w_{after} - w_{before} \\rVert} $$

    Args:
        loss: `loss(params)`, a scalar; batch, BatchNorm mode and dropout key are closed over and the same for both.
        params_before, params_after: pytrees of parameters.

    Returns:
        Scalar array, in loss per squared unit of parameter; NaN where the step is zero.

    Raises:
        ValueError: unfit loss or parameters; a loss or gradient that is not finite (outside `jit`).

    Cost: 2 gradients; 1 with `beta_from_gradients` where the gradient before is at hand.
    """
    before, after = _two_gradients({"loss": loss}, params_before, params_after)
    return beta_from_gradients(before, after, params_before, params_after)


def cross_batch_beta(
    loss_before: Loss, loss_after: Loss, params_before: PyTree, params_after: PyTree
) -> Float[Array, ""]:
    """Return the ratio of β with each gradient on its own batch, as a run without probes sees it; not a smoothness.

    $$ \\frac{\\lVert \\nabla L_{after}(w_{after}) - \\nabla L_{before}(w_{before}) \\rVert}
             {\\lVert w_{after} - w_{before} \\rVert} $$

    It grows like one over the learning rate: SGD on ½‖w - x_t‖² with unit-variance x_t, whose β is 1, gives the root
    mean square √[((1+η)² + 1 + η³/(2-η)) (2-η) / (2η²)] in the stationary state, 1,415 at η = 0.001.

    Args:
        loss_before, loss_after: losses on the two batches.
        params_before, params_after: pytrees of parameters.

    Returns:
        Scalar array, in loss per squared unit of parameter; NaN where the step is zero.

    Raises:
        ValueError: as `same_batch_beta`.

    Cost: 2 gradients.
    """
    losses = {"loss_before": loss_before, "loss_after": loss_after}
    before, after = _two_gradients(losses, params_before, params_after)
    return beta_from_gradients(before, after, params_before, params_after)


def same_batch_gradient_distance(
    loss: Loss, params_before: PyTree, params_after: PyTree, select: Callable[[PyTree], PyTree] = lambda tree: tree
) -> GradientDistance:
    """Return the change of the gradient over one step, both gradients on one batch.

    $$ \\lVert \\nabla L(w_{after}) - \\nabla L(w_{before}) \\rVert $$

    Args:
        loss: `loss(params)`, a scalar.
        params_before, params_after: pytrees of parameters.
        select: picks a part of the gradient, such as the weight of the last linear layer; all of it by default.

    Returns:
        `GradientDistance`: distance in loss per unit of parameter, and cosine. Without a step they are 0 and 1.

    Raises:
        ValueError: as `same_batch_beta`, and a `select` that is not a function or returns no part of the gradient.

    Cost: 2 gradients.

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, section 3.1.
    """
    gradients = _two_gradients({"loss": loss}, params_before, params_after)
    return _selected_distance(*gradients, select)


def cross_batch_gradient_distance(
    loss_before: Loss,
    loss_after: Loss,
    params_before: PyTree,
    params_after: PyTree,
    select: Callable[[PyTree], PyTree] = lambda tree: tree,
) -> GradientDistance:
    """Return the change of the gradient from one training step to the next, each gradient on its own batch.

    $$ \\lVert \\nabla L_{after}(w_{after}) - \\nabla L_{before}(w_{before}) \\rVert $$

    Args:
        loss_before, loss_after: losses on the two batches.
        params_before, params_after, select: as in `same_batch_gradient_distance`.

    Returns:
        `GradientDistance`; even without a step the distance is not 0, since the batches differ.

    Raises:
        ValueError: as `same_batch_gradient_distance`.

    Cost: 2 gradients.
    """
    losses = {"loss_before": loss_before, "loss_after": loss_after}
    return _selected_distance(*_two_gradients(losses, params_before, params_after), select)


def noise_floor(loss: Loss, same_loss: Loss, params: PyTree) -> NoiseFloor:
    """Return the rounding error of the gradient, from two computations that agree in exact arithmetic.

    $$ \\lVert \\nabla L(w) - \\nabla L'(w) \\rVert, \\quad \\text{and relative to } \\lVert \\nabla L'(w) \\rVert $$

    A change of gradient below `distance` is noise; β's own floor is `distance` over the step's length.

    Args:
        loss: the measured loss.
        same_loss: the same loss on the same batch in another order.
        params: pytree of parameters.

    Returns:
        `NoiseFloor`; `relative` is NaN where the gradient is zero.

    Raises:
        ValueError: as `same_batch_beta`.

    Cost: 2 gradients. Against float64, take that gradient under `jax.enable_x64(True)` and call
    `noise_floor_from_gradients` there.
    """
    losses = {"loss": loss, "same_loss": same_loss}
    return noise_floor_from_gradients(*_two_gradients(losses, params, params, ("params", "params")))


def noise_floor_from_gradients(gradient: PyTree, reference: PyTree) -> NoiseFloor:
    """Return `noise_floor` from two gradients that are at hand; the reference may be of a wider dtype.

    Raises:
        ValueError: pytrees that are empty, not floating, or of different structure or shapes.

    Cost: no gradient.
    """
    gradient, reference = _alike(gradient, reference, "gradient", "reference")
    distance = tree_distance(gradient, reference)
    # Where the reference has the wider dtype, its norm is the more exact one.
    return NoiseFloor(distance, ratio(distance, tree_norm(reference)))


def _alike(first: PyTree, second: PyTree, first_name: str, second_name: str) -> tuple[PyTree, PyTree]:
    """Return both pytrees as `measured`, after a check that they have one structure and the same shapes."""
    first, second = measured(first, first_name), measured(second, second_name)
    check_alike(first, second, f"{first_name} and {second_name}")
    return first, second


def _selected_distance(before: PyTree, after: PyTree, select: Callable[[PyTree], PyTree]) -> GradientDistance:
    """Return `distance_from_gradients` of the selected parts."""
    check_function(select, "select", "a function that picks a part of the gradient")
    parts = [measured(select(gradient), "select(gradient)") for gradient in (before, after)]
    return distance_from_gradients(*parts)


@at_highest_precision
def _two_gradients(
    losses: dict[str, Loss],
    params_before: PyTree,
    params_after: PyTree,
    names: tuple[str, str] = ("params_before", "params_after"),
) -> tuple[PyTree, PyTree]:
    """Return both gradients, with their losses by name checked; one loss is compiled once and used for both."""
    items = list(losses.items())
    # With one loss, the first and the last entry are the same.
    (first_name, first), (second_name, second) = items[0], items[-1]
    before = prepared(first, params_before, names[0], first_name)
    after = prepared(second, params_after, names[1], second_name)
    check_alike(before, after, " and ".join(names))
    first_of = jax.jit(jax.value_and_grad(first))
    second_of = first_of if second is first else jax.jit(jax.value_and_grad(second))
    value_before, gradient_before = first_of(before)
    value_after, gradient_after = second_of(after)
    return (
        if_finite(value_before, gradient_before, gradient_before, f"{first_name}({names[0]})"),
        if_finite(value_after, gradient_after, gradient_after, f"{second_name}({names[1]})"),
    )
