"""Evaluation: sums over a data set that can be merged, each image counted once."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.config import Run
from jaxcifar.data import normalize, views
from jaxcifar.training.losses import per_example
from jaxcifar.training.optimizers import Hyperparams
from jaxcifar.training.state import State, module

EVALUATION_BATCH = 500


class Sums(NamedTuple):
    """Sums over images; add two of them to merge, divide by `count` for means."""

    loss: jax.Array
    correct: jax.Array
    count: jax.Array
    others: dict[str, jax.Array]
    """Correct answers of the average of the weights (`ema`) and of the mean over an image's views (`tta`)."""


def evaluate(
    run: Run, shard: Any, values: Hyperparams, state: State, split: tuple[jax.Array, jax.Array], last: bool = False
) -> Sums:
    """Return loss and accuracy in evaluation mode (running statistics, no dropout) over a whole split.

    Args:
        run: what is evaluated (static).
        shard: distributes a batch over the devices.
        values: the run's hyperparameters.
        state: parameters and running statistics.
        split: images uint8 [N, 32, 32, 3] and labels [N]; the last batch is padded and masked.
        last: whether the figures of test-time augmentation and of the averaged weights are taken too (static).
    """
    images, labels = split
    total = images.shape[0]
    # Equal batches have one shape, and fewer padded rows than full batches with a small last one.
    batches = -(-total // EVALUATION_BATCH)
    size = -(-total // batches)

    def body(index: jax.Array, sums: Sums) -> Sums:
        rows = shard(index * size + jnp.arange(size))
        chosen, mask = jnp.minimum(rows, total - 1), rows < total
        logits, others = _logits(run, state, images[chosen], last)
        loss = per_example(run.loss, logits, labels[chosen], values.label_smoothing)

        def hits(logits: jax.Array) -> jax.Array:
            return ((logits.argmax(-1) == labels[chosen]) & mask).sum()

        new = Sums(jnp.where(mask, loss, 0).sum(), hits(logits), mask.sum(), jax.tree.map(hits, others))
        return jax.tree.map(jnp.add, sums, new)

    # Numbers of images are integers, because float32 counts exactly to 2^24 only.
    zero = jnp.zeros((), jnp.int32)
    start = Sums(jnp.zeros((), jnp.float32), zero, zero, {name: zero for name in other_figures(run) if last})
    return lax.fori_loop(0, batches, body, start)


def other_figures(run: Run) -> list[str]:
    """Return the names of what the last evaluation measures besides the plain accuracy."""
    ema, tta = run.average.figure is not None, run.test_views != "none"
    return ["tta"] * tta + ["ema"] * ema + ["ema_tta"] * (ema and tta)


def _logits(run: Run, state: State, images: jax.Array, last: bool) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The plain logits [B, 10] of raw images, and the logits of the other figures."""
    network, wanted = module(run), other_figures(run) if last else []
    shown = views(images, run.test_views if last else "none")

    def first_and_mean(params: Any, batch_stats: Any) -> tuple[jax.Array, jax.Array]:
        variables = {"params": params, "batch_stats": batch_stats}

        def logits(view: jax.Array) -> jax.Array:
            return jnp.asarray(network.apply(variables, normalize(view, run.data), False))

        if len(shown) == 1:
            return (plain := logits(images)), plain
        # One view after the other in a loop, so that the network is compiled once.
        each = lax.map(logits, jnp.stack([view for _, view in shown]))
        # The first view is the image itself.
        return each[0], jnp.tensordot(jnp.array([weight for weight, _ in shown], each.dtype), each, 1)

    plain, mean = first_and_mean(state.params, state.batch_stats)
    found = {"tta": mean}
    if "ema" in wanted:
        found["ema"], found["ema_tta"] = first_and_mean(*state.average)
    return plain, {name: found[name] for name in wanted}
