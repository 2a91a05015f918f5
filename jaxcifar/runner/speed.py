"""The speed of this device: a few networks are timed for some steps, the others estimated from their operations."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from jaxcifar import records
from jaxcifar.config import CNN, SGD, VGG, Precision, ResNet, Run
from jaxcifar.runner.plan import PlannedStudy
from jaxcifar.training.cost import cost_of
from jaxcifar.training.environment import environment
from jaxcifar.training.group import Group
from jaxcifar.training.runtime import cache_folder

BUSY = 0.2
"""Share of the cores that other processes may use while networks are timed; with more, the speed is not kept."""


@dataclass(frozen=True)
class Rate:
    """The time of a kind of network: per_step × steps + (per_flop + narrow / √density) × flops + per_layer × layers.

    The density is the number of flops per image and layer. It grows with the square of the width, while what a
    layer moves in memory grows with the width, so narrow networks take longer for each of them.
    """

    per_step: float
    per_flop: float
    per_layer: float
    """Compilation only."""
    narrow: float = 0.0


@dataclass(frozen=True)
class Speed:
    """The rates of a device by kind of network (`CNN`, `VGG`, `ResNet`)."""

    device: str
    rates: dict[str, Rate]

    def seconds(self, runs: Sequence[Run]) -> float:
        """Return the estimated seconds of a program that trains these runs one after the other."""
        rate, costs = self.rates[runs[0].model.timed_as], [cost_of(run) for run in runs]
        training = sum(rate.per_step * cost.steps + self._per_flop(runs[0]) * cost.flops for cost in costs)
        return training + rate.per_layer * costs[0].layers

    def measuring(self, runs: Sequence[Run]) -> float:
        """Return the estimated seconds of the measures at the snapshots of these runs, taken after training."""
        return self._per_flop(runs[0]) * sum(cost_of(run).measuring for run in runs)

    def _per_flop(self, run: Run) -> float:
        # Measures repeat the network's own operations, so they do not change the density.
        rate, plain = self.rates[run.model.timed_as], cost_of(dataclasses.replace(run, probes=()))
        return rate.per_flop + rate.narrow * _root(plain.flops, plain.steps * run.batch_size, plain.layers)


def of_plan(
    plan: Sequence[PlannedStudy], notify: Callable[[str], None] = print, *, measure: bool = True
) -> Speed | None:
    """Return the speed of this device for the networks of a plan.

    What was measured once is kept in the user's cache folder, for each device and precision, until jaxcifar or JAX has
    another version, unless other processes used the cores meanwhile.

    Args:
        plan: the studies.
        notify: receives a line before networks are timed, which takes up to a minute for each, mostly compilation.
        measure: whether networks that are not known yet are timed.

    Returns:
        The speed; None where a network of the plan is not known and must not be timed.
    """
    runs = [item.run for study in plan for item in study.runs]
    precision, kinds = runs[0].precision, dict.fromkeys(run.model.timed_as for run in runs)
    rates = _known(precision)
    missing = [kind for kind in kinds if kind not in rates]
    if missing and not measure:
        return None
    if missing:
        notify(f"Timing a few steps of {', '.join(missing)} on this device, once; the speed is kept for later plans.")
        since = _busy_seconds()
        rates |= {kind: _measured(kind, precision) for kind in missing}
        share = _used_by_others(since)
        # Work of others on the cores hardly slows the steps of an accelerator.
        if share < BUSY or jax.default_backend() != "cpu":
            _store(precision, rates)
        else:
            notify(
                f"Other processes used {share:.0%} of the cores meanwhile; the times may be too long, so the speed is "
                "not kept after all."
            )
    return Speed(_device(), rates)


def _root(flops: float, images: int, layers: int) -> float:
    """1 / √density; 0 for a network whose layers are not known, which has no operations on record."""
    return math.sqrt(images * layers / flops) if flops else 0.0


def _busy_seconds() -> tuple[float, float, float]:
    """The seconds of the cores that this process may use: those that have passed, were busy, and were busy with it."""
    import psutil

    process, cores = psutil.Process(), psutil.cpu_times(percpu=True)
    allowed = process.cpu_affinity() if hasattr(process, "cpu_affinity") else []
    if allowed and max(allowed) < len(cores):  # else some are switched off, and the others have other places
        cores = [cores[core] for core in allowed]
    busy = sum(core.user + core.system + getattr(core, "nice", 0.0) for core in cores)
    # The first four are of this process and of its children that have ended; the fifth is elapsed time.
    return time.monotonic() * len(cores), busy, sum(os.times()[:4])


def _used_by_others(since: tuple[float, float, float]) -> float:
    """The share of the cores that other processes have used since."""
    whole, busy, own = (now - before for now, before in zip(_busy_seconds(), since, strict=True))
    return min(max((busy - own) / whole, 0.0), 1.0)


def _file(precision: Precision) -> Path | None:
    folder = cache_folder()
    return folder / f"speed-{precision}.json" if folder else None


def _known(precision: Precision) -> dict[str, Rate]:
    """The stored rates, empty where they are of another device or version, or cannot be read."""
    file = _file(precision)
    stored = records.read_json(file) if file else {}
    with suppress(KeyError, TypeError, AttributeError):
        if (stored["device"], stored["versions"]) == (_device(), _versions()):
            return {kind: Rate(**rate) for kind, rate in stored["rates"].items()}
    return {}


def _store(precision: Precision, rates: Mapping[str, Rate]) -> None:
    file = _file(precision)
    with suppress(OSError):  # a cache that cannot be written costs a minute the next time
        if file is not None:
            records.write_json(file, {"versions": _versions(), **dataclasses.asdict(Speed(_device(), dict(rates)))})


def _measured(kind: str, precision: Precision) -> Rate:
    """The rate of one kind of network, from a few training steps on synthetic images."""
    run = Run(optimizer=SGD(momentum=0.9), precision=precision)
    if kind == CNN.timed_as:
        # A small network at a small batch is bound by the cost of a step, not by its operations.
        small = _time(dataclasses.replace(run, model=CNN(), batch_size=4), 100)
        large = _time(dataclasses.replace(run, model=CNN(), batch_size=128), 16)
        per_flop = max(large.step - small.step, 0.0) / (large.flops - small.flops)
        return Rate(max(small.step - per_flop * small.flops, 0.0), per_flop, small.compile / small.layers)
    # The narrow widths are those of size cpu.
    model: VGG | ResNet
    model, width = (VGG(norm="batch"), 16) if kind == VGG.timed_as else (ResNet(), 8)
    wide = _time(dataclasses.replace(run, model=model), 4)
    slim = _time(dataclasses.replace(run, model=dataclasses.replace(model, width=width)), 25)
    more = (slim.step / slim.flops - wide.step / wide.flops) / (slim.root - wide.root)
    narrow = min(max(more, 0.0), wide.step / wide.flops / wide.root)
    return Rate(0.0, wide.step / wide.flops - narrow * wide.root, wide.compile / wide.layers, narrow)


def _versions() -> dict[str, str]:
    """The versions on which the speed depends."""
    found = environment("", "")["versions"]
    return {name: found[name] for name in ("jaxcifar", "jax")}


def _device() -> str:
    return environment("", "")["device"]["kind"]


@dataclass(frozen=True)
class _Timed:
    compile: float
    step: float
    flops: float
    layers: int
    root: float


def _time(run: Run, steps: int) -> _Timed:
    """Seconds of compilation and per training step, in the program that training runs."""
    size = steps * run.batch_size
    split = np.zeros((size, 32, 32, 3), np.uint8), np.zeros(size, np.int32)
    group = Group([run], split, split, steps, "off")
    group.create()
    compiled = _seconds(group.compile)
    # The first call also computes the order of the epoch, so it is not timed.
    group.train(0, 1, 0)
    part = (steps - 1) // 3
    # What else the machine does can only add time.
    seconds = min(_seconds(lambda at=at: group.train(at, part, 0)) for at in (1, 1 + part, 1 + 2 * part))
    # One test image, because only training was timed.
    cost = cost_of(dataclasses.replace(run, epochs=1, data=dataclasses.replace(run.data, train_size=size, test_size=1)))
    root = _root(cost.flops, size, cost.layers)
    return _Timed(compiled, seconds / part, cost.flops / steps, cost.layers, root)


def _seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start
