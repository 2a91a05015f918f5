"""The training state: everything that a step changes and a checkpoint keeps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from jaxcifar.config import Run
from jaxcifar.models import build
from jaxcifar.training import probes
from jaxcifar.training.optimizers import Numbers, direction


@struct.dataclass
class State:
    """Parameters, BatchNorm's running statistics, the optimizer's state and the number of finished steps."""

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    previous: Any = ()
    """What the cross-batch probes keep of the step before."""


def module(run: Run) -> nn.Module:
    """The network of a run, computing in its precision."""
    return build(run.model, jnp.bfloat16 if run.precision == "bfloat16" else None)


def create(run: Run, values: Numbers) -> State:
    """The state before the first step; pure, so it works under `jit` and `vmap` over the numbers."""
    images = jnp.zeros((1, 32, 32, 3), jnp.float32)
    variables = module(run).init(key(values, "init"), images, False)
    params = variables["params"]
    batch_stats = variables.get("batch_stats", {})
    opt_state = direction(run.optimizer, values).init(params)
    return State(jnp.zeros((), jnp.int32), params, batch_stats, opt_state, probes.initial(run, params))


_USES = ("init", "order", "augment", "dropout", "noise")


def key(values: Numbers, use: str, index: jax.Array | int | None = None) -> jax.Array:
    """The random key of one use at one step or epoch: fold_in(fold_in(key(seed), use), index).

    Nothing of a generator is ever stored, so a resumed run draws what the uninterrupted one would have drawn.
    """
    base = jax.random.fold_in(jax.random.key(values.seed), _USES.index(use))
    return base if index is None else jax.random.fold_in(base, index)
