"""Timed runs: what they record, that the recipes for speed learn, and what becomes of one that is cut off."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import jaxcifar
from jaxcifar import config, data
from jaxcifar.config import Data, Run, Study, WhitenedCNN
from jaxcifar.config.stored import read_records
from jaxcifar.training import Member, interrupt, train_members
from jaxcifar.training.cost import cost_of
from jaxcifar.training.progress import PlainProgress

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def narrow(name: str, epochs: int) -> Run:
    """A config's recipe on few procedural images, with few channels, small batches and mild augmentation."""
    study = config.load(CONFIGS / f"{name}.py")
    assert isinstance(study, Study)
    run = study.base
    assert isinstance(run.model, WhitenedCNN)
    schedule = dataclasses.replace(run.optimizer.schedule, warmup=run.optimizer.schedule.warmup * epochs / run.epochs)
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, widths=(16, 16, 16)),
        data=dataclasses.replace(run.data, source="shapes", train_size=1000, test_size=300, crop=2, cutout=0),
        optimizer=dataclasses.replace(run.optimizer, schedule=schedule),
        epochs=epochs,
        batch_size=50,
        precision="float32",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs"), [("speedrun_94", 2), pytest.param("speedrun_96", 8, marks=pytest.mark.slow)]
)
def test_the_recipe_learns(name: str, epochs: int, tmp_path: Path):
    run = narrow(name, epochs)
    found = jaxcifar.train(run, tmp_path)
    assert found.status == "finished"
    *before, last = found.metrics
    assert all(row["test_accuracy"] is None and row["test_loss"] is None for row in before)
    assert last["test_accuracy"] > 0.25, found.metrics  # chance is 0.1
    assert last["test_accuracy_tta"] > 0.25
    assert found.summary["best"]["test_accuracy"] == last["test_accuracy"]
    assert found.summary["flops"] == cost_of(run).flops
    assert found.summary["total_seconds"] > found.summary["training_seconds"]
    assert len(found.steps["loss"]) == 20 * epochs


class StopAtOnce(PlainProgress):
    """A display that asks to stop at the first step."""

    def __init__(self, stop: interrupt.Stop):
        super().__init__()
        self.stop = stop

    def update(self, status: object) -> None:
        self.stop.signal_number = 2


@pytest.fixture
def timed(small_run: Run) -> Run:
    return dataclasses.replace(small_run, timed=True)


def test_a_timed_run_equals_one_that_is_not(small_run: Run, timed: Run, tmp_path: Path):
    """The warm-up leaves no trace."""
    ours, theirs = jaxcifar.train(timed, tmp_path / "timed"), jaxcifar.train(small_run, tmp_path / "plain")
    np.testing.assert_array_equal(ours.steps["loss"], theirs.steps["loss"])
    assert ours.metrics[-1]["test_loss"] == theirs.metrics[-1]["test_loss"]
    assert "total_seconds" not in theirs.summary


def test_a_run_that_was_cut_off_has_no_time(timed: Run, tmp_path: Path):
    stop = interrupt.Stop()
    with pytest.raises(interrupt.Interrupted):
        train_members([Member(timed, tmp_path)], data.load(timed.data), "off", StopAtOnce(stop), stop)
    assert "best" not in read_records(tmp_path).summary
    found = jaxcifar.train(timed, tmp_path)
    assert found.status == "finished"
    assert found.summary["total_seconds"] is None
    assert found.summary["last"]["test_accuracy"] is not None


def test_what_a_timed_run_costs():
    run = Run(data=Data(source="shapes"), epochs=4)
    often = cost_of(run).flops
    once = cost_of(dataclasses.replace(run, timed=True)).flops
    six = cost_of(dataclasses.replace(run, timed=True, test_views="six")).flops
    ema = cost_of(dataclasses.replace(run, test_views="mirror", average=config.EMA())).flops
    train = cost_of(dataclasses.replace(run, evaluate_train=True)).flops
    forward = (often - once) / 3
    np.testing.assert_allclose(train - often, 4 * 5 * forward)  # four times five times as many images
    assert forward > 0
    np.testing.assert_allclose(six - once, 5 * forward)
    np.testing.assert_allclose(ema - often, 3 * forward)
