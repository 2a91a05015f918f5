"""Loss and accuracy over epochs, as one PNG."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcifar.records import Records

# Okabe and Ito's colours, told apart with every kind of colour blindness.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31", "#7F7F7F", "#A50F15")

PANELS = (
    ("train_loss", "train loss [nats per image]"),
    ("test_loss", "test loss [nats per image]"),
    ("train_accuracy", "train accuracy [%]"),
    ("test_accuracy", "test accuracy [%]"),
)


def draw_curves(runs: Sequence[Records], path: Path) -> Path | None:
    """Draws the epoch figures of runs; several seeds of one member become a mean with a band from least to greatest.

    Args:
        runs: records to draw, of one data set; those without a finished epoch are left out.
        path: the PNG to write.

    Returns:
        The path, or None if no run has an epoch to show.
    """
    runs = [run for run in runs if run.metrics]
    if not runs:
        return None
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    members: dict[str, list[Records]] = defaultdict(list)
    for run in runs:
        members[run.config.name if run.config else run.folder.name].append(run)
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), sharex=True, layout="constrained")
    for axis, (key, label) in zip(axes.flat, PANELS, strict=True):
        for color, (name, seeds) in zip(_cycle(len(members)), members.items(), strict=True):
            _draw_member(axis, seeds, key, color, name)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.xaxis.get_major_locator().set_params(integer=True)
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    if len(members) > 1:
        axes[0, 1].legend(fontsize="small")
    figure.suptitle(_title(runs, members))
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _draw_member(axis, seeds: list[Records], key: str, color: str, name: str) -> None:
    scale = 100.0 if key.endswith("accuracy") else 1.0
    shortest = min(len(run.metrics) for run in seeds)
    values = np.array([[_float(row[key]) * scale for row in run.metrics[:shortest]] for run in seeds])
    epochs = [row["epoch"] for row in seeds[0].metrics[:shortest]]
    axis.plot(epochs, values.mean(axis=0), color=color, marker="o" if shortest < 15 else None, markersize=4, label=name)
    if len(seeds) > 1:
        axis.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _cycle(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def _title(runs: list[Records], members: dict[str, list[Records]]) -> str:
    """Names the member where there is one, the data set, its size and the seeds."""
    names = sorted({run.environment["data"]["name"] for run in runs if run.environment})
    sizes = sorted({run.config.data.train_size for run in runs if run.config and run.config.data.train_size})
    part = f" ({', '.join(f'{size:,}' for size in sizes)} training images)" if sizes else ""
    seeds = max(len(group) for group in members.values())
    who = f"{next(iter(members))}, " if len(members) == 1 else ""
    return f"{who}{', '.join(names)}{part}" + (f", {seeds} seeds" if seeds > 1 else "")
