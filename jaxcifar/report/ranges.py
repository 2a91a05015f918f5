"""Figures of measures that fill a range at each step, a panel per network: along a direction, or layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxcifar.measures import Axis, Display
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report import displays
from jaxcifar.report.binning import binned, binned_together, smoothed
from jaxcifar.report.caption import TRAINING_MODE
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.series import Arms, median_of
from jaxcifar.report.style import LineStyle, seed_lines

BINS = 120
SEEDS = f"Median over seeds, smoothed; faint: every seed; {TRAINING_MODE}."


def figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """Return a figure for every display of the kind `range`."""
    asked = displays.of_steps(study).values()
    return [_figure(study, rows, looks, common) for rows in asked if rows[0][1].kind == "range"]


def _figure(
    study: StudyResults, asked: Sequence[tuple[Result, Display]], looks: dict[str, LineStyle], common: dict[str, Any]
) -> Figure:
    networks = _networks([run for run, _ in asked], looks)
    own = {(run.member, run.seed): display for run, display in asked}
    panels = []
    for network, arms in networks.items():
        for axis in own[arms[0][1][0].member, arms[0][1][0].seed].axes:
            medians = (f"{look.label} {median_of(runs, axis.arrays[-1]):.3g}" for look, runs in arms)
            alt = f"{axis.heading}, {network}, over steps. Median of the greatest: {', '.join(medians)}."
            panels.append((axis.heading, Panel(f"{axis.heading}, {network}", _drawer(arms, axis), alt)))
    display = asked[0][1]
    order = list(dict.fromkeys(heading for heading, _ in panels))
    return Figure(
        name=display.name,
        title=display.title,
        caption=f"{display.caption} {SEEDS}",
        # Panels of one quantity lie side by side, one for each network.
        panels=tuple(panel for _, panel in sorted(panels, key=lambda item: order.index(item[0]))),
        legend=_legend(networks),
        columns=("member", "seed", "measure", "step", "mean", "least", "greatest"),
        rows=_rows(asked),
        shows=frozenset(name for _, each in asked for name in each.arrays),
        **common,
    )


def _networks(runs: Sequence[Result], looks: dict[str, LineStyle]) -> dict[str, Arms]:
    """By network, its members without, with and with noisy BatchNorm."""
    members: dict[str, list[Result]] = {}
    for run in runs:
        members.setdefault(run.member, []).append(run)
    found: dict[str, Arms] = {}
    for member, measured in members.items():
        config = measured[0].config
        network = (config.model.without_norm() or config.model).title if config else "unknown network"
        found.setdefault(network, []).append((looks[member], measured))
    return found


def _legend(networks: dict[str, Arms]) -> tuple[LineStyle, ...]:
    return tuple(dict.fromkeys(look for arms in networks.values() for look, _ in arms))


def _rows(asked: Sequence[tuple[Result, Display]]) -> list[list[Any]]:
    return [
        [run.member, run.seed, name, *row]
        for run, display in asked
        for name in display.arrays
        for row in zip(*binned(run.step_values(name), BINS), strict=True)
    ]


def _drawer(arms: Arms, measure: Axis) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for look, runs in arms:
            style = line(look)
            edges = [_seed_lines(runs, name) for name in measure.arrays]
            # A diverged seed does not move the median.
            x, medians = edges[0][0], [np.nanmedian(lines, axis=0) for _, lines in edges]
            axis.fill_between(
                x, medians[0], medians[-1], color=style["color"], alpha=0.25, linewidth=0, gid=style["gid"]
            )
            for (_, lines), median in zip(edges, medians, strict=True):
                axis.plot(x, median, **{**style, "linewidth": 1.2})
                if len(lines) > 1:
                    # A diverged seed leaves the picture at its top, so that the others are seen.
                    whole = lines[np.isfinite(lines[:, -1])]
                    shown = np.minimum(lines, whole.max()) if whole.size else lines
                    axis.plot(x, shown.T, color=style["color"], **seed_lines(len(shown)))
        if measure.scale == "log":
            log_axis(axis)
        axis.set_xlabel("step")
        axis.margins(x=0.02)

    return draw


def _seed_lines(runs: Sequence[Result], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps [points], and a per-step array of every seed, smoothed, [seeds, points]."""
    x, mean, *_ = binned_together([run.step_values(name) for run in runs], BINS)
    return x, np.array([smoothed(values) for values in mean])
