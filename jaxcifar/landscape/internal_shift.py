"""Internal covariate shift: the change of a layer's gradient when the layers before it take their step."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.landscape.arguments import Float
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_highest_precision, if_finite, matched, prepared
from jaxcifar.landscape.groups import Layers, group_of_leaves
from jaxcifar.landscape.trees import ratio, unit_of


class CovariateShift(NamedTuple):
    """Per layer, in the order given: `distance` [layers] in loss per unit of parameter, and `cosine` [layers]."""

    distance: Float[Array, " layers"]
    cosine: Float[Array, " layers"]


@at_highest_precision
def covariate_shift(loss: Loss, params_before: PyTree, params_after: PyTree, layers: Layers) -> CovariateShift:
    """Return the internal covariate shift of each layer over one step.

    $$ G_i = \\nabla_{W_i} L(W_1^t, \\dots, W_k^t), \\quad
       G'_i = \\nabla_{W_i} L(W_1^{t+1}, \\dots, W_{i-1}^{t+1}, W_i^t, \\dots, W_k^t), \\quad
       \\lVert G_i - G'_i \\rVert, \\ \\cos(G_i, G'_i) $$

    Args:
        loss: `loss(params)`, a scalar; both gradients are on its one batch.
        params_before, params_after: pytrees of the parameters at t and t + 1.
        layers: layers from input to output, by path (`group_of_leaves`), or a function from parameters to them.

    Returns:
        `CovariateShift`; the first layer has 0 and 1, and a layer without gradient has cosine NaN.

    Raises:
        ValueError: unfit loss or parameters, layers that do not split the leaves, a loss or gradient that is not finite
            (outside `jit`).

    Cost: 1 gradient per layer, one after another.

    Examples:
        >>> loss = lambda w: (w["first"] * w["last"] - 1.0) ** 2
        >>> before = {"first": jnp.array(2.0), "last": jnp.array(1.0)}
        >>> after = {"first": jnp.array(1.0), "last": jnp.array(0.0)}
        >>> covariate_shift(loss, before, after, ["first", "last"]).distance.tolist()
        [0.0, 4.0]

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, definition 2.1.
    """
    params_before = prepared(loss, params_before, "params_before")
    params_after = matched(params_after, params_before, "params_after", "params_before")
    owners = group_of_leaves(params_before, layers)
    shift, value = jax.jit(lambda before, after: _shift(loss, before, after, owners))(params_before, params_after)
    return if_finite(value, shift, shift.distance, "loss(params_before)")


def _shift(loss: Loss, before: PyTree, after: PyTree, owners: list[int]) -> tuple[CovariateShift, Array]:
    """Take one gradient per layer under `scan`: the first has no layer updated, so it is the reference of all."""
    leaves_before, structure = jax.tree.flatten(before)
    leaves_after = jax.tree.leaves(after)

    def layer(reference: tuple[Array, Array, list[Array]], index: Array):
        # The index is traced, so that one gradient is compiled for all layers and not one for each.
        mixed = [
            jnp.where(owner < index, new, old)
            for owner, new, old in zip(owners, leaves_after, leaves_before, strict=True)
        ]
        value, gradient = jax.value_and_grad(loss)(structure.unflatten(mixed))
        first = index == 0
        kept = jax.tree.map(lambda old, new: jnp.where(first, new, old), reference, (value, jax.tree.leaves(gradient)))
        return kept, _layer_shift(kept[1], jax.tree.leaves(gradient), jnp.asarray(owners) == index)

    # The carry of a scan keeps its dtypes, so they are those of the loss and of its gradient.
    start = (jnp.zeros((), jax.eval_shape(loss, before).dtype), [jnp.zeros_like(leaf) for leaf in leaves_before])
    (value, _), (distance, cosine) = lax.scan(layer, start, jnp.arange(max(owners) + 1))
    return CovariateShift(distance, cosine), value


def _layer_shift(reference: list[Array], gradient: list[Array], inside: Array) -> tuple[Array, Array]:
    """Return distance and cosine of two gradients over the leaves marked `inside` [leaves]."""

    def total(products: list[Array]) -> Array:
        # A traced index cannot select leaves, so all are summed under a mask. `where` also drops NaN of other layers,
        # which a product with 0 would keep.
        return jnp.sum(jnp.where(inside, jnp.stack(products), 0))

    def in_own_unit(leaves: list[Array]) -> tuple[Array, list[Array]]:
        largest = jnp.stack([jnp.max(jnp.abs(leaf), initial=0) for leaf in leaves])
        unit = unit_of(jnp.max(jnp.where(inside, largest, 0)))
        return unit, [leaf / unit.astype(leaf.dtype) for leaf in leaves]

    unit, apart = in_own_unit([a - b for a, b in zip(reference, gradient, strict=True)])
    distance = unit * jnp.sqrt(total([jnp.vdot(d, d) for d in apart]))
    (_, first), (_, second) = in_own_unit(reference), in_own_unit(gradient)
    pairs = list(zip(first, second, strict=True))
    # Roots before the product: the product of two squared norms would overflow or underflow earlier.
    lengths = jnp.sqrt(total([jnp.vdot(a, a) for a in first])) * jnp.sqrt(total([jnp.vdot(b, b) for b in second]))
    return distance, jnp.clip(ratio(total([jnp.vdot(a, b) for a, b in pairs]), lengths), -1.0, 1.0)
