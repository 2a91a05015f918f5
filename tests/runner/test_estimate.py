"""The time that is left, by the measured speed of the device and by what was seen."""

from __future__ import annotations

import dataclasses
import math
import time

import pytest

from jaxcifar.config import CNN, VGG, Data, Run
from jaxcifar.measures import Beta
from jaxcifar.runner.estimate import Remaining
from jaxcifar.runner.speed import Rate, Speed
from jaxcifar.training.cost import Cost, cost_of
from jaxcifar.training.progress import duration

RUN = Run(model=CNN(widths=(2,), head=(4,)), data=Data(train_size=64, test_size=20), epochs=1, batch_size=32)
LONG = dataclasses.replace(RUN, epochs=9)
SPEED = Speed("test", {"CNN": Rate(per_step=5.0, per_flop=0.0, per_layer=0.0)})


def test_by_the_speed_at_first_and_then_by_what_was_seen():
    remaining = Remaining.of(dict(enumerate([[RUN], [RUN], [LONG]])), SPEED)
    assert remaining.seconds() == 10 + 10 + 90
    remaining.ended(0, 30.0)  # three times slower than estimated
    assert remaining.seconds() == pytest.approx(3 * (10 + 90))
    remaining.skip(2)
    assert remaining.seconds() == pytest.approx(3 * 10)


def test_without_a_speed_by_operations():
    remaining = Remaining.of(dict(enumerate([[RUN], [LONG, LONG]])), None)
    assert remaining.seconds() is None
    remaining.ended(0, 2.0)
    expected = 2.0 * 2 * cost_of(LONG).flops / cost_of(RUN).flops
    assert remaining.done < 0.06 * (remaining.done + sum(remaining.left.values()))
    assert remaining.seconds() == pytest.approx(expected)


def test_narrow_networks_take_longer_for_an_operation():
    """By the root of the operations per image and layer of the network, whatever is measured along the way."""
    speed = Speed("test", {"VGG": Rate(0.0, 0.0, 0.0, narrow=1.0)})

    def per_flop(width: int, **changes) -> float:
        run = dataclasses.replace(RUN, model=VGG(width=width), **changes)
        return speed.seconds([run]) / cost_of(run).flops

    cost = cost_of(dataclasses.replace(RUN, model=VGG(width=16)))
    assert per_flop(16) == pytest.approx(math.sqrt(32 * cost.layers / (cost.flops / cost.steps)))
    assert 3 < per_flop(16) / per_flop(64) < 4
    assert per_flop(16, probes=(Beta(),)) == per_flop(16)


def test_a_run_without_steps_or_known_operations_has_an_estimate(monkeypatch: pytest.MonkeyPatch):
    speed = Speed("test", {"CNN": Rate(5.0, 1.0, 0.0, narrow=1.0)})
    none = dataclasses.replace(RUN, data=Data(train_size=16, test_size=20))
    assert speed.seconds([none]) == cost_of(none).flops
    monkeypatch.setattr("jaxcifar.runner.speed.cost_of", lambda run: Cost(steps=2, flops=0.0, disk=0, layers=0))
    assert speed.seconds([RUN]) == 10


def test_a_program_fits_before_the_deadline_only_at_the_slower_of_both_paces():
    for seen, expected in ((10.0, True), (40.0, False), (1.0, True)):
        remaining = Remaining.of(dict(enumerate([[RUN], [LONG]])), SPEED, time.monotonic() + 200.0)
        remaining.ended(0, seen)
        assert remaining.fits(1) is expected
    assert not Remaining.of(dict(enumerate([[LONG]])), SPEED, time.monotonic() + 80.0).fits(0)
    assert Remaining.of(dict(enumerate([[LONG]])), SPEED, math.inf).fits(0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (19.2, "20 s"), (59.5, "1 min"), (61, "2 min"), (3600, "1 h 00 min"), (7801, "2 h 11 min")],
)
def test_a_duration_in_words(seconds: float, text: str):
    assert duration(seconds) == text
