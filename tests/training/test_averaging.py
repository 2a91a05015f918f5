"""Averages of the weights against recursions in NumPy, in a run that is cut off, and in its figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcifar
from jaxcifar import data, records
from jaxcifar.config import EMA, Average, Lookahead, NoAverage, Run, UserError
from jaxcifar.config.stored import read_records
from jaxcifar.models import build
from jaxcifar.training import Member, averaging, checkpoint, interrupt, metrics, state, train_members
from jaxcifar.training.averaging import Weights
from jaxcifar.training.checkpoint import Checkpoints
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.progress import PlainProgress

RNG = np.random.default_rng(0)
STEPS = 11
WALK = RNG.normal(size=(STEPS, 4)).cumsum(0)


def follow(average: Average, move: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and average after each step, where a step adds `move(t)` to the weights."""
    run = Run(average=average)
    weights = Weights({"w": jnp.ones(4)}, {"mean": jnp.zeros(4)})
    carried = averaging.initial(run, weights)
    step = jax.jit(lambda w, a, t: averaging.update(run, w, a, t, STEPS))
    seen, averages = [], []
    for t in range(STEPS):
        weights = Weights({"w": weights.params["w"] + move(t)}, {"mean": weights.batch_stats["mean"] - move(t)})
        weights, carried = step(weights, carried, jnp.int32(t))
        seen.append(np.asarray(weights.params["w"]))
        averages.append(np.asarray(carried.params["w"]))
        np.testing.assert_allclose(carried.batch_stats["mean"], 1 - averages[-1], rtol=1e-4, atol=1e-5)
    return seen, averages


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_ema_is_the_weighted_mean_of_the_weights_seen(decay: float, every: int):
    seen, averages = follow(EMA(decay, every), lambda t: WALK[t])
    np.testing.assert_allclose(seen, 1 + WALK.cumsum(0), rtol=1e-5, atol=1e-5)  # the weights are left alone
    for t in range(every - 1, STEPS):
        taken = np.stack(seen[every - 1 : t + 1 : every]).astype(np.float64)
        shares = decay ** np.arange(len(taken))[::-1]
        np.testing.assert_allclose(averages[t], shares @ taken / shares.sum(), rtol=2e-4, atol=2e-5)


def test_a_decay_that_rounds_to_1_is_a_plain_mean():
    seen, averages = follow(EMA(1 - 1e-9), lambda t: WALK[t])
    np.testing.assert_allclose(averages[-1], np.mean(seen, 0), rtol=1e-4, atol=1e-4)


def test_lookahead_pulls_the_weights_back():
    decay, every = 0.8, 4
    seen, averages = follow(Lookahead(decay, every), lambda t: WALK[t])
    w = a = np.ones(4)
    for t in range(STEPS):
        w = w + WALK[t]
        if (t + 1) % every == 0:
            d = decay * ((t + 1) / STEPS) ** 3
            w = a = d * a + (1 - d) * w
        if t + 1 == STEPS:
            w = a
        np.testing.assert_allclose(seen[t], w, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(averages[t], a, rtol=1e-5, atol=1e-5)


class StopAt(PlainProgress):
    """A display that asks to stop once a step is reached."""

    def __init__(self, stop: interrupt.Stop, at: int):
        super().__init__()
        self.stop, self.at = stop, at

    def update(self, status: Any) -> None:
        if status.step >= self.at:
            self.stop.signal_number = 2


@pytest.fixture(scope="module")
def averaged(small_run: Run) -> Run:
    return dataclasses.replace(small_run, average=EMA(0.9), test_views="mirror")


@pytest.fixture(scope="module")
def whole(averaged: Run, tmp_path_factory: pytest.TempPathFactory) -> records.Records:
    return jaxcifar.train(averaged, tmp_path_factory.mktemp("averaged"))


def test_the_average_is_loaded_as_it_was_evaluated(averaged: Run, whole: records.Records):
    last, plain, average = whole.metrics[-1], whole.load(), whole.load(average=True)
    assert plain.evaluate()["accuracy"] == pytest.approx(last["test_accuracy"])
    assert average.evaluate()["accuracy"] == pytest.approx(last["test_accuracy_ema"])
    assert not np.array_equal(plain.params["output"]["kernel"], average.params["output"]["kernel"])


def test_a_run_without_an_average_has_none_to_load(small_run: Run, tmp_path: Path):
    jaxcifar.train(dataclasses.replace(small_run, epochs=1), tmp_path)
    with pytest.raises(UserError, match="has no moving average of its weights"):
        jaxcifar.load(tmp_path, average=True)


def saved(folder: Path, run: Run, step: int) -> Any:
    shapes = jax.eval_shape(lambda: state.create(run, hyperparams(run)))
    checkpoints = Checkpoints(folder)
    found = checkpoints.restore(step, shapes)
    checkpoints.close()
    return found


def test_an_average_resumes_bit_for_bit(averaged: Run, whole: records.Records, tmp_path: Path):
    stop = interrupt.Stop()
    with pytest.raises(interrupt.Interrupted):
        train_members([Member(averaged, tmp_path)], data.load(averaged.data), "off", StopAt(stop, 5), stop)
    assert read_records(tmp_path).status == "interrupted"
    found = jaxcifar.train(averaged, tmp_path)
    ours, theirs = saved(tmp_path, averaged, 16), saved(whole.folder, averaged, 16)
    jax.tree.map(np.testing.assert_array_equal, ours.average, theirs.average)
    assert found.summary["last"] == whole.summary["last"]


def test_without_an_average_a_checkpoint_is_what_it_was_before_there_were_any(small_run: Run, averaged: Run):
    plain, with_average = (
        jax.eval_shape(lambda run=run: state.create(run, hyperparams(run))) for run in (small_run, averaged)
    )
    assert {*checkpoint._to_tree(with_average)} - {*checkpoint._to_tree(plain)} == {"average"}


def test_an_average_changes_nothing_else(averaged: Run, whole: records.Records, tmp_path: Path):
    plain = jaxcifar.train(dataclasses.replace(averaged, average=NoAverage(), test_views="none"), tmp_path)
    np.testing.assert_array_equal(plain.steps["loss"], whole.steps["loss"])
    assert [row["test_accuracy"] for row in plain.metrics] == [row["test_accuracy"] for row in whole.metrics]
    figures = {"test_accuracy_tta", "test_accuracy_ema", "test_accuracy_ema_tta"}
    assert not figures & {*plain.metrics[-1]}
    assert not figures & {*whole.metrics[0]}
    assert figures < {*whole.metrics[-1]}


def explicit_views(images: np.ndarray, kind: str) -> list[tuple[float, np.ndarray]]:
    """Each view cut out of the padded image by NumPy."""
    both = [images, images[:, :, ::-1]]
    if kind == "mirror":
        return [(1 / 2, view) for view in both]
    padded = [np.pad(view, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect") for view in both]
    shifted = [view[:, k : 32 + k, k : 32 + k] for view in padded for k in (0, 2)]
    return [(1 / 4, view) for view in both] + [(1 / 8, view) for view in shifted]


@pytest.mark.parametrize("kind", ["mirror", "six"])
def test_the_figures_are_means_over_explicit_views(averaged: Run, whole: records.Records, kind: Any):
    run = dataclasses.replace(averaged, test_views=kind)
    final = saved(whole.folder, averaged, 16)
    images = data.load(run.data)
    split = jnp.asarray(images.test_images), jnp.asarray(images.test_labels)
    sums = metrics.evaluate(run, lambda batch: batch, hyperparams(run), final, split, last=True)

    def correct(params: Any, views: list[tuple[float, np.ndarray]]) -> int:
        apply = jax.jit(lambda view: build(run.model).apply({"params": params}, data.normalize(view, run.data), False))
        logits = sum(weight * np.asarray(apply(view), np.float64) for weight, view in views)
        return int((np.argmax(logits, -1) == images.test_labels).sum())

    views, one = explicit_views(images.test_images, kind), [(1.0, images.test_images)]
    assert int(sums.correct) == correct(final.params, one)
    assert int(sums.others["tta"]) == correct(final.params, views)
    assert int(sums.others["ema"]) == correct(final.average.params, one)
    assert int(sums.others["ema_tta"]) == correct(final.average.params, views)
    np.testing.assert_allclose(sum(weight for weight, _ in views), 1.0)
