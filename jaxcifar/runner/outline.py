"""What a plan amounts to, for printing: runs, steps, operations, disk and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxcifar.runner.plan import Planned, PlannedStudy, programs
from jaxcifar.runner.speed import Speed
from jaxcifar.training.cost import cost_of


@dataclass(frozen=True)
class OutlineRow:
    """A run of the plan."""

    study: str
    name: str
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
    seconds: float | None
    """Estimated for the device, where it was measured."""

    @property
    def trained(self) -> list[OutlineRow]:
        """The runs that are trained themselves."""
        return [row for row in self.rows if row.same_as is None]


def outline(plan: Sequence[PlannedStudy], speed: Speed | None) -> Outline:
    """The plan in figures, with its time if the device's speed is given."""
    rows = tuple(_row(study, item) for study in plan for item in study.runs)
    if speed is None:
        return Outline(rows, None, None)
    seconds = sum(speed.seconds([item.run for item in items]) for study in plan for items in programs(study))
    return Outline(rows, speed.device, seconds)


def _row(study: PlannedStudy, item: Planned) -> OutlineRow:
    run, cost = item.run, cost_of(item.run)
    return OutlineRow(
        study=study.study.name,
        name=(study.folder / item.member).as_posix(),
        batch=run.batch_size,
        seed=run.seed,
        epochs=run.epochs,
        steps=cost.steps,
        flops=cost.flops,
        disk=cost.disk,
        same_as=item.same_as.parent.as_posix() if item.same_as else None,
    )
