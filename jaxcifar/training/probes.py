"""Measures of the loss landscape taken inside the training program, one value per step (NaN where none was due).

BatchNorm is in training mode and its new statistics are thrown away; both gradients of a pair draw one dropout key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar import landscape
from jaxcifar.config import Probe, Run

Gradient = Callable[[Any], Any]
"""From parameters to the gradient on the batch of the step, in float32 at highest precision."""


class Previous(NamedTuple):
    """What the cross-batch measures keep of the step before: its gradient, and how far it moved (NaN before any)."""

    gradient: Any
    moved: jax.Array


class Moment(NamedTuple):
    """One training step as the probes see it."""

    before: Any
    """Parameters before the step."""
    after: Any
    gradient: Any
    """At `before`, on the step's batch."""
    previous: Any


def names(run: Run) -> list[str]:
    """What the run's probes write to steps.npz."""
    found = [name for probe in run.probes for name in _names(probe)]
    return list(dict.fromkeys(found))


def _names(probe: Probe) -> list[str]:
    match probe.measure:
        case "beta":
            return [f"beta/{probe.batch}"]
        case "gradient_distance":
            measures = ("gradient_distance", "gradient_cosine")
            return [f"{measure}/{probe.batch}/{part}" for measure in measures for part in ("last_linear", "all")]
        case "noise_floor":
            return ["noise_floor/distance", "noise_floor/relative"]


def reuses_training_gradient(run: Run) -> bool:
    """Whether training's own gradient is as exact as a probe wants it: float32 products, as on a CPU."""
    return run.precision == "float32" and jax.default_backend() == "cpu"


def initial(run: Run, params: Any) -> Previous | tuple[()]:
    """What is carried before the first step; nothing without cross-batch probes."""
    if not any(probe.batch == "cross_batch" for probe in run.probes):
        return ()
    return Previous(jax.tree.map(jnp.zeros_like, params), jnp.full((), jnp.nan, jnp.float32))


def following(moment: Moment) -> Any:
    """What is carried to the next step."""
    if not moment.previous:
        return moment.previous
    return Previous(moment.gradient, landscape.tree_distance(moment.after, moment.before).astype(jnp.float32))


def measure(run: Run, step: jax.Array, moment: Moment, same: Gradient, reordered: Gradient) -> dict[str, jax.Array]:
    """The values of every probe at a step.

    Args:
        run: whose probes (static).
        step: the number of the step, the same for all members, so that a probe that is not due costs nothing.
        moment: parameters and gradient around the step.
        same: the gradient on the step's batch with its dropout key.
        reordered: the same with the images of the batch in another order.
    """
    values: dict[str, jax.Array] = {}
    groups: dict[tuple[str, int], list[Probe]] = {}
    for probe in run.probes:
        kind = "noise_floor" if probe.measure == "noise_floor" else probe.batch
        groups.setdefault((kind, probe.every), []).append(probe)
    for (kind, every), probes in groups.items():
        wanted = [name for probe in probes for name in _names(probe)]

        def due(kind: str = kind, wanted: list[str] = wanted) -> dict[str, jax.Array]:
            found = _values(kind, moment, same, reordered)
            return {name: found[name].astype(jnp.float32) for name in wanted}

        def idle(wanted: list[str] = wanted) -> dict[str, jax.Array]:
            return {name: jnp.full((), jnp.nan, jnp.float32) for name in wanted}

        values |= due() if every == 1 else lax.cond(step % every == 0, due, idle)
    return values


def _values(kind: str, moment: Moment, same: Gradient, reordered: Gradient) -> dict[str, jax.Array]:
    match kind:
        case "same_batch":
            after = same(moment.after)
            beta = landscape.beta_from_gradients(moment.gradient, after, moment.before, moment.after)
            return {"beta/same_batch": beta, **_distances("same_batch", moment.gradient, after)}
        case "cross_batch":
            earlier, moved = moment.previous
            found = _distances("cross_batch", earlier, moment.gradient)
            found = {name: jnp.where(jnp.isnan(moved), jnp.nan, value) for name, value in found.items()}
            distance = found["gradient_distance/cross_batch/all"]
            return {"beta/cross_batch": jnp.where(moved > 0, distance / moved, jnp.nan), **found}
        case _:
            floor = landscape.noise_floor_from_gradients(moment.gradient, reordered(moment.before))
            return {"noise_floor/distance": floor.distance, "noise_floor/relative": floor.relative}


def _distances(batch: str, before: Any, after: Any) -> dict[str, jax.Array]:
    parts = {"all": lambda tree: tree, "last_linear": lambda tree: tree["output"]["kernel"]}
    found = {}
    for part, select in parts.items():
        distance, cosine = landscape.distance_from_gradients(select(before), select(after))
        found |= {f"gradient_distance/{batch}/{part}": distance, f"gradient_cosine/{batch}/{part}": cosine}
    return found


def in_float32(run: Run) -> Run:
    """The run as the probes compute it."""
    return dataclasses.replace(run, precision="float32")
