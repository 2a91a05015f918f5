"""Inside a trained network: the norm of each layer's gradient, the first filters, the feature maps of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxcifar.config import Model, Run
from jaxcifar.config.stored import read_records
from jaxcifar.data import Dataset, normalize
from jaxcifar.models import kernel, layer_rows, roles
from jaxcifar.models.summary import LayerRow
from jaxcifar.records import Records
from jaxcifar.training import state as states
from jaxcifar.training.checkpoint import Checkpoints
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.resume import check_data
from jaxcifar.training.state import State
from jaxcifar.training.step import loss_function

GRADIENT_BATCH = 128
MAPS = 8


def snapshot_steps(run: Run, folder: Path, steps: Sequence[int]) -> list[int]:
    """Return those of a run's saved steps that its config asks for: its snapshots, and the last.

    Which other checkpoints are there depends on the clock, so they are taken only where there are no others: those at
    the ends of epochs where they are several, else all.
    """
    found = read_records(folder)
    per_epoch = steps_per_epoch(run, found)
    if not per_epoch:
        return list(steps)
    asked = {epoch * per_epoch for epoch in run.checkpoint.snapshots}
    chosen = [step for step in steps if step in asked]
    if chosen:
        last = found.summary.get("steps", steps[-1])
        return [*chosen, *(step for step in steps if step == last and step not in asked)]
    ends = [step for step in steps if step % per_epoch == 0]
    return ends if len(ends) > 2 else list(steps)


def steps_per_epoch(run: Run, found: Records[Run]) -> int:
    """Return the number of steps of an epoch by what a run's record says; 0 where it says nothing."""
    for row in reversed(found.metrics):
        match row.get("step"), row.get("epoch"):
            case (int(step), int(epoch)) if step > 0 and epoch > 0:
                return step // epoch
    return found.summary.get("steps", 0) // run.epochs if found.status == "finished" else 0


def restore(run: Run, folder: Path, step: int) -> State:
    """Return the state of a checkpoint in a run folder."""
    shapes = jax.eval_shape(lambda: states.create(run, hyperparams(run)))
    template = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), shapes)
    with closing(Checkpoints(folder, run.checkpoint.keep)) as checkpoints:
        return checkpoints.restore(step, template)


def trained_on(run: Run, folder: Path, load: Callable[..., Dataset]) -> Dataset:
    """Return the data of a run, whose record in a folder must name the same.

    Raises:
        UserError: other data are found than the run was trained on.
    """
    dataset = load(run.data)
    check_data(folder, dataset)
    return dataset


def gradient_norms(run: Run, dataset: Dataset) -> Callable[[State], dict[str, float]]:
    """Return a function from a state to the norm of the loss gradient in each kernel, in the order of the layers.

    One batch of the first training images, not augmented; BatchNorm and dropout as in training; cost: one gradient.
    """
    size = min(GRADIENT_BATCH, len(dataset.train_labels))
    batch = normalize(jnp.asarray(dataset.train_images[:size]), run.data), jnp.asarray(dataset.train_labels[:size])
    loss = loss_function(run, hyperparams(run))

    @jax.jit
    def norms(params: Any, batch_stats: Any, step: jax.Array) -> Any:
        gradient = jax.grad(lambda p: loss(p, batch_stats, batch, step)[0])(params)
        return jax.tree.map(jnp.linalg.norm, gradient)

    def measured(state: State) -> dict[str, float]:
        tree = jax.device_get(norms(state.params, state.batch_stats, jnp.int32(state.step)))
        return {name: float(kernel(tree, name)) for name in roles(run.model).kernels}

    return measured


def features(run: Run, state: State, dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the first filters, an image of the test set, and the first feature maps of each stage for it.

    Returns:
        `filters` [kh, kw, 3, F], `image` uint8 [32, 32, 3], `label`, and `map/<layer>` [H, W, up to 8] for the first
        convolution and the first convolution of the last block of every stage.
    """
    wanted = _shown_layers(run.model)
    maps: dict[str, jax.Array] = {}

    def record(next_call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        output = next_call(*args, **kwargs)
        name = "/".join(context.module.path)
        if context.method_name == "__call__" and name in wanted:
            maps[name] = output[0, :, :, :MAPS]
        return output

    def apply(variables: Any, image: jax.Array) -> dict[str, jax.Array]:
        with nn.intercept_methods(record):
            states.module(run).apply(variables, image, False)
        # The maps are tracers here; only the result of a compiled function becomes arrays.
        return dict(maps)

    image = dataset.test_images[:1]
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    found = jax.device_get(jax.jit(apply)(variables, normalize(jnp.asarray(image), run.data)))
    first = roles(run.model).kernels[0]
    return {
        "filters": np.asarray(kernel(state.params, first)),
        "image": image[0],
        "label": np.array(dataset.class_names[int(dataset.test_labels[0])]),
        **{f"map/{name}": found[name] for name in wanted},
    }


def _shown_layers(model: Model) -> list[str]:
    """The first convolution and the first one in every stage's last block; five at most where there are no blocks."""
    rows = [row for row in layer_rows(model) if row.role == "convolution"]
    blocks: dict[str, list[LayerRow]] = {}
    for row in rows:
        block, _, _ = row.name.rpartition("/")
        blocks.setdefault(block, []).append(row)
    # The blocks of a stage end with maps of one shape; convolutions outside blocks have no block's name.
    stages = {block[-1].output_shape: block[0].name for name, block in blocks.items() if name}
    return [rows[0].name, *stages.values()] if stages else [row.name for row in rows[:5]]
