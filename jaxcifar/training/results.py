"""What `jaxcifar.train` returns: a run's records that load their network and show themselves in a notebook."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxcifar.config import Run
from jaxcifar.records import Records
from jaxcifar.training.trained import Trained, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 240, 60
LAST = {"train_loss": "last train loss", "test_loss": "last test loss"}


@dataclass(frozen=True)
class Results(Records[Run]):
    """The records of a run, with its network."""

    @classmethod
    def of(cls, records: Records[Run], run: Run) -> Results:
        """Return the records of a run with these methods, and with the run itself, which holds a user's own code."""
        return cls(**{**vars(records), "config": run})

    def load(self, step: int | None = None, *, average: bool = False) -> Trained:
        """Return the trained network; see `jaxcifar.load`. A network of your own needs no second mention here."""
        found = load(self.folder, step, self.config.model if self.config else None, average=average)
        if self.config is None:
            return found
        # A record does not hold the code of a user's own loss and arrays, but this run does.
        own = dataclasses.replace(found.config, loss=self.config.loss, data=self.config.data)
        return dataclasses.replace(found, config=own)

    def plot(self) -> Figure:
        """Return a figure of losses and accuracies after each epoch."""
        # Not pyplot, which would choose a backend and keep the figure.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3), layout="constrained")
        for axis, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            for split in ("train", "test"):
                points = [(row["epoch"], row.get(f"{split}_{what}")) for row in self.metrics]
                shown = [(epoch, value) for epoch, value in points if value is not None]
                axis.plot([epoch for epoch, _ in shown], [value for _, value in shown], marker=".", label=split)
            axis.set_xlabel("epoch")
            axis.set_title(what)
            axis.legend()
        return figure

    def _repr_html_(self) -> str:
        name = html.escape(self.config.name if self.config else self.folder.name)
        title = html.escape(self.config.model.title) if self.config else ""
        curves = [_line([row.get(f"{split}_loss") for row in self.metrics]) for split in ("train", "test")]
        # Orange and blue of Okabe and Ito, which colour-blind readers can tell apart.
        drawn = "".join(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>'
            for points, color in zip(_scaled(curves), ("#d55e00", "#0072b2"), strict=True)
            if points
        )
        best, last = self.summary.get("best") or {}, self.summary.get("last") or {}
        figures = [f"{words} {last[key]:.4g}" for key, words in LAST.items() if _has(last, key)]
        if _has(best, "test_accuracy"):
            figures.insert(0, f"best test accuracy {best['test_accuracy']:.2%} (epoch {best['epoch']})")
        text = " · ".join((self.status or "not finished", *figures))
        return (
            f"<div><b>{name}</b> {title}<br>"
            f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="train loss (orange) and test loss (blue)">'
            f"{drawn}</svg><br>{html.escape(text)}</div>"
        )


def _has(figures: dict[str, Any], name: str) -> bool:
    return isinstance(figures.get(name), int | float)


def _line(values: Sequence[Any]) -> list[tuple[int, float]]:
    return [(index, float(value)) for index, value in enumerate(values) if isinstance(value, int | float)]


def _scaled(lines: Sequence[list[tuple[int, float]]]) -> list[str]:
    """Each line as the points of a polyline, both on the same axes."""
    points = [point for line in lines for point in line]
    if not points:
        return [""] * len(lines)
    low, high = min(y for _, y in points), max(y for _, y in points)
    right, span = max(x for x, _ in points) or 1, (high - low) or 1

    def place(x: int, y: float) -> str:
        return f"{4 + x / right * (WIDTH - 8):.1f},{HEIGHT - 4 - (y - low) / span * (HEIGHT - 8):.1f}"

    return [" ".join(place(*point) for point in line) for line in lines]
