"""Each measure of the curvature, from a run's states to arrays.

The loss is that of the first training images, at most 512, not augmented, as one batch; BatchNorm is in training mode
and its new statistics are thrown away; dropout draws one key. Each measure compiles once for all states.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar import landscape
from jaxcifar.config import SGD, Adam, Run
from jaxcifar.data import Dataset, normalize
from jaxcifar.landscape.checks import Loss
from jaxcifar.training.optimizers import numbers, schedule_factor
from jaxcifar.training.state import State
from jaxcifar.training.step import loss_function

IMAGES = 512
ITERATIONS = 20
TOP = 3
SAMPLES = 4
Arrays = dict[str, Any]
Advance = Callable[[int, int], None]
"""Told how many parts of how many are done."""


class Curvature:
    """The measures of one run on one batch."""

    def __init__(self, run: Run, dataset: Dataset):
        size = min(IMAGES, len(dataset.train_labels))
        images, labels = dataset.train_images[:size], dataset.train_labels[:size]
        # Never below float32, whatever the run trained in.
        self.run = dataclasses.replace(run, precision="float32")
        self.batch = (normalize(jnp.asarray(images), run.data), jnp.asarray(labels))
        self.steps_per_epoch = len(dataset.train_labels) // run.batch_size
        # Fewer points where the run itself is a small version.
        self.points = 25 if len(dataset.train_labels) > 4 * IMAGES else 9

    def take(self, measure: str, states: Sequence[State], advance: Advance) -> Arrays:
        """The arrays of one of `files.MEASURES`, with `steps` [S] and the number of `images` beside them."""
        match measure:
            case "plane":
                found = self._plane(states[-1], advance)
            case "trajectory":
                found = self._trajectory(states, advance)
            case _:
                at = {"trace": self._trace, "density": self._density, "sharpness": self._sharpness}
                found = self._each(at.get(measure, self._eigenvalues), states, advance)
        steps = np.array([int(state.step) for state in states])
        return {**jax.device_get(found), "steps": steps, "images": np.array(len(self.batch[1]))}

    def _loss(self, batch: Any) -> Callable[[Any], jax.Array]:
        # Where there is BatchNorm its batch statistics count, so the running ones may be those of any state.
        loss = loss_function(self.run, numbers(self.run))
        return lambda params: loss(params, self._statistics, batch, jnp.int32(0))[0]

    def _each(self, function: Callable[..., Arrays], states: Sequence[State], advance: Advance) -> Arrays:
        self._statistics = jax.tree.map(jnp.asarray, states[0].batch_stats)
        compiled = jax.jit(lambda state, batch: function(self._loss(batch), state, jax.random.key(0)))
        found = []
        for index, state in enumerate(states, 1):
            found.append(jax.block_until_ready(compiled(jax.tree.map(jnp.asarray, state), self.batch)))
            advance(index, len(states))
        return jax.tree.map(lambda *leaves: np.stack(leaves), *found)

    def _eigenvalues(self, loss: Loss, state: State, key: jax.Array) -> Arrays:
        hessian = landscape.extreme_eigenvalues(loss, state.params, key, iterations=ITERATIONS, top=TOP)
        # That of the step which led here; the first step's at the start.
        last = jnp.maximum(state.step - 1, 0)
        optimizer = self.run.optimizer
        factor = schedule_factor(optimizer.schedule, last, self.steps_per_epoch, self.run.epochs)
        rate = optimizer.learning_rate * factor
        found = {
            "top": hessian.top.values,
            "top_residuals": hessian.top.residuals,
            "bottom": hessian.bottom.values,
            "bottom_residuals": hessian.bottom.residuals,
        }
        match optimizer:
            case Adam(beta1=beta1, beta2=beta2, epsilon=epsilon):
                moments = next(part for part in jax.tree.leaves(state.opt_state, is_leaf=_is_adam) if _is_adam(part))
                diagonal = landscape.adam_preconditioner(
                    moments.nu, jnp.maximum(moments.count, 1), beta1=beta1, beta2=beta2, epsilon=epsilon
                )
                sharp = landscape.preconditioned_sharpness(loss, state.params, diagonal, key, iterations=ITERATIONS)
                # Before the first step there is no second moment.
                begun = moments.count > 0
                found["stability"] = jnp.where(begun, sharp.top.values[0], jnp.nan)
                found["stability_residual"] = jnp.where(begun, sharp.top.residuals[0], jnp.nan)
                found["threshold"] = jnp.asarray(landscape.adam_threshold(rate, beta1))
            case SGD(momentum=momentum, nesterov=nesterov):
                threshold = landscape.nesterov_threshold if nesterov else landscape.momentum_threshold
                found["stability"], found["stability_residual"] = hessian.top.values[0], hessian.top.residuals[0]
                found["threshold"] = jnp.asarray(threshold(rate, momentum))
        return found

    def _trace(self, loss: Loss, state: State, key: jax.Array) -> Arrays:
        return landscape.hessian_trace(loss, state.params, key)._asdict()

    def _density(self, loss: Loss, state: State, key: jax.Array) -> Arrays:
        return landscape.spectral_density(
            loss, state.params, key, iterations=ITERATIONS, samples=SAMPLES, points=4001
        )._asdict()

    def _sharpness(self, loss: Loss, state: State, key: jax.Array) -> Arrays:
        return landscape.block_sharpness(loss, state.params, list(state.params), key, iterations=10)._asdict()

    def _plane(self, state: State, advance: Advance) -> Arrays:
        self._statistics = state.batch_stats
        axis = np.linspace(-1, 1, self.points)
        directions = landscape.random_directions(state.params, jax.random.key(0))
        return landscape.plane(self._loss(self.batch), state.params, directions, axis, axis, progress=advance)._asdict()

    def _trajectory(self, states: Sequence[State], advance: Advance) -> Arrays:
        self._statistics, loss = states[-1].batch_stats, self._loss(self.batch)
        path = landscape.trajectory(loss, [state.params for state in states])
        low, high = np.asarray(path.coordinates).min(0), np.asarray(path.coordinates).max(0)
        room = 0.2 * max(float((high - low).max()), 1e-6)
        x, y = (np.linspace(low[k] - room, high[k] + room, self.points) for k in range(2))
        around = landscape.plane(loss, path.origin, path.directions, x, y, progress=advance)
        kept = {name: getattr(path, name) for name in ("coordinates", "explained", "off_plane")}
        return {**kept, "true_losses": path.losses, **around._asdict()}


def _is_adam(part: Any) -> bool:
    return hasattr(part, "nu") and hasattr(part, "count")
