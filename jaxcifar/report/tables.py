"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.table import Table

from jaxcifar.config import Run
from jaxcifar.records import Records


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


def plan_table(runs: Sequence[Run], steps_per_epoch: Sequence[int]) -> None:
    """Prints a study's runs before it starts."""
    table = Table("run", "network", "optimizer", "batch", "seed", "epochs", "steps", title=f"{len(runs)} runs")
    for run, steps in zip(runs, steps_per_epoch, strict=True):
        optimizer = f"{type(run.optimizer).__name__} {run.optimizer.learning_rate:g}"
        network = type(run.model).__name__
        numbers = (run.batch_size, run.seed, run.epochs, run.epochs * steps)
        table.add_row(run.name, network, optimizer, *(f"{number:,}" for number in numbers))
    Console().print(table)


def result_table(runs: Sequence[Records]) -> None:
    """Prints what each run reached: epochs, last train and test loss, last train and test accuracy, the best, seconds."""
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
