"""The speed of this device: three networks are timed for a few steps, the others estimated from their operations."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxcifar import records
from jaxcifar.config import CNN, SGD, VGG, Precision, ResNet, Run
from jaxcifar.training.cost import cost_of
from jaxcifar.training.environment import environment
from jaxcifar.training.group import Group

FILE = "speed.json"


@dataclass(frozen=True)
class Rate:
    """The time of a kind of network: seconds = per_step x steps + per_flop x operations + per_layer x layers."""

    per_step: float
    per_flop: float
    per_layer: float
    """Compilation only."""


@dataclass(frozen=True)
class Speed:
    """The rates of a device by kind of network (`CNN`, `VGG`, `ResNet`)."""

    device: str
    rates: dict[str, Rate]

    def seconds(self, runs: Sequence[Run]) -> float:
        """Return the estimated seconds of a program that trains these runs one after the other."""
        rate, costs = self.rates[runs[0].model.timed_as], [cost_of(run) for run in runs]
        training = sum(rate.per_step * cost.steps + rate.per_flop * cost.flops for cost in costs)
        return training + rate.per_layer * costs[0].layers


def known(folder: Path) -> Speed | None:
    """Return the speed stored in a folder, if it was measured on this device."""
    try:
        stored = json.loads((folder / FILE).read_text())
        rates = {kind: Rate(**rate) for kind, rate in stored["rates"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Speed(stored["device"], rates) if stored["device"] == _device() else None


def store(speed: Speed, folder: Path) -> None:
    """Write the speed to a folder."""
    with records.replacing(folder / FILE) as file:
        file.write(json.dumps(dataclasses.asdict(speed), indent=2).encode())


def measure(precision: Precision, notify: Callable[[str], None]) -> Speed:
    """Time a few training steps of the CNN (at two batch sizes), VGG-A with BatchNorm and ResNet-18.

    Images are synthetic; it takes one to two minutes on two CPU cores, most of it compilation.
    """
    notify("Measuring this device on synthetic images: CNN, VGG-A with BatchNorm, ResNet-18.")
    run = Run(optimizer=SGD(momentum=0.9), precision=precision)
    small = _time(dataclasses.replace(run, model=CNN(), batch_size=4), 100)
    large = _time(dataclasses.replace(run, model=CNN(), batch_size=128), 10)
    per_flop = max(large.step - small.step, 0.0) / (large.flops - small.flops)
    per_step = max(small.step - per_flop * small.flops, 0.0)
    rates = {"CNN": Rate(per_step, per_flop, small.compile / small.layers)}
    for model, steps in ((VGG(norm="batch"), 4), (ResNet(), 2)):
        timed = _time(dataclasses.replace(run, model=model), steps)
        rates[model.timed_as] = Rate(0.0, timed.step / timed.flops, timed.compile / timed.layers)
    return Speed(_device(), rates)


def _device() -> str:
    return environment("", "")["device"]["kind"]


@dataclass(frozen=True)
class _Timed:
    compile: float
    step: float
    flops: float
    layers: int


def _time(run: Run, steps: int) -> _Timed:
    """Seconds of compilation and per training step, in the program that training runs."""
    size = steps * run.batch_size
    split = np.zeros((size, 32, 32, 3), np.uint8), np.zeros(size, np.int32)
    start = time.monotonic()
    group = Group([run], split, split, steps, "off")
    group.create()
    group.compile()
    compiled = time.monotonic() - start
    group.train(0, 1, 0)
    start = time.monotonic()
    group.train(1, steps - 1, 0)
    seconds = time.monotonic() - start
    cost = cost_of(dataclasses.replace(run, epochs=1, data=dataclasses.replace(run.data, train_size=size, test_size=1)))
    return _Timed(compiled, seconds / (steps - 1), cost.flops / steps, cost.layers)
