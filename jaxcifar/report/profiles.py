"""Figures of what is measured along the network, or along another axis, at one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcifar.measures import Axis, Display
from jaxcifar.report.displays import Found
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.style import LineStyle, seed_lines


def profile_figure(
    display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]
) -> Figure | None:
    """Return the figure of arrays [snapshots, positions] at the first snapshot; None where no run has one."""
    panels, rows = [], []
    for axis in display.axes:
        (name,) = axis.arrays
        lines = {
            member: [arrays[name][0] for arrays in runs.values() if name in arrays] for member, runs in found.items()
        }
        lines = {member: values for member, values in lines.items() if values}
        if lines:
            ends = (f"{looks[m].label} {_mean(v)[0]:.3g} to {_mean(v)[-1]:.3g}" for m, v in lines.items())
            alt = f"{axis.title} by {axis.across}. {'; '.join(ends)}."
            panels.append(Panel(axis.heading, _drawer(lines, axis, looks), alt, (7.4, 3.4)))
        rows += [
            [member, seed, int(step), name, position, value]
            for member, runs in found.items()
            for seed, arrays in runs.items()
            for step, values in zip(arrays["steps"], arrays.get(name, ()), strict=False)
            for position, value in enumerate(values.tolist())
        ]
    if not panels:
        return None
    first = sorted({int(arrays["steps"][0]) for runs in found.values() for arrays in runs.values()})
    when = "at initialisation" if first == [0] else f"at step {' and '.join(map(str, first))}"
    return Figure(
        name=display.name,
        title=f"{display.title}, {when}",
        caption=f"{display.caption} Line: mean over seeds; faint: every seed.",
        panels=tuple(panels),
        legend=tuple(looks[member] for member in found),
        columns=("member", "seed", "step", "measure", "position", "value"),
        rows=rows,
        **common,
    )


def _mean(seeds: list[np.ndarray]) -> np.ndarray:
    return np.mean(seeds, axis=0)


def _drawer(lines: dict[str, list[np.ndarray]], measure: Axis, looks: dict[str, LineStyle]) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for member, seeds in lines.items():
            x, style = np.linspace(0, 1, len(seeds[0])), line(looks[member])
            if len(seeds) > 1:
                axis.plot(x, np.transpose(seeds), **{**style, **seed_lines(len(seeds))})
            axis.plot(x, _mean(seeds), **{**style, "linewidth": 1.4})
        if measure.scale == "log":
            log_axis(axis)
        axis.set_xlabel(measure.across)
        axis.margins(x=0.02)

    return draw
