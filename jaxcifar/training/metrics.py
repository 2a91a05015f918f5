"""Evaluation: sums over a data set that can be merged, each image counted once."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.config import Run
from jaxcifar.data import normalize
from jaxcifar.training.losses import per_example
from jaxcifar.training.optimizers import Numbers
from jaxcifar.training.state import State, module

EVALUATION_BATCH = 500


class Sums(NamedTuple):
    """Sums over images; add two of them to merge, divide by `count` for means."""

    loss: jax.Array
    correct: jax.Array
    count: jax.Array


def evaluate(run: Run, shard: Any, values: Numbers, state: State, split: tuple[jax.Array, jax.Array]) -> Sums:
    """Loss and accuracy in evaluation mode (running statistics, no dropout) over a whole split.

    Args:
        run: what is evaluated (static).
        shard: lays a batch over the devices.
        values: the run's plain numbers.
        state: parameters and running statistics.
        split: images uint8 [N, 32, 32, 3] and labels [N]; the last batch is padded and masked.
    """
    images, labels = split
    total = images.shape[0]
    size = min(EVALUATION_BATCH, total)
    network = module(run)
    variables = {"params": state.params, "batch_stats": state.batch_stats}

    def body(index: jax.Array, sums: Sums) -> Sums:
        rows = shard(index * size + jnp.arange(size))
        chosen, mask = jnp.minimum(rows, total - 1), rows < total
        logits = jnp.asarray(network.apply(variables, normalize(images[chosen], run.data), False))
        loss = per_example(run.loss, logits, labels[chosen], values.label_smoothing)
        hit = (logits.argmax(-1) == labels[chosen]) & mask
        return Sums(sums.loss + jnp.where(mask, loss, 0).sum(), sums.correct + hit.sum(), sums.count + mask.sum())

    zero = jnp.zeros((), jnp.int32)
    return lax.fori_loop(0, -(-total // size), body, Sums(jnp.zeros((), jnp.float32), zero, zero))
