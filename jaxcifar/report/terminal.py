"""Tables on the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxcifar.config import Run, labels
from jaxcifar.records import Records
from jaxcifar.records.study import study_folder

if TYPE_CHECKING:
    from jaxcifar.config.shipped import Description
    from jaxcifar.models.summary import LayerRow
    from jaxcifar.runner.estimate import Outline, OutlineRow


def layer_table(title: str, rows: Sequence[LayerRow]) -> None:
    """Prints a network's layers: output shape, parameters and forward FLOPs (2 per multiply-add) of one image."""
    table = Table("layer", "kind", "output shape", title=escape(title), show_footer=True)
    table.add_column("parameters", f"{sum(row.parameters for row in rows):,}", justify="right")
    table.add_column("MFLOPs", f"{2 * sum(row.multiply_adds for row in rows) / 1e6:,.2f}", justify="right")
    for row in rows:
        shape = " x ".join(str(size) for size in row.output_shape)
        table.add_row(row.name, row.kind, shape, f"{row.parameters:,}", f"{2 * row.multiply_adds / 1e6:,.2f}")
    Console().print(table)


def config_table(configs: Sequence[Description]) -> None:
    """Print the shipped configs: name, what it trains, number of runs, cost."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("what it trains, and its cost")
    table.add_column("runs", justify="right", no_wrap=True)
    for config in configs:
        table.add_row(config.name, f"{config.summary}\n[dim]{config.cost}[/dim]", f"{config.runs}")
    console = Console()
    console.print(table)
    console.print("jaxcifar run NAME trains one, jaxcifar run NAME --plan says how long it takes on this device.")


def plan_table(outline: Outline) -> None:
    """Prints what would be trained: every member with its steps, operations and disk, and the whole with its time."""
    console = Console()
    shared = len(outline.rows) - len(outline.trained)
    runs = "1 run" if len(outline.rows) == 1 else f"{len(outline.rows)} runs"
    title = runs + (f", {shared} of them the same as another" if shared else "")
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    for heading in ("batch", "epochs", "seeds", "steps", "TFLOP", "disk"):
        table.add_column(heading, justify="right", no_wrap=True)
    study = None
    for _, rows in itertools.groupby(outline.rows, lambda row: row.name):
        group = list(rows)
        if group[0].study != study:
            study = group[0].study
            time = outline.study_time(study)
            table.add_row(f"[bold]{escape(study)}[/bold]" + (f", about {time}" if time else ""))
        table.add_row(*_plan_row(group))
    console.print(table)
    steps, flops, disk = (sum(getattr(row, name) for row in outline.trained) for name in ("steps", "flops", "disk"))
    console.print(
        f"In all {steps:,} steps, {flops / 1e15:,.3g} PFLOP, at most {_bytes(disk)} of checkpoints and arrays."
    )
    if outline.time:
        console.print(outline.time)


def _plan_row(seeds: list[OutlineRow]) -> list[str]:
    row, trained = seeds[0], [item for item in seeds if item.same_as is None]
    numbers = [f"{row.batch:,}", f"{row.epochs:,}", f"{len(seeds)}"]
    if not trained:
        return [escape(f" {row.label} = {row.same_as}"), *numbers, "-", "-", "-"]
    steps, flops, disk = (sum(getattr(item, key) for item in trained) for key in ("steps", "flops", "disk"))
    return [escape(f" {row.label}"), *numbers, f"{steps:,}", _tera(flops), _bytes(disk)]


def _tera(flops: float) -> str:
    return f"{flops / 1e12:,.0f}" if flops >= 1e14 else f"{flops / 1e12:.3g}"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def result_table(runs: Sequence[Records[Run]], own: Mapping[Path, Mapping[str, str]] | None = None) -> None:
    """Print what each run reached: epochs, the last losses and accuracies, the best, seconds.

    Args:
        runs: the records.
        own: the labels that studies give their members, by the study's folder.
    """
    names = sorted({run.data["name"] for run in runs if run.data})
    title = escape(f"Results on {', '.join(names) or 'unknown data'}")
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    headings = ("epochs", "train\nloss", "test\nloss", "train\nacc.", "test\nacc.", "best\ntest", "s an\nepoch")
    others = [key for key in _OTHERS if any(_other(run, key) != "-" for run in runs)]
    for heading in (*headings, *(_OTHERS[key] for key in others)):
        table.add_column(heading, justify="right", no_wrap=True)
    names = _labels(runs, own or {})
    for run in runs:
        table.add_row(
            escape(_name(run, names)), str(len(run.metrics)), *_figures(run), *(_other(run, key) for key in others)
        )
    Console().print(table)


_OTHERS = {
    "test_accuracy_ema": "with\nema",
    "test_accuracy_tta": "with\ntta",
    "test_accuracy_ema_tta": "with\nboth",
    "total_seconds": "s in\nall",
}


def _other(run: Records, key: str) -> str:
    """A figure that few runs have."""
    places = (run.summary, run.summary.get("last", {}))
    values = [place[key] for place in places if key in place]
    return _number(values[0] if values else None, ".3g" if key == "total_seconds" else ".1%")


def _labels(runs: Sequence[Records[Run]], own: Mapping[Path, Mapping[str, str]]) -> dict[tuple[Path, str], str]:
    """The label of each member by its study's folder and its name."""
    studies: dict[Path, dict[str, Run]] = {}
    for run in runs:
        if run.config:
            studies.setdefault(study_folder(run.folder), {})[run.config.name] = run.config
    return {
        (study, m): label for study, members in studies.items() for m, label in labels(members, own.get(study)).items()
    }


def _name(run: Records[Run], names: dict[tuple[Path, str], str]) -> str:
    name = (
        f"{names[study_folder(run.folder), run.config.name]}, seed {run.config.seed}" if run.config else run.folder.name
    )
    match run.status:
        case "finished":
            return name
        case "diverged":
            return f"{name} (diverged at step {run.summary['diverged_step']})"
        case _:
            return f"{name} ({run.status or 'unfinished'})"


def _figures(run: Records) -> list[str]:
    if "best" not in run.summary:
        return ["-"] * 6
    last = run.summary["last"]
    losses = [_number(last[key], ".3f") for key in ("train_loss", "test_loss")]
    accuracies = [_number(last[key], ".1%") for key in ("train_accuracy", "test_accuracy")]
    best, seconds = run.summary["best"]["test_accuracy"], run.summary["seconds_per_epoch"]
    return [*losses, *accuracies, _number(best, ".1%"), _number(seconds, ".3g")]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
