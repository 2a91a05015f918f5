"""The training state: everything that a step changes and a checkpoint keeps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from jaxcifar.config import Run
from jaxcifar.data import normalize
from jaxcifar.models import build, roles, whitening_kernel
from jaxcifar.models.own import Own
from jaxcifar.training import averaging, probes
from jaxcifar.training.averaging import Weights
from jaxcifar.training.optimizers import Hyperparams, direction


@struct.dataclass
class State:
    """Parameters, BatchNorm's running statistics, the optimizer's state and the number of finished steps."""

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    previous: Any = ()
    """What the cross-batch probes keep from the previous step."""
    average: Any = ()
    """The average of the weights, where one is taken."""


def module(run: Run) -> nn.Module | Own:
    """Return the network of a run, computing in its precision."""
    return build(run.model, jnp.bfloat16 if run.precision == "bfloat16" else None)


# As in the code of Jordan 2024, arXiv 2404.00498.
WHITENING_IMAGES = 5000


def create(run: Run, values: Hyperparams, images: jax.Array | None = None) -> State:
    """Return the state before the first step; pure, so it works under `jit` and `vmap` over the hyperparameters.

    Args:
        run: what is trained (static).
        values: the run's hyperparameters.
        images: the training images, uint8 [N, 32, 32, 3]; the first 5,000 make the filters of a whitening layer.
            Without them only the shapes of such a network's state are right.
    """
    variables = module(run).init(key(values, "init"), jnp.zeros((1, *run.model.image), jnp.float32), False)
    params = variables["params"]
    batch_stats: Any = variables.get("batch_stats", {})
    if images is not None and (layers := roles(run.model).whitening):
        kernel = whitening_kernel(normalize(images[:WHITENING_IMAGES], run.data))
        batch_stats = {**batch_stats, **{layer: {"kernel": kernel} for layer in layers}}
    opt_state = direction(run.optimizer, values, roles(run.model)).init(params)
    average = averaging.initial(run, Weights(params, batch_stats))
    return State(jnp.zeros((), jnp.int32), params, batch_stats, opt_state, probes.initial(run, params), average)


GENERATOR = "threefry2x32"
"""Named here, so that JAX's own default may change, or be set by other code, without changing a run's numbers."""
# The place in the tuple is part of the key: new uses go to its end, so that the others keep their numbers.
_USES = ("init", "order", "augment", "dropout", "noise")


def key(values: Hyperparams, use: str, index: jax.Array | int | None = None) -> jax.Array:
    """Return the random key of one use at one step or epoch: fold_in(fold_in(key(seed), use), index).

    No state of a generator is stored, so a resumed run draws the numbers of the uninterrupted one.
    """
    base = jax.random.fold_in(jax.random.key(values.seed, impl=GENERATOR), _USES.index(use))
    return base if index is None else jax.random.fold_in(base, index)
