"""How fast the gradient changes along a run: β-smoothness and gradient distance, on one batch and across batches.

Consecutive training steps see different batches. A change of gradient measured across them is mostly the batches'
noise, so every function says in its name which of the two it measures.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxcifar.landscape.checks import (
    Array,
    Loss,
    PyTree,
    at_highest_precision,
    check_alike,
    if_finite,
    prepared,
)
from jaxcifar.landscape.trees import ratio, tree_cosine, tree_distance, tree_norm


class GradientDistance(NamedTuple):
    """Change of a gradient: `distance` in loss per unit of parameter, `cosine` without unit; both scalar arrays."""

    distance: Array
    cosine: Array


class NoiseFloor(NamedTuple):
    """Rounding in a gradient: `distance` in loss per unit of parameter, `relative` to the gradient's norm."""

    distance: Array
    relative: Array


class Quantiles(NamedTuple):
    """`maximum` and `values` at `levels` over the defined (not NaN) entries of a record."""

    maximum: float
    levels: np.ndarray
    values: np.ndarray


def beta_from_gradients(
    gradient_before: PyTree, gradient_after: PyTree, params_before: PyTree, params_after: PyTree
) -> Array:
    """β over one step, from gradients that are at hand.

    $$ \\beta = \\frac{\\lVert g_{after} - g_{before} \\rVert}{\\lVert w_{after} - w_{before} \\rVert} $$

    It is a same-batch figure only if both gradients are of one batch, with one dropout key.

    Args:
        gradient_before, gradient_after: pytrees shaped like the parameters, in loss per unit of parameter.
        params_before, params_after: pytrees of the parameters where the gradients were taken.

    Returns:
        Scalar array, in loss per squared unit of parameter. NaN where the step is zero: β is undefined there.

    Cost: no gradient; six passes over the parameters.

    Examples:
        >>> import jax.numpy as jnp
        >>> before, after = {"w": jnp.array([1.0])}, {"w": jnp.array([0.5])}
        >>> float(beta_from_gradients({"w": jnp.array([3.0])}, {"w": jnp.array([1.5])}, before, after))
        3.0

    References:
        Nesterov, Introductory Lectures on Convex Optimization (2004), section 1.2.2.
    """
    check_alike(gradient_before, params_before, "gradient_before and params_before")
    check_alike(gradient_after, params_after, "gradient_after and params_after")
    check_alike(params_before, params_after, "params_before and params_after")
    return ratio(tree_distance(gradient_after, gradient_before), tree_distance(params_after, params_before))


def distance_from_gradients(gradient_before: PyTree, gradient_after: PyTree) -> GradientDistance:
    """Distance and cosine of two gradients that are at hand.

    $$ \\lVert g_{after} - g_{before} \\rVert, \\quad \\cos(g_{after}, g_{before}) $$

    Give the whole gradients, or one layer's subtree of each.

    Args:
        gradient_before, gradient_after: pytrees of one structure, in loss per unit of parameter.

    Returns:
        `GradientDistance`; the cosine is NaN where either gradient is zero.

    Cost: no gradient; four passes over the parameters.
    """
    check_alike(gradient_before, gradient_after, "gradient_before and gradient_after")
    return GradientDistance(
        tree_distance(gradient_after, gradient_before), tree_cosine(gradient_after, gradient_before)
    )


def same_batch_beta(loss: Loss, params_before: PyTree, params_after: PyTree) -> Array:
    """β over one step with both gradients on one batch: the honest β-smoothness along a path.

    $$ \\beta = \\frac{\\lVert \\nabla L(w_{after}) - \\nabla L(w_{before}) \\rVert}
                      {\\lVert w_{after} - w_{before} \\rVert} $$

    Args:
        loss: `loss(params)`, a scalar; batch, BatchNorm mode and dropout key are closed over and the same for both.
        params_before, params_after: pytrees of parameters.

    Returns:
        Scalar array, in loss per squared unit of parameter; NaN where the step is zero.

    Raises:
        ValueError: unfit loss or parameters; a loss that is not finite (outside `jit`).

    Cost: 2 gradients; 1 with `beta_from_gradients` where the gradient before is at hand.
    """
    return cross_batch_beta(loss, loss, params_before, params_after)


def cross_batch_beta(loss_before: Loss, loss_after: Loss, params_before: PyTree, params_after: PyTree) -> Array:
    """The ratio of β with each gradient on its own batch, as a run without probes sees it; not a smoothness.

    $$ \\frac{\\lVert \\nabla L_{after}(w_{after}) - \\nabla L_{before}(w_{before}) \\rVert}
             {\\lVert w_{after} - w_{before} \\rVert} $$

    It grows like one over the learning rate: SGD on ½‖w - x_t‖² with unit-variance x_t, whose β is 1, gives the root
    mean square √[((1+η)² + 1 + η³/(2-η)) (2-η) / (2η²)] in the stationary state, 1,415 at η = 0.001.

    Args:
        loss_before, loss_after: losses on the two batches.
        params_before, params_after: pytrees of parameters.

    Returns:
        Scalar array, in loss per squared unit of parameter; NaN where the step is zero.

    Cost: 2 gradients.
    """
    before, after = _two_gradients(loss_before, loss_after, params_before, params_after)
    return beta_from_gradients(before, after, params_before, params_after)


def same_batch_gradient_distance(
    loss: Loss, params_before: PyTree, params_after: PyTree, select: Callable[[PyTree], PyTree] = lambda tree: tree
) -> GradientDistance:
    """Change of the gradient over one step, both gradients on one batch.

    $$ \\lVert \\nabla L(w_{after}) - \\nabla L(w_{before}) \\rVert $$

    Args:
        loss: `loss(params)`, a scalar.
        params_before, params_after: pytrees of parameters.
        select: picks a part of the gradient, such as the weight of the last linear layer; all of it by default.

    Returns:
        `GradientDistance`: distance in loss per unit of parameter, and cosine. Without a step they are 0 and 1.

    Cost: 2 gradients.

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, section 3.1.
    """
    return cross_batch_gradient_distance(loss, loss, params_before, params_after, select)


def cross_batch_gradient_distance(
    loss_before: Loss,
    loss_after: Loss,
    params_before: PyTree,
    params_after: PyTree,
    select: Callable[[PyTree], PyTree] = lambda tree: tree,
) -> GradientDistance:
    """Change of the gradient from one training step to the next, each gradient on its own batch.

    $$ \\lVert \\nabla L_{after}(w_{after}) - \\nabla L_{before}(w_{before}) \\rVert $$

    Args, returns and cost are those of `same_batch_gradient_distance`; even without a step the distance is not 0,
    since the batches differ.
    """
    before, after = _two_gradients(loss_before, loss_after, params_before, params_after)
    return distance_from_gradients(select(before), select(after))


def noise_floor(loss: Loss, same_loss: Loss, params: PyTree) -> NoiseFloor:
    """Rounding in the gradient, from two computations that agree in exact arithmetic.

    $$ \\lVert \\nabla L(w) - \\nabla L'(w) \\rVert, \\quad \\text{and relative to } \\lVert \\nabla L(w) \\rVert $$

    A change of gradient below `distance` is noise; β's own floor is `distance` over the step's length.

    Args:
        loss: the measured loss.
        same_loss: the same loss on the same batch in another order.
        params: pytree of parameters.

    Returns:
        `NoiseFloor`.

    Cost: 2 gradients. Against float64, take that gradient under `jax.enable_x64(True)` and call
    `noise_floor_from_gradients`.
    """
    return noise_floor_from_gradients(*_two_gradients(loss, same_loss, params, params))


def noise_floor_from_gradients(gradient: PyTree, reference: PyTree) -> NoiseFloor:
    """`noise_floor` from two gradients that are at hand; the reference may be of a wider dtype. Costs no gradient."""
    check_alike(gradient, reference, "gradient and reference")
    distance = tree_distance(gradient, reference)
    return NoiseFloor(distance, ratio(distance, tree_norm(reference)))


def running_maximum(values: np.ndarray) -> np.ndarray:
    """Largest defined value so far, along the last axis.

    $$ m_t = \\max_{s \\le t} \\beta_s $$

    Args:
        values: array [..., steps] on the host; NaN stands for undefined.

    Returns:
        Array of the same shape and unit; NaN until the first defined value.
    """
    return np.fmax.accumulate(np.asarray(values), axis=-1)


def maximum_and_quantiles(values: np.ndarray, levels: tuple[float, ...] = (0.5, 0.9, 0.99)) -> Quantiles:
    """Maximum of a record with the quantiles that show whether one outlier made it.

    Args:
        values: array on the host, any shape; NaN stands for undefined and is left out.
        levels: quantile levels in [0, 1].

    Returns:
        `Quantiles`, in the unit of the values; all NaN where nothing is defined.
    """
    values = np.asarray(values)
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return Quantiles(float("nan"), np.asarray(levels), np.full(len(levels), np.nan))
    return Quantiles(float(defined.max()), np.asarray(levels), np.quantile(defined, levels))


@at_highest_precision
def _two_gradients(
    loss_before: Loss, loss_after: Loss, params_before: PyTree, params_after: PyTree
) -> tuple[PyTree, PyTree]:
    """Both gradients, with the losses checked; one compilation when the two losses are one function."""
    check_alike(params_before, params_after, "params_before and params_after")
    params_before, params_after = prepared(loss_before, params_before), prepared(loss_after, params_after)
    before = jax.jit(jax.value_and_grad(loss_before))
    after = before if loss_after is loss_before else jax.jit(jax.value_and_grad(loss_after))
    value_before, gradient_before = before(params_before)
    value_after, gradient_after = after(params_after)
    return if_finite(value_before, gradient_before), if_finite(value_after, gradient_after)
