"""Size and time of a plan: for `--plan`, `--max-minutes` and the time that is left."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxcifar.config import Run
from jaxcifar.runner.plan import Planned, PlannedStudy, programs
from jaxcifar.runner.speed import Speed
from jaxcifar.training.cost import cost_of
from jaxcifar.training.progress import duration

TELLING = 0.05
"""Fraction of the cost that must be trained before its pace replaces the estimate."""


@dataclass
class Remaining:
    """The time that the programs of a plan still take.

    A program's cost is its time by the measured speed of the device, or its operations where that was not measured. The
    programs that have ended tell how many seconds a unit of cost really takes.
    """

    speed: Speed | None
    deadline: float = math.inf
    """The `time.monotonic()` at which everything must have ended."""
    left: dict[int, float] = field(default_factory=dict)
    """From a program's index to its cost."""
    spent: float = 0.0
    """Seconds of the programs that have ended."""
    done: float = 0.0
    """Cost of the programs that have ended."""

    @classmethod
    def of(cls, plan: Mapping[int, Sequence[Run]], speed: Speed | None, deadline: float = math.inf) -> Remaining:
        """Return the estimate for programs, given by their indices and runs."""
        costs = {
            index: speed.seconds(runs) if speed else sum(cost_of(run).flops for run in runs)
            for index, runs in plan.items()
        }
        return cls(speed, deadline, costs)

    def fits(self, index: int) -> bool:
        """Return whether a program would end before the deadline, by its estimate and by the pace seen so far."""
        if math.isinf(self.deadline):
            return True
        # A pace faster than the estimate may not last, so only a slower one counts against the deadline.
        slower = max(1.0, self.spent / self.done) if self.done else 1.0
        return time.monotonic() + slower * self.left[index] <= self.deadline

    def skip(self, index: int) -> None:
        """Leave a program out."""
        del self.left[index]

    def ended(self, index: int, seconds: float) -> None:
        """Learn from a program that has ended."""
        self.spent += seconds
        self.done += self.left.pop(index)

    def seconds(self) -> float | None:
        """Return the estimated seconds of what is left, None where the speed is unknown and too little was trained."""
        left = sum(self.left.values())
        if self.done > TELLING * (self.done + left):
            return left * self.spent / self.done
        return left if self.speed else None


@dataclass(frozen=True)
class OutlineRow:
    """A run of the plan."""

    study: str
    name: str
    label: str
    """The member's name for readers."""
    batch: int
    seed: int
    epochs: int
    steps: int
    flops: float
    disk: int
    same_as: str | None
    """The run that is trained instead; this one then costs nothing."""


@dataclass(frozen=True)
class Outline:
    """A plan in figures."""

    rows: tuple[OutlineRow, ...]
    device: str | None
    by_study: Mapping[str, float]
    """Seconds by study, estimated for the device; empty where its speed was not measured."""

    @property
    def seconds(self) -> float | None:
        """Seconds of the whole plan; None where they are unknown."""
        return sum(self.by_study.values()) if self.by_study else None

    @property
    def trained(self) -> list[OutlineRow]:
        """The runs that are trained themselves."""
        return [row for row in self.rows if row.same_as is None]

    @property
    def time(self) -> str:
        """The estimated time, empty where it is unknown."""
        return "" if self.seconds is None else f"Estimated time on {self.device}: {duration(self.seconds)}."

    def study_time(self, study: str) -> str:
        """Return the estimated time of one study, empty where it is unknown or nothing is left to train."""
        return duration(seconds) if (seconds := self.by_study.get(study)) else ""


def outline(plan: Sequence[PlannedStudy], speed: Speed | None) -> Outline:
    """Return the plan in figures, with its time if the device's speed is given."""
    rows = tuple(_row(study, item) for study in plan for item in study.runs)
    if speed is None:
        return Outline(rows, None, {})
    runs = {study.study.name: [[item.run for item in items] for items in programs(study)] for study in plan}
    seconds = {name: sum(speed.seconds(each) + speed.measuring(each) for each in found) for name, found in runs.items()}
    return Outline(rows, speed.device, seconds)


def _row(study: PlannedStudy, item: Planned) -> OutlineRow:
    run, cost = item.run, cost_of(item.run)
    return OutlineRow(
        study=study.study.name,
        name=(study.folder / item.member).as_posix(),
        label=item.label or item.member,
        batch=run.batch_size,
        seed=run.seed,
        epochs=run.epochs,
        steps=cost.steps,
        flops=cost.flops,
        disk=cost.disk,
        same_as=item.same_as.parent.as_posix() if item.same_as else None,
    )
