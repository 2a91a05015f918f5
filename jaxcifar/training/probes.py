"""Measures of the loss landscape taken inside the training program, one value per step (NaN where none was due).

BatchNorm is in training mode and its new statistics are thrown away; both gradients of a pair draw one dropout key.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar import landscape
from jaxcifar.config import Model, Probe, Run
from jaxcifar.models import at, layer_rows, roles

Loss = Callable[[Any], jax.Array]
"""From parameters to the loss on the batch of the step, in float32 at highest precision."""

POINTS = 8
"""Along a direction, from half to four times the step."""
DIRECTIONS = ("loss_low", "loss_high", "distance_low", "distance_high", "beta")
"""Of the points along a direction: least and greatest loss and distance of the gradient to the one at the start, and
the effective β, the greatest distance over the way."""


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
    """At `before`, on the step's batch; None where training's own is not exact enough and none was computed."""
    learning_rate: jax.Array
    """Of this step."""
    previous: Any


def names(run: Run) -> list[str]:
    """What the run's probes write to steps.npz."""
    found = [name for probe in run.probes for name in _names(run.model, probe)]
    return list(dict.fromkeys(found))


def _names(model: Model, probe: Probe) -> list[str]:
    match probe.measure:
        case "beta":
            return [f"beta/{probe.batch}"]
        case "gradient_distance":
            measures = ("gradient_distance", "gradient_cosine")
            return [f"{measure}/{probe.batch}/{part}" for measure in measures for part in ("last_linear", "all")]
        case "noise_floor":
            return ["noise_floor/distance", "noise_floor/relative", "noise_floor/beta"]
        case "gradient_direction" | "update_direction":
            return [f"{probe.measure}/{name}" for name in DIRECTIONS]
        case "covariate_shift":
            return [f"covariate_shift/{what}/{name}" for what in ("distance", "cosine") for name in layers(model)]


@functools.cache
def layers(model: Model) -> dict[str, list[str]]:
    """The layers from input to output: a convolution's or linear layer's path, to the paths of it and its BatchNorm."""
    found: dict[str, list[str]] = {}
    for row in layer_rows(model):
        if row.role == "norm":
            list(found.values())[-1].append(row.name)
        else:
            found[row.name] = [row.name]
    return found


def gradients(run: Run) -> float:
    """Gradients a step that the run's probes take beyond training's own, on average."""
    taken = {(_kind(probe), probe.every) for probe in run.probes}
    # Where training's own gradient is not exact enough, the cross-batch probes take one at every step, for all.
    exact, at_every_step = reuses_training_gradient(run), crosses_batches(run)
    own = 0 if exact or at_every_step else 1
    found = sum(_gradients_of(kind, run.model, own) / every for kind, every in taken)
    return found + (at_every_step and not exact)


def _gradients_of(kind: str, model: Model, own: int) -> int:
    match kind:
        case "cross_batch":
            return 0
        case "gradient_direction" | "update_direction":
            return 1 + POINTS
        case "covariate_shift":
            return len(layers(model))
        case _:
            return 1 + own


def _kind(probe: Probe) -> str:
    """Probes of one kind share their gradients."""
    return probe.batch if probe.measure in ("beta", "gradient_distance") else probe.measure


def reuses_training_gradient(run: Run) -> bool:
    """Whether training's own gradient is as exact as a probe wants it: float32 products, as on a CPU."""
    return run.precision == "float32" and jax.default_backend() == "cpu"


def crosses_batches(run: Run) -> bool:
    """Whether a probe compares this step's gradient with the step's before."""
    return any(probe.batch == "cross_batch" for probe in run.probes)


def initial(run: Run, params: Any) -> Previous | tuple[()]:
    """What is carried before the first step; nothing without cross-batch probes."""
    if not crosses_batches(run):
        return ()
    return Previous(jax.tree.map(jnp.zeros_like, params), jnp.full((), jnp.nan, jnp.float32))


def following(moment: Moment) -> Any:
    """What is carried to the next step."""
    if not moment.previous:
        return moment.previous
    return Previous(moment.gradient, landscape.tree_distance(moment.after, moment.before).astype(jnp.float32))


def measure(run: Run, step: jax.Array, moment: Moment, loss: Loss, reordered: Loss) -> dict[str, jax.Array]:
    """The values of every probe at a step.

    Args:
        run: whose probes (static).
        step: the number of the step, the same for all members, so that a probe that is not due costs nothing.
        moment: parameters and gradient around the step.
        loss: that of the step's batch with its dropout key.
        reordered: the same with the images of the batch in another order.
    """
    values: dict[str, jax.Array] = {}
    groups: dict[tuple[str, int], list[Probe]] = {}
    for probe in run.probes:
        groups.setdefault((_kind(probe), probe.every), []).append(probe)
    for (kind, every), probes in groups.items():
        wanted = [name for probe in probes for name in _names(run.model, probe)]

        def due(kind: str = kind, wanted: list[str] = wanted) -> dict[str, jax.Array]:
            found = _values(run, kind, moment, loss, reordered)
            return {name: found[name].astype(jnp.float32) for name in wanted}

        def idle(wanted: list[str] = wanted) -> dict[str, jax.Array]:
            return {name: jnp.full((), jnp.nan, jnp.float32) for name in wanted}

        values |= due() if every == 1 else lax.cond(step % every == 0, due, idle)
    return values


def _values(run: Run, kind: str, moment: Moment, loss: Loss, reordered: Loss) -> dict[str, jax.Array]:
    match kind:
        case "same_batch":
            before, after = _exact(moment, loss), jax.grad(loss)(moment.after)
            beta = landscape.beta_from_gradients(before, after, moment.before, moment.after)
            return {"beta/same_batch": beta, **_distances(run.model, "same_batch", before, after)}
        case "cross_batch":
            return _cross_batch(run.model, moment)
        case "noise_floor":
            gradient, again = _exact(moment, loss), jax.grad(reordered)(moment.before)
            floor = landscape.noise_floor_from_gradients(gradient, again)
            beta = landscape.beta_from_gradients(gradient, again, moment.before, moment.after)
            return {
                "noise_floor/distance": floor.distance,
                "noise_floor/relative": floor.relative,
                "noise_floor/beta": beta,
            }
        case "gradient_direction":
            step_sizes = landscape.probe_step_sizes(moment.learning_rate, POINTS)
            return _direction(kind, landscape.gradient_direction_probe(loss, moment.before, step_sizes))
        case "update_direction":
            update = jax.tree.map(jnp.subtract, moment.after, moment.before)
            multiples = landscape.probe_step_sizes(1.0, POINTS)
            return _direction(kind, landscape.direction_probe(loss, moment.before, update, multiples))
        case _:
            groups = layers(run.model)
            shift = landscape.covariate_shift(loss, moment.before, moment.after, list(groups.values()))
            rows = shift._asdict().items()
            return {f"covariate_shift/{what}/{name}": v[i] for what, v in rows for i, name in enumerate(groups)}


def _exact(moment: Moment, loss: Loss) -> Any:
    """The gradient at the step's start."""
    return jax.grad(loss)(moment.before) if moment.gradient is None else moment.gradient


def _cross_batch(model: Model, moment: Moment) -> dict[str, jax.Array]:
    earlier, moved = moment.previous
    found = _distances(model, "cross_batch", earlier, moment.gradient)
    found = {name: jnp.where(jnp.isnan(moved), jnp.nan, value) for name, value in found.items()}
    distance = found["gradient_distance/cross_batch/all"]
    return {"beta/cross_batch": jnp.where(moved > 0, distance / moved, jnp.nan), **found}


def _direction(kind: str, probe: landscape.DirectionProbe) -> dict[str, jax.Array]:
    losses, distances = probe.losses, probe.gradient_distance
    values = (losses.min(), losses.max(), distances.min(), distances.max(), probe.effective_beta)
    return {f"{kind}/{name}": value for name, value in zip(DIRECTIONS, values, strict=True)}


def _distances(model: Model, batch: str, before: Any, after: Any) -> dict[str, jax.Array]:
    parts = {"all": lambda tree: tree, "last_linear": lambda tree: at(tree, roles(model).output)["kernel"]}
    found = {}
    for part, select in parts.items():
        distance, cosine = landscape.distance_from_gradients(select(before), select(after))
        found |= {f"gradient_distance/{batch}/{part}": distance, f"gradient_cosine/{batch}/{part}": cosine}
    return found


def in_float32(run: Run) -> Run:
    """The run as the probes compute it."""
    return dataclasses.replace(run, precision="float32")
