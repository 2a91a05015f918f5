"""Averages of the weights along training: EMA, which leaves the weights unchanged, and lookahead, which moves them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp

from jaxcifar.config import EMA, Lookahead, NoAverage, Run


class Weights(NamedTuple):
    """The values that are averaged over steps."""

    params: Any
    batch_stats: Any


def initial(run: Run, weights: Weights) -> Weights | tuple[()]:
    """Return the average before the first step, an empty tuple where there is none."""
    return weights if run.average.copies else ()


def update(run: Run, weights: Weights, average: Any, step: jax.Array, steps: int) -> tuple[Weights, Any]:
    """Return the weights and their average after a step of the optimizer.

    `EMA`: a_n = a + s (w - a) with s = (1 - d) / (1 - d^n) at the n-th update, so that a_n is the mean of the weights
    seen with the weights d^(n - i), without a share of the initial ones. `Lookahead`: see `config.Lookahead`; after the
    last step the average takes the weights' place.

    Args:
        run: whose average (static).
        weights: after the optimizer's step.
        average: before it.
        step: the number of steps finished before this one.
        steps: of the whole run (static).
    """
    done = (step + 1).astype(float)
    match run.average:
        case NoAverage():
            return weights, average
        case EMA(decay, every):
            due = (step + 1) % every == 0
            # With expm1, because 1 - d^n would lose its digits in float32 where d is near 1.
            log = math.log(decay)
            share = math.expm1(log) / jnp.expm1(log * jnp.maximum(done // every, 1))
            return weights, _move(average, weights, jnp.where(due, share, 0.0))
        case Lookahead(decay, every):
            due = (step + 1) % every == 0
            average = _move(average, weights, jnp.where(due, 1 - decay * (done / steps) ** 3, 0.0))
            replace = due | (step + 1 == steps)
            return jax.tree.map(lambda w, a: jnp.where(replace, a, w), weights, average), average
        case unknown:
            assert_never(unknown)


def _move(average: Weights, weights: Weights, share: jax.Array) -> Weights:
    def move(a: jax.Array, w: jax.Array) -> jax.Array:
        # A whole number, such as a count in a user's own network, has no average.
        # In this form a share of 0 leaves the average unchanged to the bit, whatever the rounding.
        return a + share.astype(a.dtype) * (w - a) if jnp.issubdtype(a.dtype, jnp.floating) else w

    return jax.tree.map(move, average, weights)
