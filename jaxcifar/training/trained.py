"""A trained network comes back: loaded from its run folder to predict, to evaluate, or to start another run."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar import data, records
from jaxcifar.config import Data, Model, Module, OwnLoss, Run, UserError, differences, to_json
from jaxcifar.config.stored import read_records, read_run
from jaxcifar.data import Dataset
from jaxcifar.data.own import check_labels
from jaxcifar.training import metrics, runtime
from jaxcifar.training import state as states
from jaxcifar.training.checkpoint import Checkpoints, sound_steps
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.resume import check_data

BATCH = 500
"""Images that are predicted at once."""


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


@dataclass(frozen=True)
class Trained:
    """A network with the weights of a checkpoint."""

    config: Run
    folder: Path
    step: int
    """Number of finished training steps."""
    params: Any
    batch_stats: Any
    """BatchNorm's running statistics; of a network of the user's own every collection but `params`."""
    class_names: tuple[str, ...]
    """Empty for records of versions that did not keep them."""

    @cached_property
    def module(self) -> Any:
        """The network: `module.apply({"params": …, "batch_stats": …}, images, train)`."""
        return states.module(self.config)

    def predict(self, images: Any) -> np.ndarray:
        """Return the probabilities [N, classes] of images, by BatchNorm's running statistics and without dropout.

        Args:
            images: uint8 [N, H, W, C], as the network was trained on, not normalised; [N, H, W] where C is 1.

        Raises:
            UserError: the images have another type or shape.
        """
        found = self._checked(images, "predict")
        parts = [self._probabilities(found[first : first + BATCH]) for first in range(0, len(found), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, self.config.model.classes), np.float32)

    def _checked(self, images: Any, method: str) -> np.ndarray:
        found = np.asarray(images)
        height, width, channels = self.config.model.image
        found = found[..., None] if found.ndim == 3 and channels == 1 else found
        if found.dtype != np.uint8 or found.shape[1:] != (height, width, channels):
            raise UserError(
                f"{method}(…) got images {found.dtype} {found.shape}; this network takes uint8 [N, {height}, {width}, "
                f"{channels}], 0 to 255."
            )
        return found

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        # Padded to powers of two, so that few shapes are compiled.
        size = min(1 << (len(images) - 1).bit_length(), BATCH)
        padded = np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), np.uint8)])
        return np.asarray(self._compiled(self.params, self.batch_stats, padded))[: len(images)]

    @cached_property
    def _compiled(self) -> Any:
        def probabilities(params: Any, batch_stats: Any, images: jax.Array) -> jax.Array:
            variables = {"params": params, "batch_stats": batch_stats}
            logits = jnp.asarray(self.module.apply(variables, data.normalize(images, self.config.data), False))
            return jax.nn.softmax(logits)

        return jax.jit(probabilities)

    def evaluate(self, on: Data | Dataset | tuple[Any, Any] | None = None) -> dict[str, float]:
        """Return the mean `loss` (of the run) and the `accuracy` on test images, and their number, `images`.

        Args:
            on: the run's own test images by default; other data, or a pair of images uint8 [N, H, W, C] and labels [N].

        Raises:
            UserError: the data cannot be found, are not those of the run, or have another shape or more classes.
        """
        images, labels = self._split(on)
        images, classes = self._checked(images, "evaluate"), self.config.model.classes
        if not len(images):
            raise UserError("evaluate(…) got no images; give one or more.")
        outside = np.flatnonzero((labels < 0) | (labels >= classes))
        if outside.size:
            raise UserError(
                f"evaluate(…) got the label {labels[outside[0]]} at index {outside[0]:,}; this network has {classes} "
                "classes."
            )
        run, zero = self.config, jnp.zeros((), jnp.int32)
        if isinstance(run.loss, OwnLoss) and run.loss.function is None:
            probability = self.predict(images)
            return {"accuracy": float((probability.argmax(-1) == labels).mean()), "images": len(labels)}
        state = states.State(zero, self.params, self.batch_stats, ())
        evaluate = jax.jit(
            lambda state, split: metrics.evaluate(run, lambda rows: rows, hyperparams(run), state, split)
        )
        sums = evaluate(state, (jnp.asarray(images), jnp.asarray(labels)))
        count = int(sums.count)
        return {"loss": float(sums.loss) / count, "accuracy": int(sums.correct) / count, "images": count}

    def _split(self, on: Data | Dataset | tuple[Any, Any] | None) -> tuple[np.ndarray, np.ndarray]:
        match on:
            case None:
                found = data.load(data.located(self.config.data, None))
                check_data(self.folder, found)
                return found.test_images, found.test_labels
            case Data():
                found = data.load(on)
                return found.test_images, found.test_labels
            case Dataset():
                return on.test_images, on.test_labels
            case images, labels:
                images = np.asarray(images)
                return images, check_labels(labels, "evaluate(…)", len(images)).astype(np.int32)
            case _:
                raise UserError(f"evaluate(…) got {on!r}; it takes a Data, a data set, or images and labels.")


def load(folder: str | Path, step: int | None = None, model: Model | None = None, *, average: bool = False) -> Trained:
    """Return the network of a run folder.

    Args:
        folder: the run's.
        step: number of finished steps of the checkpoint; the newest by default.
        model: a network of your own, whose code a record does not hold: `Module(MyNet(…))` as it was trained.
        average: whether to take the moving average of the weights, whose accuracy a run with `EMA` tells apart.

    Raises:
        UserError: the folder holds no run or no whole checkpoint, the step is none of those, the model is another, or
            the run has no moving average.

    Examples:
        >>> network = load("runs/vgg_bn")  # doctest: +SKIP
        >>> network.predict(images).argmax(-1)  # doctest: +SKIP
    """
    runtime.configure()
    place = records.local_path("folder", folder)
    run = read_run(place)
    if isinstance(run.model, Module):
        run = dataclasses.replace(run, model=_given(run.model, model))
    if average and run.average.figure is None:
        raise UserError(f"load(…) got average=True, and {place} has no moving average of its weights; leave it out.")
    step, params, batch_stats = weights(place, step, average=average)
    classes = read_records(place).environment.get("data", {}).get("classes", ())
    return Trained(run, place, step, params, batch_stats, tuple(classes))


def _given(stored: Module, model: Model | None) -> Module:
    """The user's own network, which must be the one of the record."""
    if not isinstance(model, Module):
        stored.check_given()
        return stored
    fitted = model.for_data(stored.image, stored.classes)
    changed = differences(to_json(stored), to_json(fitted))
    if changed:
        raise UserError(f"load(…) got another network than the record's ({'; '.join(changed)}); give that one.")
    return fitted


def weights(
    folder: Path, step: int | None = None, *, average: bool = False, notify: Callable[[str], None] = _to_stderr
) -> tuple[int, Any, Any]:
    """Return the step, parameters and statistics of a checkpoint, which needs no code of its network.

    Args:
        folder: the run's.
        step: of the checkpoint; the newest by default.
        average: whether to return the moving average of the weights instead.
        notify: told of checkpoints that are damaged.

    Raises:
        UserError: as for `load`.
    """
    steps = sorted(sound_steps(folder, notify))
    if not steps:
        read_run(folder)  # says what the folder is, where it is none of a run
        raise UserError(f"{folder} holds no whole checkpoint; train it again with --restart.")
    wanted = steps[-1] if step is None else step
    if wanted not in steps:
        raise UserError(f"{folder} has no checkpoint of step {step}; it has {', '.join(map(str, steps))}.")
    # As many as there are, because reading must delete none.
    with closing(Checkpoints(folder, keep=len(steps))) as saved:
        tree = saved.restore_tree(wanted)
    chosen = tree["average"] if average else tree
    return wanted, chosen["params"], chosen.get("batch_stats") or {}
