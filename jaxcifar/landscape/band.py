"""The band that a family of runs fills, and the learning rates at which training works."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcifar.landscape.arguments import Bool, Float, as_real, as_scalar, check_real
from jaxcifar.landscape.checks import Array


class Band(NamedTuple):
    """`lower` and `upper` [...]: smallest and largest value over the members, in the unit of the values."""

    lower: Float[Array, " ..."]
    upper: Float[Array, " ..."]


class UsableRates(NamedTuple):
    """`usable` [members]; `lowest` and `highest` usable rate, and the width between them in `decades`.

    The three scalars are NaN where no rate is usable.
    """

    usable: Bool[Array, " members"]
    lowest: Float[Array, ""]
    highest: Float[Array, ""]
    decades: Float[Array, ""]


def loss_band(losses: Float[Array, "members ..."]) -> Band:
    """Return the band between the smallest and the largest loss over members, such as learning rates or step sizes.

    $$ \\left[ \\min_m L_{m,t}, \\ \\max_m L_{m,t} \\right] $$

    A value that is not finite counts as infinite: it raises `upper` to infinity and does not change `lower`.

    Args:
        losses: array [members, ...], usually [members, steps], in nats.

    Returns:
        `Band` of arrays [...].

    Raises:
        ValueError: losses that are not real numbers, or without a member.

    Cost: none; the runs are at hand.

    References:
        Santurkar et al. (2018), arXiv 1805.11604, figure 4a.
    """
    losses = as_real(losses, "losses", "an array [members, ...] of numbers")
    if losses.ndim == 0 or losses.shape[0] == 0:
        raise ValueError(f"losses have shape {losses.shape}, but a band needs [members, ...] with at least one member.")
    losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
    return Band(jnp.min(losses, axis=0), jnp.max(losses, axis=0))


def usable_rates(
    rates: Float[Array, " members"],
    losses: Float[Array, " members"] | Float[Array, "members steps"],
    best: Float[Array, ""] | float | None = None,
    tolerance: float = 0.1,
) -> UsableRates:
    """Return the learning rates whose run ends near the best of all runs that are compared.

    $$ \\{ \\eta_m : L_{m,t} \\text{ finite for all } t, \\ L_{m,T} \\le L^* + \\tau \\}, \\quad
       \\text{width} = \\log_{10} (\\eta_{max} / \\eta_{min}) $$

    To compare networks, give each of them the lowest last loss over the runs of all networks as `best`: a network is
    then not judged by its own best run. A run with a loss that is not finite has diverged and is never usable.

    Args:
        rates: array [members] of positive learning rates η.
        losses: array [members] of last train losses or [members, steps] of all, in nats.
        best: L*, the lowest last loss over all networks, in nats; None, or a higher value than that of these runs,
            takes the lowest of these runs.
        tolerance: τ, in nats, 0 or more.

    Returns:
        `UsableRates`. A gap between two usable rates does not reduce the width; `usable` shows it.

    Raises:
        ValueError: arrays of other shapes, rates that are not positive, `best` that is NaN, a negative tolerance.

    Cost: none; the runs are at hand.

    Examples:
        >>> found = usable_rates(jnp.array([0.1, 1.0, 10.0]), jnp.array([0.75, 0.5, jnp.inf]), tolerance=0.25)
        >>> found.usable.tolist(), float(found.decades)
        ([True, True, False], 1.0)
    """
    rates = check_real(rates, "rates", "an array [members] of positive numbers", lambda r: (r > 0) & np.isfinite(r))
    losses = as_real(losses, "losses", "an array [members] or [members, steps] of numbers")
    if losses.ndim not in (1, 2) or rates.shape != losses.shape[:1] or 0 in losses.shape:
        raise ValueError(
            f"rates have shape {rates.shape} and losses {losses.shape}, but must be [members] and [members] or "
            "[members, steps], none empty."
        )
    margin = as_scalar(tolerance, "tolerance", "a number of 0 or more", lambda t: (t >= 0) & np.isfinite(t))
    # Last losses alone become one column, so that both shapes share the lines below.
    losses = losses.reshape(len(rates), -1)
    finite = jnp.all(jnp.isfinite(losses), axis=1)
    # A run that diverged may end at a finite loss again; infinity keeps it from being the best.
    last = jnp.where(finite, losses[:, -1], jnp.inf)
    lowest_loss = jnp.min(last)
    if best is not None:
        lowest_loss = jnp.minimum(lowest_loss, as_scalar(best, "best", "a number, not NaN", lambda b: ~np.isnan(b)))
    usable = finite & (last <= lowest_loss + margin)
    some = jnp.any(usable)
    lowest = jnp.where(some, jnp.min(jnp.where(usable, rates, jnp.inf)), jnp.nan)
    highest = jnp.where(some, jnp.max(jnp.where(usable, rates, -jnp.inf)), jnp.nan)
    return UsableRates(usable, lowest, highest, jnp.log10(highest / lowest))
