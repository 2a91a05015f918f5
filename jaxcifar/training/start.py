"""A run that starts from the weights of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcifar.config import Run, UserError
from jaxcifar.models import roles
from jaxcifar.records import local_path
from jaxcifar.training import averaging
from jaxcifar.training.averaging import Weights
from jaxcifar.training.optimizers import direction, hyperparams
from jaxcifar.training.state import State, create
from jaxcifar.training.trained import weights


def check(run: Run) -> None:
    """Raise UserError if the weights that a run starts from cannot be read or do not fit its network."""
    if run.init_from is not None:
        shapes = jax.eval_shape(lambda: create(run, hyperparams(run)))
        _merged(run, shapes.params, shapes.batch_stats)


def started(run: Run, state: State) -> State:
    """Return a run's initial state with the weights and statistics of `init_from`.

    The output layer keeps its own where the numbers of classes differ. The optimizer starts from its initial state.
    """
    if run.init_from is None:
        return state
    params, batch_stats = _merged(run, state.params, state.batch_stats)
    opt_state = direction(run.optimizer, hyperparams(run), roles(run.model)).init(params)
    average = averaging.initial(run, Weights(params, batch_stats))
    return State(state.step, params, batch_stats, jax.device_get(opt_state), state.previous, average)


def _merged(run: Run, params: Any, batch_stats: Any) -> tuple[Any, Any]:
    _, other_params, other_stats = weights(local_path("init_from", run.init_from or ""))
    head = roles(run.model).output
    return _taken(run, params, other_params, head), _taken(run, batch_stats, other_stats, None)


def _taken(run: Run, own: Any, other: Any, head: str | None) -> Any:
    """The other network's leaves in the structure of ours; `head` is the layer that may differ in its outputs."""
    ours, theirs = flatten_dict(own, sep="/"), flatten_dict(other, sep="/")
    of_head = {path for path in (*ours, *theirs) if head is not None and f"{path}/".startswith(f"{head}/")}
    new = any(_shape(ours, path) != _shape(theirs, path) for path in ours if path in of_head)
    for path in dict.fromkeys((*ours, *theirs)):
        if new and path in of_head:
            continue
        if _shape(ours, path) != _shape(theirs, path):
            raise UserError(
                f"init_from is {run.init_from!r}, a run of another network: {path} is "
                f"{_shape(theirs, path) or 'not there'} there and {_shape(ours, path) or 'not there'} in this one; "
                "only the output layer may differ."
            )

    kept = {path: leaf for path, leaf in ours.items() if new and path in of_head}
    return unflatten_dict({path: np.asarray(theirs[path]) for path in ours if path not in kept} | kept, sep="/")


def _shape(leaves: Mapping[str, Any], path: str) -> Any:
    return tuple(leaves[path].shape) if path in leaves else None
