"""Figures of the bench: one row per network, printed as a table, and written as JSON and into a document."""

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

from jaxcifar.config import Precision, Run
from jaxcifar.errors import UserError

Platform = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Comparison:
    """Times of the same network in PyTorch or in an older checkout, measured alternately with ours."""

    milliseconds_per_step: float
    """Of PyTorch or of the older checkout."""
    ratio: float
    """Median over the turns of our time divided by the other one."""
    lowest: float
    highest: float

    @classmethod
    def of(cls, turns: Sequence[Sequence[float]]) -> Comparison:
        """Return the comparison of (ours, theirs), seconds per step, of each turn."""
        # A ratio for each turn first, because both sides of a turn meet the same state of the machine.
        ratios = [ours / theirs for ours, theirs in turns]
        return cls(1e3 * median(theirs for _, theirs in turns), median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Row:
    """The figures of one network."""

    network: str
    batch_size: int
    compile_seconds: float
    cached_compile_seconds: float
    """Compile time with the compilation cache filled."""
    steps: int
    """Total number of measured steps."""
    milliseconds_per_step: float
    images_per_second: float
    tflops: float
    share_of_matrix_product: float
    peak_bytes: int
    seconds_per_epoch: float
    extrapolated: bool
    """Whether fewer steps than an epoch has were measured."""
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
        """Return the figures of a network.

        Args:
            name: of the network.
            run: what was trained.
            hello: the JAX worker's description of itself.
            turns: seconds per step of each turn: ours and, if it ran, PyTorch's.
            steps: steps per turn.
            peak_bytes: peak memory.
            product_rate: FLOP/s of large matrix products.
        """
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
    """The cost of a group of members or of probes, in turn with a plain run."""

    what: str
    plain_steps: int
    """Number of plain steps that one step of the program replaces: the number of members."""
    milliseconds: float
    """Per step of the program."""
    plain_milliseconds: float
    """Per step of the single run."""
    ratio: float
    """Median over the turns of milliseconds / (plain_steps x plain_milliseconds)."""
    lowest: float
    highest: float

    @classmethod
    def of(cls, what: str, plain_steps: int, turns: Sequence[tuple[float, float]]) -> Cost:
        """Return the cost from seconds per step of the program and of a single run, by turn."""
        ratios = [program / (plain_steps * plain) for program, plain in turns]
        ours, plain = (1e3 * median(times) for times in zip(*turns, strict=True))
        return cls(what, plain_steps, ours, plain, median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Report:
    """All figures, and what they were measured with."""

    command: str
    platform: Platform
    precision: Precision
    environment: dict[str, Any]
    matrix_product_rate: float
    """FLOP/s of a large matrix product in that precision."""
    rows: list[Row]
    costs: list[Cost]


def line(row: Row) -> str:
    """Return the figures of one network in one line."""
    text = f"{row.network}: {row.milliseconds_per_step:,.4g} ms per step"
    if row.torch is not None:
        text += f", PyTorch {row.torch.milliseconds_per_step:,.4g}, ratio {_ratio(row.torch)}"
    return text


def cost_line(cost: Cost) -> str:
    """Return the cost of members or a probe in one line."""
    return f"{cost.what}: {cost.milliseconds:,.4g} ms, ratio {_ratio(cost)}"


def trees_line(name: str, found: Comparison) -> str:
    """Return the comparison with an older checkout in one line."""
    return f"{name}: old {found.milliseconds_per_step:,.4g} ms per step, new / old {_ratio(found)}"


def _ratio(found: Comparison | Cost) -> str:
    return f"{found.ratio:.2f} ({found.lowest:.2f}–{found.highest:.2f})"


def cost_cells(cost: Cost) -> dict[str, str]:
    """Return a row of the table of costs, by heading."""
    return {
        "one program": cost.what,
        "ms per step": f"{cost.milliseconds:,.4g}",
        "plain step ms": f"{cost.plain_milliseconds:,.4g}",
        "plain steps": str(cost.plain_steps),
        "ratio": _ratio(cost),
    }


def cells(row: Row) -> dict[str, str]:
    """Return a row of the table of networks, by heading."""
    found = {
        "network": row.network,
        "batch": str(row.batch_size),
        "compile (again) s": f"{row.compile_seconds:.1f} ({row.cached_compile_seconds:.1f})",
        "ms per step": f"{row.milliseconds_per_step:,.4g}",
        "images /s": f"{row.images_per_second:,.0f}",
        "TFLOP /s": f"{row.tflops:.3g}",
        "share": f"{row.share_of_matrix_product:.0%}",
        "peak GB": f"{row.peak_bytes / 1e9:.2f}",
        "s per epoch": ("≈ " if row.extrapolated else "") + f"{row.seconds_per_epoch:,.3g}",
    }
    if row.torch is not None:
        found |= {"PyTorch ms": f"{row.torch.milliseconds_per_step:,.4g}", "ratio": _ratio(row.torch)}
    return found


def legend(report: Report) -> list[str]:
    """Return what the table was measured with, and what its columns mean."""
    device, versions = report.environment["device"], report.environment["versions"]
    torch = [f"PyTorch {metadata.version('torch')}"] if any(row.torch for row in report.rows) else []
    names = ", ".join([f"Python {versions['python']}", f"jax {versions['jax']}", f"flax {versions['flax']}", *torch])
    memory = "of the process, with data and compiler" if report.platform == "cpu" else "of the device's allocator"
    return [
        f"{device['kind']} ({device['platform']}), {date.today().isoformat()}, {names}; `{report.command}`.",
        f"Precision {report.precision}. Steps include the config's augmentation. Times are medians over the turns, "
        "without the first step of each. Compile: without and with the compilation cache. Share: fraction of the rate "
        f"of large matrix products here, {report.matrix_product_rate / 1e12:.3g} TFLOP/s. Peak: memory {memory}. "
        "≈: extrapolated from fewer steps.",
        *(
            ["One program: time per step divided by the time of the plain steps that it replaces, measured in turn."]
            if report.costs
            else []
        ),
        *(["Ratio: our time divided by PyTorch's, median (minimum–maximum) over the turns."] if torch else []),
    ]


def write_json(report: Report, path: Path) -> None:
    """Write all figures with the date."""
    value = {"date": date.today().isoformat(), **dataclasses.asdict(report)}
    path.write_text(json.dumps(value, indent=1) + "\n")


def check_document(path: Path) -> None:
    """Raise UserError unless the document has the markers of both platforms."""
    text = path.read_text() if path.is_file() else ""
    for platform in get_args(Platform):
        for marker in _markers(platform):
            if text.count(marker) != 1:
                raise UserError(
                    f"--write {str(path)!r} must contain the line {marker} exactly once, where the table is written."
                )


def write_document(report: Report, path: Path) -> None:
    """Replace the text between the markers of the platform by the table."""
    first, last = _markers(report.platform)
    text = path.read_text()
    before, rest = text.split(first)
    _, after = rest.split(last)
    path.write_text(f"{before}{first}\n{markdown(report)}\n{last}{after}")


def _markers(platform: Platform) -> tuple[str, str]:
    return f"<!-- bench:{platform} -->", f"<!-- /bench:{platform} -->"


def markdown(report: Report) -> str:
    """Return the tables and their legend in Markdown."""
    tables = [_table([cells(row) for row in report.rows])]
    if report.costs:
        tables.append(_table([cost_cells(cost) for cost in report.costs]))
    return "\n\n".join([*tables, *legend(report)])


def _table(rows: list[dict[str, str]]) -> str:
    ruler = ["---", *["---:"] * (len(rows[0]) - 1)]
    lines = [list(rows[0]), ruler, *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
