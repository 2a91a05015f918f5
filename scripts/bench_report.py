"""The bench's figures: one row a network, shown as a table, written as JSON and into a document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

from rich import box
from rich.console import Console
from rich.table import Table

from jaxcifar.config import Precision, Run, UserError

Platform = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Comparison:
    """The same network in PyTorch, in turn with ours."""

    milliseconds_per_step: float
    ratio: float
    """Our time over PyTorch's: the median over the turns."""
    lowest: float
    highest: float

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]]) -> Comparison:
        ratios = [ours / theirs for ours, theirs in turns]
        return cls(1e3 * median(theirs for _, theirs in turns), median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Row:
    """What was measured of one network."""

    network: str
    batch_size: int
    compile_seconds: float
    cached_compile_seconds: float
    """The second time, from the compilation cache."""
    steps: int
    """Measured in all."""
    milliseconds_per_step: float
    images_per_second: float
    tflops: float
    share_of_matrix_product: float
    peak_bytes: int
    seconds_per_epoch: float
    extrapolated: bool
    """Whether an epoch's seconds come from fewer steps than it has."""
    torch: Comparison | None

    @classmethod
    def of(
        cls,
        name: str,
        run: Run,
        hello: dict[str, Any],
        turns: Sequence[Sequence[float]],
        steps: int,
        peak_bytes: int,
        product_rate: float,
    ) -> Row:
        """Args: what our side said of itself; by turn the seconds a step of our side and of PyTorch's, if it ran."""
        seconds = median(turn[0] for turn in turns)
        rate = run.batch_size / seconds
        flops = rate * hello["flops_per_image"]
        return cls(
            network=name,
            batch_size=run.batch_size,
            compile_seconds=hello["compile_seconds"],
            cached_compile_seconds=hello["cached_compile_seconds"],
            steps=steps * len(turns),
            milliseconds_per_step=1e3 * seconds,
            images_per_second=rate,
            tflops=flops / 1e12,
            share_of_matrix_product=flops / product_rate,
            peak_bytes=peak_bytes,
            seconds_per_epoch=seconds * hello["steps_per_epoch"],
            extrapolated=steps < hello["steps_per_epoch"],
            torch=Comparison.of(turns) if len(turns[0]) == 2 else None,
        )


@dataclass(frozen=True)
class Cost:
    """A program that does more than a plain step, in turn with plain steps."""

    what: str
    plain_steps: int
    """Steps of a single run that it stands for."""
    milliseconds: float
    """A step of the program."""
    plain_milliseconds: float
    """A step of the single run."""
    ratio: float
    """The program's step over its plain steps: the median over the turns."""
    lowest: float
    highest: float

    @classmethod
    def of(cls, what: str, plain_steps: int, turns: Sequence[tuple[float, float]]) -> Cost:
        """Args: by turn, the seconds of a step of the program and of a single run."""
        ratios = [program / (plain_steps * plain) for program, plain in turns]
        ours, plain = (1e3 * median(times) for times in zip(*turns, strict=True))
        return cls(what, plain_steps, ours, plain, median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Report:
    """Rows and what they were measured with."""

    command: str
    platform: Platform
    precision: Precision
    environment: dict[str, Any]
    matrix_product_rate: float
    """FLOP/s of a large matrix product in that precision."""
    rows: list[Row]
    costs: list[Cost]


def line(row: Row) -> str:
    """One network in a sentence."""
    text = f"{row.network}: {row.milliseconds_per_step:,.4g} ms a step"
    if row.torch is not None:
        text += f", PyTorch {row.torch.milliseconds_per_step:,.4g}, ratio {_ratio(row.torch)}"
    return text


def cost_line(cost: Cost) -> str:
    """What members or a probe cost, in a sentence."""
    return f"{cost.what}: {cost.milliseconds:,.4g} ms, ratio {_ratio(cost)}"


def _ratio(found: Comparison | Cost) -> str:
    return f"{found.ratio:.2f} ({found.lowest:.2f}–{found.highest:.2f})"


def cost_cells(cost: Cost) -> dict[str, str]:
    """A row of the table of costs by heading."""
    return {
        "one program": cost.what,
        "ms a step": f"{cost.milliseconds:,.4g}",
        "plain step ms": f"{cost.plain_milliseconds:,.4g}",
        "plain steps": str(cost.plain_steps),
        "ratio": _ratio(cost),
    }


def cells(row: Row) -> dict[str, str]:
    """A row of the table by heading."""
    found = {
        "network": row.network,
        "batch": str(row.batch_size),
        "compile\n(again) s": f"{row.compile_seconds:.1f} ({row.cached_compile_seconds:.1f})",
        "ms a\nstep": f"{row.milliseconds_per_step:,.4g}",
        "images\n/s": f"{row.images_per_second:,.0f}",
        "TFLOP\n/s": f"{row.tflops:.3g}",
        "share": f"{row.share_of_matrix_product:.0%}",
        "peak\nGB": f"{row.peak_bytes / 1e9:.2f}",
        "s an\nepoch": ("≈ " if row.extrapolated else "") + f"{row.seconds_per_epoch:,.3g}",
    }
    if row.torch is not None:
        found |= {"PyTorch ms": f"{row.torch.milliseconds_per_step:,.4g}", "ratio": _ratio(row.torch)}
    return found


def legend(report: Report) -> list[str]:
    """What the table was measured with, and what its columns mean."""
    device, versions = report.environment["device"], report.environment["versions"]
    torch = [f"PyTorch {metadata.version('torch')}"] if any(row.torch for row in report.rows) else []
    names = ", ".join([f"Python {versions['python']}", f"jax {versions['jax']}", f"flax {versions['flax']}", *torch])
    memory = "of the process, data and compiler included" if report.platform == "cpu" else "of the device's allocator"
    return [
        f"{device['kind']} ({device['platform']}), {date.today().isoformat()}, {names}; `{report.command}`.",
        f"Precision {report.precision}. A step is training's own, with the config's augmentation; times are medians "
        "over the turns, of which the first step is not counted. Compile: first, and again from the cache. Share: of "
        f"what large matrix products reach here, {report.matrix_product_rate / 1e12:.3g} TFLOP/s. Peak: the memory "
        f"{memory}. ≈: extrapolated from fewer steps.",
        *(
            ["One program: its step over the plain steps that it stands for, in turn with a single run of the same."]
            if report.costs
            else []
        ),
        *(["Ratio: our time over PyTorch's, median (lowest–highest) of the pairs of turns."] if torch else []),
    ]


def print_table(report: Report) -> None:
    """The figures on the terminal, the comparison in a table of its own, so that 80 columns hold both."""
    console = Console()
    rows = [cells(row) for row in report.rows]
    compared = ["ms a\nstep", "PyTorch ms", "ratio"] if report.rows[0].torch else []
    alone = [heading for heading in rows[0] if heading not in ("network", "PyTorch ms", "ratio")]
    for title, headings in (("Training", alone), ("Against PyTorch", compared)):
        if not headings:
            continue
        table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
        table.add_column("network", no_wrap=True)
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row["network"], *(row[heading] for heading in headings))
        console.print(table)
    for cost in report.costs:
        console.print(cost_line(cost), highlight=False)
    for text in legend(report):
        console.print(text, highlight=False, markup=False)


def write_json(report: Report, path: Path) -> None:
    """Every figure, with the day."""
    value = {"date": date.today().isoformat(), **dataclasses.asdict(report)}
    path.write_text(json.dumps(value, indent=1) + "\n")


def check_document(path: Path) -> None:
    """Raises UserError unless the document has the markers of both platforms."""
    text = path.read_text() if path.is_file() else ""
    for platform in get_args(Platform):
        for marker in _markers(platform):
            if text.count(marker) != 1:
                raise UserError(
                    f"--write {str(path)!r} must hold the line {marker} once, to know where the table goes."
                )


def write_document(report: Report, path: Path) -> None:
    """Replaces what stands between the platform's markers by the table."""
    first, last = _markers(report.platform)
    text = path.read_text()
    before, rest = text.split(first)
    _, after = rest.split(last)
    path.write_text(f"{before}{first}\n{markdown(report)}\n{last}{after}")


def _markers(platform: Platform) -> tuple[str, str]:
    return f"<!-- bench:{platform} -->", f"<!-- /bench:{platform} -->"


def markdown(report: Report) -> str:
    """The tables and their legend for a document."""
    tables = [_table([cells(row) for row in report.rows])]
    if report.costs:
        tables.append(_table([cost_cells(cost) for cost in report.costs]))
    return "\n\n".join([*tables, *legend(report)])


def _table(rows: list[dict[str, str]]) -> str:
    ruler = ["---", *["---:"] * (len(rows[0]) - 1)]
    lines = [[heading.replace("\n", " ") for heading in rows[0]], ruler, *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
