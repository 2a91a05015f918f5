"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.table import Table

from jaxcifar.records import Records
from jaxcifar.studies.cost import cost_of
from jaxcifar.studies.plan import Planned, PlannedStudy, programs
from jaxcifar.studies.speed import Speed
from jaxcifar.training.progress import duration


class Row(Protocol):
    """A row of a network's layer table, as `jaxcifar.models.layer_rows` gives it."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


def layer_table(title: str, rows: Sequence[Row]) -> None:
    """Prints a network's layers: output shape, parameters and forward FLOPs (2 per multiply-add) of one image."""
    table = Table("layer", "kind", "output shape", title=title, show_footer=True)
    table.add_column("parameters", f"{sum(row.parameters for row in rows):,}", justify="right")
    table.add_column("MFLOPs", f"{2 * sum(row.multiply_adds for row in rows) / 1e6:,.2f}", justify="right")
    for row in rows:
        shape = " x ".join(str(size) for size in row.output_shape)
        table.add_row(row.name, row.kind, shape, f"{row.parameters:,}", f"{2 * row.multiply_adds / 1e6:,.2f}")
    Console().print(table)


def plan_table(plan: Sequence[PlannedStudy], speed: Speed | None) -> None:
    """Prints what would be trained: every run with its steps, operations and disk, and the whole with its time.

    Args:
        plan: the studies.
        speed: of this device, where it is known.
    """
    console = Console()
    table = Table("run", "network", "optimizer", title=_plan_title(plan))
    for heading in ("batch", "seed", "epochs", "steps", "TFLOP", "disk"):
        table.add_column(heading, justify="right")
    for study in plan:
        for item in study.runs:
            table.add_row(*_plan_row(study, item))
    console.print(table)
    trained = [cost_of(item.run) for study in plan for item in study.runs if item.same_as is None]
    flops, disk = sum(cost.flops for cost in trained), sum(cost.disk for cost in trained)
    steps = sum(cost.steps for cost in trained)
    console.print(f"In all {steps:,} steps, {flops / 1e15:,.3g} PFLOP, {_bytes(disk)} of checkpoints and arrays.")
    if speed is not None:
        seconds = sum(speed.seconds([item.run for item in items]) for study in plan for items in programs(study))
        console.print(f"Estimated time on {speed.device}: {duration(seconds)} (hours:minutes:seconds).")


def _plan_title(plan: Sequence[PlannedStudy]) -> str:
    runs = [item for study in plan for item in study.runs]
    shared = sum(item.same_as is not None for item in runs)
    return f"{len(runs)} runs" + (f", {shared} of them stood for by equal ones" if shared else "")


def _plan_row(study: PlannedStudy, item: Planned) -> list[str]:
    run, cost = item.run, cost_of(item.run)
    name = str(study.folder / item.member) if item.folder.parts else item.member
    optimizer = f"{type(run.optimizer).__name__} {run.optimizer.learning_rate:g}"
    numbers = [f"{number:,}" for number in (run.batch_size, run.seed, run.epochs)]
    if item.same_as is not None:
        return [name, f"same as {item.same_as.parent}", optimizer, *numbers, "-", "-", "-"]
    network = type(run.model).__name__
    return [name, network, optimizer, *numbers, f"{cost.steps:,}", f"{cost.flops / 1e12:,.3g}", _bytes(cost.disk)]


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def result_table(runs: Sequence[Records]) -> None:
    """Prints what each run reached: epochs, the last losses and accuracies, the best, seconds."""
    names = sorted({run.environment["data"]["name"] for run in runs if run.environment})
    table = Table("run", title=f"Results on {', '.join(names) or 'unknown data'}")
    headings = ("epochs", "train\nloss", "test\nloss", "train\nacc.", "test\nacc.", "best\ntest", "s an\nepoch")
    for heading in headings:
        table.add_column(heading, justify="right")
    for run in runs:
        table.add_row(_name(run), str(len(run.metrics)), *_figures(run))
    Console().print(table)


def _name(run: Records) -> str:
    name = f"{run.config.name}, seed {run.config.seed}" if run.config else run.folder.name
    match run.status:
        case "finished":
            return name
        case "diverged":
            return f"{name} (diverged at step {run.summary['diverged_step']})"
        case _:
            return f"{name} ({run.status or 'unfinished'})"


def _figures(run: Records) -> list[str]:
    if "last" not in run.summary:
        return ["-"] * 6
    last = run.summary["last"]
    losses = [_number(last[key], ".3f") for key in ("train_loss", "test_loss")]
    accuracies = [_number(last[key], ".1%") for key in ("train_accuracy", "test_accuracy")]
    best, seconds = run.summary["best"]["test_accuracy"], run.summary["seconds_per_epoch"]
    return [*losses, *accuracies, _number(best, ".1%"), _number(seconds, ".3g")]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
