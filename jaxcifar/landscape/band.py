"""The band that a family of runs fills, and the learning rates at which training works."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxcifar.landscape.checks import Array


class Band(NamedTuple):
    """`lower` and `upper` [...]: smallest and largest value over the members, in the unit of the values."""

    lower: Array
    upper: Array


class UsableRates(NamedTuple):
    """`usable` [members] of bool; `lowest` and `highest` usable rate and their `ratio`, NaN where none is usable."""

    usable: Array
    lowest: Array
    highest: Array
    ratio: Array


def loss_band(losses: Array) -> Band:
    """Band between the smallest and the largest loss over members, such as learning rates or step sizes.

    $$ \\left[ \\min_m L_{m,t}, \\ \\max_m L_{m,t} \\right] $$

    A member that is not finite counts as infinite: it lifts `upper` to infinity and leaves `lower` alone.

    Args:
        losses: array [members, ...], usually [members, steps], in nats.

    Returns:
        `Band` of arrays [...].

    Cost: none; the runs are at hand.

    References:
        Santurkar et al. (2018), arXiv 1805.11604, figure 4a.
    """
    losses = jnp.asarray(losses)
    if losses.ndim == 0 or losses.shape[0] == 0:
        raise ValueError(f"losses have shape {losses.shape}, but a band needs [members, ...] with at least one member.")
    losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
    return Band(jnp.min(losses, axis=0), jnp.max(losses, axis=0))


def usable_rates(learning_rates: Array, losses: Array, ceiling: float | None = None) -> UsableRates:
    """Learning rates whose run stays finite and ends low.

    $$ \\{ \\eta_m : L_{m,t} \\text{ finite for all } t, \\ L_{m,T} < c \\} $$

    Args:
        learning_rates: array [members].
        losses: array [members, steps], in nats.
        ceiling: c, in nats; None takes each run's own first loss, so that it asks for any progress at all.

    Returns:
        `UsableRates`.

    Cost: none; the runs are at hand.

    Examples:
        >>> usable_rates(jnp.array([0.1, 1.0, 3.0]), jnp.array([[1.0, 0.8], [1.0, 0.0], [1.0, 4.0]])).usable.tolist()
        [True, True, False]
    """
    rates, losses = jnp.asarray(learning_rates), jnp.asarray(losses)
    if losses.ndim != 2 or rates.shape != losses.shape[:1] or 0 in losses.shape:
        raise ValueError(
            f"learning_rates have shape {rates.shape} and losses {losses.shape}, but must be [members] and "
            "[members, steps], neither empty."
        )
    highest_allowed = losses[:, 0] if ceiling is None else ceiling
    usable = jnp.all(jnp.isfinite(losses), axis=1) & (losses[:, -1] < highest_allowed)
    some = jnp.any(usable)
    lowest = jnp.where(some, jnp.min(jnp.where(usable, rates, jnp.inf)), jnp.nan)
    highest = jnp.where(some, jnp.max(jnp.where(usable, rates, -jnp.inf)), jnp.nan)
    return UsableRates(usable, lowest, highest, highest / lowest)
