"""Drives a run's step measures inside the training program; what each computes is its own affair."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar import landscape
from jaxcifar.config import Model, Run, UserError
from jaxcifar.config.module import by_code
from jaxcifar.landscape.checks import gradients_at
from jaxcifar.measures import Layers, Previous, Step, StepMeasure, display
from jaxcifar.measures.context import Loss
from jaxcifar.models import layer_groups, roles

OWN = ("loss", "accuracy")
"""Per-step arrays that training itself writes."""


def names(run: Run) -> list[str]:
    """Return what the run's step measures write to steps.npz."""
    found = [name for measure in run.step_measures for name in measure.told("names", layers(run.model))]
    return list(dict.fromkeys(found))


def rivals(measures: Sequence[StepMeasure], layers: Layers) -> str:
    """Return the name of an array that two step measures compute differently; empty where there is none."""
    owners: dict[str, StepMeasure] = {}
    for measure in measures:
        # The same measure at two intervals computes the same values.
        alike = dataclasses.replace(measure, every=1)
        for name in measure.told("names", layers):
            if owners.setdefault(name, alike) != alike:
                return name
    return ""


def displays(run: Run) -> list[dict[str, Any]]:
    """Return the JSON of the figures that the run's step measures ask for."""
    found = [shown for measure in run.step_measures for shown in measure.told("displays", layers(run.model))]
    return [display.to_json(shown) for shown in found]


@by_code
def layers(model: Model) -> Layers:
    """Return the layers from input to output, each convolution or linear layer with its BatchNorm."""
    return layer_groups(model)


def gradients(run: Run) -> float:
    """Return the gradients per step that the run's step measures take beyond training's own, on average."""
    # Where training's own gradient is not exact enough, cross-batch measures take one at every step, for all.
    exact, at_every_step = reuses_training_gradient(run), crosses_batches(run)
    own = 0 if exact or at_every_step else 1
    found = 0.0
    for measures in _groups(run):
        needs = measures[0].needs
        shared = ("gradient_after" in needs) + own * ("gradient_before" in needs)
        found += (shared + sum(m.told("gradients", layers(run.model)) for m in measures)) / measures[0].every
    return found + (at_every_step and not exact)


def reuses_training_gradient(run: Run) -> bool:
    """Return whether training's own gradient is as exact as a measure wants it.

    Products of float32 have all bits on a CPU; on a GPU they are those of `measure_precision="tensorfloat32"`.
    """
    backend = jax.default_backend()
    alike = backend == "cpu" or (backend == "gpu" and run.measure_precision == "tensorfloat32")
    return run.precision == "float32" and alike


def crosses_batches(run: Run) -> bool:
    """Return whether a measure compares a step's gradient with that of the step before."""
    return any("previous" in measure.needs for measure in run.step_measures)


def initial(run: Run, params: Any) -> Previous | tuple[()]:
    """Return what is carried before the first step; nothing without cross-batch measures."""
    if not crosses_batches(run):
        return ()
    return Previous(jax.tree.map(jnp.zeros_like, params), jnp.full((), jnp.nan, jnp.float32))


def take(
    run: Run,
    number: jax.Array,
    before: Any,
    after: Any,
    gradient: Any,
    rate: jax.Array,
    previous: Any,
    losses: tuple[Loss, Loss],
    inside: Callable[[Any], Any],
) -> tuple[Any, dict[str, jax.Array]]:
    """Return what is carried to the next step, and the values of every step measure.

    Args:
        run: whose measures (static).
        number: of the step, the same for all members, so that a measure that is not due costs nothing.
        before, after: parameters around the step.
        gradient: training's own, at `before`.
        rate: learning rate of the step.
        previous: what is carried from the step before.
        losses: from parameters to the loss on the step's batch with its dropout key, in float32; and the same with the
            images of the batch in another order.
        inside: from parameters to what the network computes on the step's batch.
    """
    loss, reordered = losses
    # Accelerators multiply float32 matrices with fewer bits by default; differences of gradients may need all of them.
    with gradients_at(run.measure_precision):
        if not reuses_training_gradient(run):
            gradient = jax.grad(loss)(before) if crosses_batches(run) else None
        model = run.model
        step = Step(
            before, after, rate, loss, reordered, layers(model), roles(model).output, gradient, previous, inside=inside
        )
        values: dict[str, jax.Array] = {}
        for measures in _groups(run):
            for name, value in _when_due(measures, number, step).items():
                # One measure at two intervals: where one of them is not due, the other one's value stands.
                values[name] = jnp.where(jnp.isnan(value), values.get(name, value), value)
        # `Previous` is a tuple and so always true; where no measure needs it, the empty tuple is carried.
        if previous:
            previous = Previous(gradient, landscape.tree_distance(after, before).astype(jnp.float32))
    return previous, values


def _groups(run: Run) -> list[list[StepMeasure]]:
    """The measures that are computed together: of equal `every`, and of equal needs, where they have any."""
    groups: dict[Any, list[StepMeasure]] = {}
    for measure in run.step_measures:
        groups.setdefault((measure.every, measure.needs or measure), []).append(measure)
    return list(groups.values())


def _when_due(measures: Sequence[StepMeasure], number: jax.Array, step: Step) -> dict[str, jax.Array]:
    """The values of a group, NaN where the step is none of its own."""
    every = measures[0].every
    wanted = [name for measure in measures for name in measure.told("names", step.layers)]

    def due() -> dict[str, jax.Array]:
        # A gradient that one condition has computed is not to be had in another, so each group caches its own.
        own = dataclasses.replace(step)
        found = [_checked(measure, own) for measure in measures]
        return {name: value for values in found for name, value in values.items()}

    def idle() -> dict[str, jax.Array]:
        return {name: jnp.full((), jnp.nan, jnp.float32) for name in wanted}

    return due() if every == 1 else lax.cond(number % every == 0, due, idle)


def _checked(measure: StepMeasure, step: Step) -> dict[str, jax.Array]:
    """The values of one measure in float32; a slip in a user's own is one sentence."""
    kind, names = type(measure).__name__, measure.told("names", step.layers)
    found = measure.told("compute", step)
    if not isinstance(found, dict):
        raise UserError(f"The measure {kind} computes {found!r}; compute() returns a dictionary of arrays by name.")
    found = {name: jnp.asarray(value, jnp.float32) for name, value in found.items()}
    if set(found) != set(names) or set(OWN) & set(names):
        raise UserError(
            f"The measure {kind} computes {', '.join(sorted(found)) or 'nothing'} but announces "
            f"{', '.join(sorted(names)) or 'nothing'}; compute() returns exactly the arrays of its displays, which are "
            f"not named {' or '.join(OWN)}."
        )
    wrong = next((name for name, value in found.items() if value.shape), None)
    if wrong is not None:
        raise UserError(
            f"The measure {kind} computes {wrong} of the shape {found[wrong].shape}; it must be one number per step, "
            "a scalar."
        )
    return found
