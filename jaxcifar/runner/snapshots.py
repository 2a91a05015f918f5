"""Takes a run's snapshot measures at its checkpoints; what is stored already is left."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar.config import Run, UserError, to_json
from jaxcifar.data import Dataset, normalize
from jaxcifar.landscape.memory import available_memory
from jaxcifar.measures import SNAPSHOT_MEASURES, Snapshot, SnapshotMeasure, Snapshots, display
from jaxcifar.measures.context import IMAGES, plane_points
from jaxcifar.models.inside import inside
from jaxcifar.records import snapshots as stored
from jaxcifar.runner.networks import restore, snapshot_steps, trained_on
from jaxcifar.training.checkpoint import sound_steps
from jaxcifar.training.optimizers import hyperparams, schedule_factor
from jaxcifar.training.state import State, key, module
from jaxcifar.training.step import loss_function


def measure_run(
    run: Run,
    folder: Path,
    trained: Path,
    measures: Sequence[SnapshotMeasure],
    load: Callable[..., Dataset],
    notify: Callable[[str], None],
    advance: Callable[[str, int, int], None] = lambda name, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Write snapshot measures of a finished run; return a sentence for each that cannot be taken of this one.

    Args:
        run: its config.
        folder: where the measures go.
        trained: the folder of its checkpoints.
        measures: what is taken.
        load: from a config's data to the data set.
        notify: told what is being computed, and the memory that it takes, before it starts.
        advance: told for each measure how many parts of how many are done.
        stopped: whether the user asked to end; then the measures that are left wait for the next time.

    Raises:
        UserError: there are too few checkpoints, a measure does not fit into memory, or the data found are others than
            those in training.
    """
    steps = _snapshots(run, trained, notify)
    measures = _measurable(run, measures, trained, len(steps), notify)
    left = [measure for measure in measures if not _is_stored(folder, measure, steps)]
    if not left:
        return []
    states = [restore(run, trained, step) for step in steps]
    needed = max(measure.memory(states[0].params) for measure in left)
    keeps = f"; Lanczos keeps {needed / 1e6:,.0f} MB" if needed else ""
    notify(f"{folder}: {', '.join(measure.name for measure in left)} at {len(steps)} checkpoints{keeps}.")
    _check_memory(needed, states[0])
    taken = _context(run, trained_on(run, trained, load), states)
    shared = {"steps": np.array(steps), "images": np.array(len(taken.batch[1]))}
    failed = []
    for measure in left:
        if stopped():
            break
        told = dataclasses.replace(taken, advance=lambda done, total, name=measure.name: advance(name, done, total))
        try:
            arrays = {**_computed(measure, told), **shared}
        except ValueError as error:
            # What the mathematics refuses, such as the principal plane of a path that did not move.
            failed.append(f"{folder} has no {measure.name}: {error}")
            continue
        displays = [display.to_json(shown) for shown in measure.told("displays")]
        stored.write(folder, measure.name, arrays, {"measure": to_json(measure), "displays": displays})
    return failed


def _computed(measure: SnapshotMeasure, snapshots: Snapshots) -> dict[str, Any]:
    """The arrays of a measure; a user's own that lacks what its figures show is told."""
    arrays = jax.device_get(measure.told("compute", snapshots))
    for shown in measure.told("displays"):
        wanted = display.WANTED.get(shown.kind, ())
        if not set(wanted) <= set(arrays) or not set(wanted or shown.arrays) & set(arrays):
            raise UserError(
                f"The measure {type(measure).__name__} computes {', '.join(arrays) or 'nothing'}, but its figure "
                f"{shown.name!r} shows {', '.join(wanted or shown.arrays)}."
            )
    return arrays


def check_names(text: str) -> list[SnapshotMeasure]:
    """Return the measures that a comma-separated text names.

    Raises:
        UserError: one is unknown, or there is none.
    """
    known = {cls.name: cls for cls in SNAPSHOT_MEASURES}
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else "empty"
        raise UserError(f"--measure is {got}; it takes {', '.join(known)}, separated by commas.")
    return [known[name]() for name in dict.fromkeys(names)]


def _context(run: Run, dataset: Dataset, states: Sequence[State]) -> Snapshots:
    """Give the measures a run's states, and its first training images as one batch."""
    size = min(IMAGES, len(dataset.train_labels))
    images, labels = dataset.train_images[:size], dataset.train_labels[:size]
    # Never below float32, whatever the run trained in.
    exact = dataclasses.replace(run, precision="float32")
    values = hyperparams(exact)
    loss, network = loss_function(exact, values), module(exact)
    rngs = {use: key(values, use, 0) for use in ("dropout", "noise")}
    # Where there is BatchNorm its batch statistics count, so the running ones may be those of any state.
    statistics = jax.tree.map(jnp.asarray, states[0].batch_stats)
    optimizer, steps_per_epoch = run.optimizer, len(dataset.train_labels) // run.batch_size

    def learning_rate(finished: jax.Array) -> jax.Array:
        last = jnp.maximum(finished - 1, 0)
        return optimizer.learning_rate * schedule_factor(optimizer.schedule, last, steps_per_epoch, run.epochs)

    return Snapshots(
        states=[Snapshot(state.step, state.params, state.opt_state) for state in states],
        batch=(normalize(jnp.asarray(images), run.data), jnp.asarray(labels)),
        loss_on=lambda batch: lambda params: loss(params, statistics, batch, jnp.int32(0))[0],
        inside=lambda params, images: inside(network, {"params": params, "batch_stats": statistics}, images, rngs),
        optimizer=optimizer,
        learning_rate=learning_rate,
        points=plane_points(len(dataset.train_labels)),
        advance=lambda done, total: None,
    )


def _check_memory(needed: int, state: State) -> None:
    free = available_memory()
    if needed and free is not None and needed > free:
        light = [cls.name for cls in SNAPSHOT_MEASURES if not cls().memory(state.params)]
        raise UserError(
            f"Lanczos on this network keeps {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free; measure on a "
            f"machine with more memory, or give --measure {','.join(light)}."
        )


def _snapshots(run: Run, folder: Path, notify: Callable[[str], None]) -> list[int]:
    """The checkpoints that are measured; none is an error."""
    steps = sorted(sound_steps(folder, notify))
    if not steps:
        raise UserError(
            f"{folder} holds no whole checkpoint; train it again with --restart, and measure before deleting."
        )
    return snapshot_steps(run, folder, steps)


def _measurable(
    run: Run, measures: Sequence[SnapshotMeasure], folder: Path, checkpoints: int, notify: Callable[[str], None]
) -> list[SnapshotMeasure]:
    """The measures that checkpoints and network allow; what is left out is told, or refused where nothing else is."""
    found, reasons = [], []
    for measure in measures:
        if measure.snapshots > checkpoints:
            few = f"{folder} has {checkpoints} checkpoints, too few for a {measure.name}"
            reasons.append(f"{few}; checkpoint.snapshots keeps more.")
        elif not set(measure.inside) <= set(run.model.shows):
            parts = ", ".join(measure.inside)
            reasons.append(f"{folder} has no {measure.name}: {run.model.title} does not show what it takes ({parts}).")
        else:
            found.append(measure)
    if reasons and not found:
        raise UserError(reasons[0])
    for text in reasons:
        notify(text)
    return found


def _is_stored(folder: Path, measure: SnapshotMeasure, steps: Sequence[int]) -> bool:
    """Whether the measure was taken at these steps, with these settings where the record says them."""
    arrays, settings = stored.read(folder, measure.name), stored.read_about(folder, measure.name)
    same = settings.get("measure", to_json(measure)) == to_json(measure)
    return same and "steps" in arrays and list(arrays["steps"]) == list(steps)
