"""Figures and the table of measures over steps, one array each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcifar.claims.members import has_norm, setting_of
from jaxcifar.claims.statistics import standard_error
from jaxcifar.config import Run
from jaxcifar.measures import Axis, Display
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report import displays
from jaxcifar.report.binning import binned, binned_together, smoothed
from jaxcifar.report.caption import measured_how
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.style import LineStyle, norm_styles, seed_lines
from jaxcifar.report.tables import Cell, Table

QUANTILES = (0.5, 0.9, 0.99, 1.0)
Arms = list[tuple[LineStyle, list[Result]]]
"""What is drawn as one line each."""


def figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """Return a figure for every array of the kind `series`; with and without BatchNorm in one picture."""
    found = [asked[0][1] for asked in displays.of_steps(study).values()]
    return [_figure(study, display, looks, common) for display in found if display.kind == "series"]


def table(study: StudyResults) -> Table | None:
    """Return quantiles and the maximum of every measure, as a table; None without measures."""
    rows = []
    for title, (name, curvature) in _titled(study).items():
        for times_rate in (False, True) if curvature else (False,):
            shown = f"{title}, times the rate" if times_rate else title
            for member, runs in study.members.items():
                columns = [run.step_values(name) * (run.learning_rate if times_rate else 1.0) for run in runs]
                columns = [values[np.isfinite(values)] for values in columns if np.isfinite(values).any()]
                if columns:
                    # Quantiles of each seed by itself, because their error is the spread over seeds.
                    figures = [[float(np.quantile(values, q)) for values in columns] for q in QUANTILES]
                    cells = [_mean_cell(values) for values in figures]
                    rows.append([Cell(shown), Cell(study.label(member)), *cells])
    headings = ("measure", "run", "median", "90%", "99%", "maximum")
    caption = "Over all measured steps; mean ± standard error over seeds."
    if any(row[0].text.endswith("times the rate") for row in rows):
        caption += " Full-batch SGD is stable where curvature times rate is below 2(1+μ), with momentum 0.9 below 3.8."
    return Table("probes", "Measures along training", headings, rows, caption) if rows else None


def _titled(study: StudyResults) -> dict[str, tuple[str, bool]]:
    """From a title to its array and whether it is a curvature, for the arrays that are drawn."""
    found: dict[str, tuple[str, bool]] = {}
    for asked in displays.of_steps(study).values():
        for _, display in asked:
            for axis in display.axes:
                ends = (", least", ", greatest") if len(axis.arrays) > 1 else ("",)
                for end, name in zip(ends, axis.arrays, strict=True):
                    title = f"{axis.heading}{end}"
                    # Two measures of one title are told apart by their arrays.
                    known, _ = found.get(title, (name, False))
                    found[title if known == name else f"{title} ({name})"] = name, axis.curvature
    return found


def _mean_cell(values: Sequence[float]) -> Cell:
    mean = float(np.mean(values))
    error = standard_error(tuple(values)) if len(values) > 1 else 0.0
    return Cell(f"{mean:.3g}", mean, f"± {error:.2g}" if error else "")


def _figure(study: StudyResults, display: Display, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure:
    (axis,) = display.axes
    (name,) = axis.arrays
    groups = _arms(study, name, looks)
    rounding, floor = _floor(study, axis, name)
    panels = []
    for optimizer, arms in groups.items():
        text = "; ".join(f"{look.label}: median {median_of(runs, name):.3g}" for look, runs in arms)
        heading = f"{axis.heading}, {optimizer}" if optimizer else axis.heading
        heading += "; thin: the largest so far" if axis.running_maximum else ""
        alt = f"{display.title} over steps{f', {optimizer}' if optimizer else ''}. {text}."
        size = (4.4, 3.1) if len(groups) > 1 else (7.4, 3.4)
        panels.append(Panel(heading, _drawer(arms, axis, floor), alt, size))
    legend = [*dict.fromkeys(look for arms in groups.values() for look, _ in arms)]
    legend += [STABLE] if any(_shown_bounds(arms, axis) for arms in groups.values()) else []
    legend += [FLOOR] if floor else []
    rows = [
        [run.member, run.seed, array, *row]
        for run in study.runs
        for array in display.arrays
        for row in zip(*binned(run.step_values(array)), strict=True)
    ]
    # The title precedes the caption, so that a caption of the same words would repeat it.
    said = "" if display.caption == f"{display.title}." else f"{display.caption} "
    return Figure(
        name=display.name,
        title=display.title,
        caption=f"{said}{rounding}Faint: the values of every run, and least to greatest of bins of steps; line: "
        f"smoothed, over learning rates and seeds; {measured_how(study)}.",
        panels=tuple(panels),
        legend=tuple(legend),
        columns=("member", "seed", "measure", "step", "mean", "least", "greatest"),
        rows=rows,
        shows=frozenset(display.arrays),
        **common,
    )


def _floor(study: StudyResults, axis: Axis, name: str) -> tuple[str, bool]:
    """A sentence on the rounding alone, and whether it is drawn: not where it would press the lines into a corner."""
    floors = _finite(study, axis.floor) if axis.floor else np.zeros(0)
    if not len(floors):
        return "", False
    typical = float(np.median(floors))
    drawn = typical > 0.01 * float(np.median(_finite(study, name)))
    return f"Rounding alone gives {typical:.1g} (median){'' if drawn else ', below the picture'}. ", drawn


def _finite(study: StudyResults, name: str) -> np.ndarray:
    values = np.concatenate([run.step_values(name) for run in study.runs])
    return values[np.isfinite(values)]


STABLE = LineStyle("2(1+μ)/η: stable below, at each rate", "grey", "dashdot")
FLOOR = LineStyle("noise floor: rounding alone", "grey", "dotted")


def _arms(study: StudyResults, name: str, looks: dict[str, LineStyle]) -> dict[str, Arms]:
    """By optimizer, what is drawn as one line: with and without BatchNorm, or members that differ in more."""
    found: dict[str, dict[str, list[Result]]] = {}
    for run in study.runs:
        if np.isfinite(run.step_values(name)).any():
            optimizer = type(run.config.optimizer).__name__ if run.config else ""
            found.setdefault(optimizer, {}).setdefault(run.member, []).append(run)
    arms = {}
    for optimizer, members in found.items():
        arms[optimizer] = _by_norm(members) or [(looks[member], runs) for member, runs in members.items()]
    return arms


def _by_norm(members: dict[str, list[Result]]) -> Arms:
    """Without and with normalisation, learning rates and seeds together; empty where the runs differ in more.

    BatchNorm with noise after it is a network of its own, not one more run with BatchNorm.
    """
    models = [run.config.model if run.config else None for runs in members.values() for run in runs]
    networks = {_setting(run) for runs in members.values() for run in runs}
    normalised = {model for model in models if model and has_norm(model)}
    if len(networks) != 1 or None in networks or len(normalised) > 1:
        return []
    arms: dict[str, list[Result]] = {}
    for runs in members.values():
        for run in runs:
            arms.setdefault(run.config.model.norm_title if run.config else "", []).append(run)
    styles = norm_styles([*arms, *(model.norm_title for model in normalised)])
    return [(styles[norm], arms[norm]) for norm in sorted(arms)]


def _setting(run: Result) -> Run | None:
    """The settings that runs with and without normalisation have in common, None if they are unknown."""
    bare = run.config.model.without_norm() if run.config else None
    return setting_of(run.config, bare, over_rates=True) if run.config and bare else None


def _shown_bounds(arms: Arms, measure: Axis) -> list[float]:
    """The stability lines of SGD's learning rates, without those so far above that they would flatten the curves."""
    if not measure.curvature:
        return []
    highest = 100 * max(median_of(runs, measure.arrays[0]) for _, runs in arms)
    bounds = {run.config.optimizer.stable_curvature for _, runs in arms for run in runs if run.config}
    return sorted(bound for bound in bounds if bound is not None and bound <= highest)


def median_of(runs: Sequence[Result], name: str) -> float:
    """Return the median of a per-step array over runs."""
    return float(np.nanmedian(np.concatenate([run.step_values(name) for run in runs])))


def _drawer(arms: Arms, measure: Axis, floor: bool):
    (name,) = measure.arrays

    def draw(axis: Any) -> None:
        for look, runs in arms:
            _draw(axis, [run.step_values(name) for run in runs], line(look), measure.running_maximum)
            floors = [values for values in (run.step_values(measure.floor) for run in runs) if len(values)]
            if floor and floors:
                x, mean, *_ = binned_together(floors)
                style = {**line(look), "linewidth": 1.0, "linestyle": (0, (1, 1.6))}
                axis.plot(x, np.nanmedian(mean, axis=0), **style)
        for bound in _shown_bounds(arms, measure):
            axis.axhline(bound, **{**line(STABLE), "linewidth": 0.9})
        if measure.scale == "log":
            log_axis(axis)
        axis.set_xlabel("step")
        axis.margins(x=0.02)

    return draw


def _draw(axis: Any, columns: Sequence[np.ndarray], style: dict[str, Any], maximum: bool) -> None:
    x, mean, least, greatest = binned_together([values for values in columns if np.isfinite(values).any()])
    low, high = np.nanmin(least, axis=0), np.nanmax(greatest, axis=0)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0, gid=style["gid"])
    axis.plot(x, mean.T, color=style["color"], gid=style["gid"], **seed_lines(len(mean)))
    lines = np.array([smoothed(values) for values in mean])
    axis.plot(x, np.nanmean(lines, axis=0), **{**style, "linewidth": 1.5})
    if len(lines) > 1:
        edges = np.nanmin(lines, axis=0), np.nanmax(lines, axis=0)
        axis.fill_between(x, *edges, color=style["color"], alpha=0.3, linewidth=0, gid=style["gid"])
    if maximum:
        # fmax passes over NaN, which maximum would carry on; behind the end of a run nothing is drawn.
        running = np.where(np.isfinite(greatest), np.fmax.accumulate(greatest, axis=1), np.nan)
        axis.plot(x, np.nanmean(running, axis=0), **{**style, "linewidth": 0.8})
