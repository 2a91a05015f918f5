"""The compiled programs of a run: create the state, order an epoch, train a chunk of steps, evaluate.

One program serves any number of steps, any hyperparameters and, with a leading member axis, several runs at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.config import Run
from jaxcifar.data import augment
from jaxcifar.training import metrics, probes, sharding
from jaxcifar.training import state as states
from jaxcifar.training.optimizers import Hyperparams
from jaxcifar.training.state import State
from jaxcifar.training.step import train_step

Split = tuple[jax.Array, jax.Array]
"""Images uint8 [N, 32, 32, 3] and labels int32 [N], on the device."""


class Program(NamedTuple):
    """Pure functions, to be compiled by `jax.jit`."""

    create: Callable[[Hyperparams, jax.Array], State]
    """`(hyperparams, training images) -> state`."""
    order: Callable[..., jax.Array]
    """`(hyperparams, epoch) -> int32 [N]`: the epoch's permutation of the training images."""
    chunk: Callable[..., tuple[State, dict[str, jax.Array]]]
    """`(hyperparams, state, split, order, span) -> (state, values [length])`; `span` is int32 [first step, number of
    steps] of one epoch."""
    evaluate: Callable[..., metrics.Sums]
    """`(hyperparams, state, split) -> sums`."""
    evaluate_last: Callable[..., metrics.Sums]
    """The same, with the figures that are taken once, at the end."""


def build(run: Run, train_size: int, length: int, mesh: jax.sharding.Mesh, stacked: bool) -> Program:
    """Return the programs of a run, or of several that differ in their hyperparameters only.

    Args:
        run: what is trained.
        train_size: number of training images N; an epoch is N // batch_size steps.
        length: largest number of steps per chunk.
        mesh: the devices, with the axes `member` and `data`.
        stacked: whether hyperparameters, states, orders and values have a leading member axis.
    """
    shard = partial(sharding.shard_batch, mesh=mesh)
    chunk = partial(_chunk, run, train_size, length, shard)
    evaluate, evaluate_last = (partial(metrics.evaluate, run, shard, last=last) for last in (False, True))
    create, order = partial(states.create, run), partial(_order, train_size)
    if not stacked:
        return Program(create, order, chunk, evaluate, evaluate_last)
    # With the axis named, the sharding of a batch inside keeps the members on their own devices.
    member = partial(jax.vmap, spmd_axis_name="member")
    return Program(
        jax.vmap(create, in_axes=(0, None)),
        jax.vmap(order, in_axes=(0, None)),
        member(chunk, in_axes=(0, 0, None, 0, None)),
        member(evaluate, in_axes=(0, 0, None)),
        member(evaluate_last, in_axes=(0, 0, None)),
    )


def _order(train_size: int, values: Hyperparams, epoch: jax.Array) -> jax.Array:
    return jax.random.permutation(states.key(values, "order", epoch), train_size)


def _chunk(
    run: Run,
    train_size: int,
    length: int,
    shard: Any,
    values: Hyperparams,
    state: State,
    split: Split,
    order: jax.Array,
    span: jax.Array,
) -> tuple[State, dict[str, jax.Array]]:
    """Train some steps of one epoch; the first `count` entries of the returned arrays [length] are their values.

    The first step comes as an argument, though the state has it, because all members share it: a condition on it stays
    a condition under `vmap`.
    """
    images, labels = split
    first, count = span
    steps_per_epoch = train_size // run.batch_size
    epoch = first // steps_per_epoch

    def body(index: jax.Array, carry: tuple[State, dict[str, jax.Array]]) -> Any:
        state, buffers = carry
        step = first + index
        start = (step - epoch * steps_per_epoch) * run.batch_size
        chosen = shard(lax.dynamic_slice_in_dim(order, start, run.batch_size))
        key = states.key(values, "augment", step)
        batch = augment(images[chosen], chosen, epoch, key, run.data), labels[chosen]
        state, measured = train_step(run, steps_per_epoch, values, state, batch, step)
        return state, {name: buffers[name].at[index].set(measured[name]) for name in buffers}

    # Buffers have the greatest length and the number of steps is an argument, so that every chunk runs one program.
    buffers = {name: jnp.zeros(length, jnp.float32) for name in (*probes.OWN, *probes.names(run))}
    return lax.fori_loop(0, count, body, (state, buffers))
