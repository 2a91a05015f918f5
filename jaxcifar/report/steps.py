"""Figures over steps of every probe of the landscape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcifar.claims.members import has_norm
from jaxcifar.claims.statistics import standard_error
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report.binning import binned, binned_together, smoothed
from jaxcifar.report.caption import TRAINING_MODE
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.style import BATCH_NORM, LineStyle
from jaxcifar.report.tables import Cell, Table

QUANTILES = (0.5, 0.9, 0.99, 1.0)
Arms = list[tuple[LineStyle, list[Result]]]
"""What is drawn as one line each."""
NOT_PROBES = ("loss", "accuracy")
GROUPED = ("gradient_direction", "update_direction", "covariate_shift")
"""Drawn together, in figures of their own."""
FLOORS = {"beta/same_batch": "noise_floor/beta", "gradient_distance/same_batch/all": "noise_floor/distance"}
"""What rounding alone makes of a measure."""
BATCHES = {"same_batch": "both gradients on the same batch", "cross_batch": "each gradient on its own batch"}


def probe_figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """A figure for every probe that the records hold; with and without BatchNorm in one picture."""
    alone = [name for name in probe_names(study) if not name.startswith(GROUPED)]
    return [_probe_figure(study, name, looks, common) for name in alone]


def probe_table(study: StudyResults) -> Table | None:
    """Quantiles of every probe beside its maximum, which one outlier makes; None where there are no probes."""
    rows = []
    for name in probe_names(study):
        if name.startswith("covariate_shift/"):
            # Dozens of layers: they stand in the figure's CSV.
            continue
        for member, runs in study.members.items():
            columns = [v[np.isfinite(v)] for v in (run.step_values(name) for run in runs) if np.isfinite(v).any()]
            if columns:
                figures = [[float(np.quantile(values, q)) for values in columns] for q in QUANTILES]
                cells = [_mean_cell(values) for values in figures]
                rows.append([Cell(name), Cell(study.label(member)), *cells])
    headings = ("probe", "run", "median", "90%", "99%", "maximum")
    caption = "Over all measured steps; mean ± standard error over seeds."
    return Table("probes", "Probes along training", headings, rows, caption) if rows else None


def _mean_cell(values: Sequence[float]) -> Cell:
    mean = float(np.mean(values))
    error = standard_error(tuple(values)) if len(values) > 1 else 0.0
    return Cell(f"{mean:.3g}", mean, f"± {error:.2g}" if error else "")


def probe_names(study: StudyResults) -> list[str]:
    """The probes that some run has measured."""
    named = [name for run in study.runs if run.records for name in run.records.steps if name not in NOT_PROBES]
    return [n for n in dict.fromkeys(named) if any(np.isfinite(run.step_values(n)).any() for run in study.runs)]


def _probe_figure(study: StudyResults, name: str, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure:
    title, log, maximum = _describe(name)
    groups = _arms(study, name, looks)
    floor = FLOORS.get(name) if FLOORS.get(name) in probe_names(study) else None
    panels = []
    for optimizer, arms in groups.items():
        text = "; ".join(f"{look.label}: median {_median(runs, name):.3g}" for look, runs in arms)
        alt = f"{title} over steps, {optimizer}. {text}."
        size = (4.4, 3.1) if len(groups) > 1 else (7.4, 3.4)
        drawer = _probe_drawer(arms, name, floor, log, maximum)
        panels.append(Panel(f"{_short(name)}, {optimizer}", drawer, alt, size))
    legend = tuple(dict.fromkeys(look for arms in groups.values() for look, _ in arms))
    rows = [
        [run.member, run.seed, *row] for run in study.runs for row in zip(*binned(run.step_values(name)), strict=True)
    ]
    running = " Dashed: running maximum." if maximum else ""
    running += " Dotted: the noise floor, what rounding alone makes of it." if floor else ""
    return Figure(
        name=name.replace("/", "-").replace("_", "-"),
        title=title,
        caption=f"{title}. Faint: the values of every run, and least to greatest of stretches of steps; line: "
        f"smoothed, over learning rates and seeds; {TRAINING_MODE}.{running}",
        panels=tuple(panels),
        legend=legend,
        columns=("member", "seed", "step", "mean", "least", "greatest"),
        rows=rows,
        **common,
    )


def _describe(name: str) -> tuple[str, bool, bool]:
    """Of a probe: its title, whether its axis is logarithmic, whether the running maximum is shown."""
    measure, _, rest = name.partition("/")
    batch, _, where = rest.partition("/")
    place = {"last_linear": "last linear layer, ", "all": "all parameters, "}.get(where, f"{where}, " if where else "")
    which = f"{place}{BATCHES.get(batch, batch)}"
    match measure:
        case "beta":
            return f"β-smoothness ‖g(t+1) - g(t)‖ / ‖w(t+1) - w(t)‖, {which}", True, True
        case "gradient_distance":
            return f"Distance of successive gradients ‖g(t+1) - g(t)‖, {which}", True, False
        case "noise_floor":
            what = {"beta": "distance of the gradients over the length of the step"}.get(
                batch, f"{batch} of the gradients"
            )
            return f"Noise floor: one batch in two orders, {what}", True, False
        case "gradient_cosine":
            return f"Cosine of successive gradients, {which}", False, False
        case _:
            return name, False, False


def _short(name: str) -> str:
    match name.partition("/")[0]:
        case "beta":
            return "β"
        case "gradient_distance":
            return "Gradient distance"
        case "gradient_cosine":
            return "Gradient cosine"
        case "noise_floor":
            return "Noise floor"
        case _:
            return name


def _arms(study: StudyResults, name: str, looks: dict[str, LineStyle]) -> dict[str, Arms]:
    """By optimizer, what is drawn as one line: with and without BatchNorm, or members that differ in more."""
    found: dict[str, dict[str, list[Result]]] = {}
    for run in study.runs:
        if np.isfinite(run.step_values(name)).any():
            optimizer = type(run.config.optimizer).__name__ if run.config else "unknown optimizer"
            found.setdefault(optimizer, {}).setdefault(run.member, []).append(run)
    arms = {}
    for optimizer, members in found.items():
        arms[optimizer] = _by_norm(members) or [(looks[member], runs) for member, runs in members.items()]
    return arms


def _by_norm(members: dict[str, list[Result]]) -> Arms:
    """Without and with normalisation, learning rates and seeds together; empty where the networks differ in more."""
    models = [run.config.model if run.config else None for runs in members.values() for run in runs]
    networks = {model.without_norm() if model else None for model in models}
    if len(networks) != 1 or None in networks:
        return []
    arms: dict[bool, list[Result]] = {}
    for runs in members.values():
        for run in runs:
            arms.setdefault(run.config is not None and has_norm(run.config.model), []).append(run)
    return [(BATCH_NORM[kind], arms[kind]) for kind in sorted(arms)]


def _median(runs: Sequence[Result], name: str) -> float:
    return float(np.nanmedian(np.concatenate([run.step_values(name) for run in runs])))


def _probe_drawer(arms: Arms, name: str, floor: str | None, log: bool, maximum: bool):
    def draw(axis: Any) -> None:
        for look, runs in arms:
            _draw_probe(axis, [run.step_values(name) for run in runs], line(look), maximum)
            if floor:
                x, mean, *_ = binned_together([run.step_values(floor) for run in runs])
                style = {**line(look), "linewidth": 1.0, "linestyle": (0, (1, 1.6))}
                axis.plot(x, np.nanmedian(mean, axis=0), **style)
        if log:
            log_axis(axis)
        axis.set_xlabel("step")
        axis.margins(x=0.02)

    return draw


def _draw_probe(axis: Any, columns: Sequence[np.ndarray], style: dict[str, Any], maximum: bool) -> None:
    x, mean, least, greatest = binned_together([values for values in columns if np.isfinite(values).any()])
    low, high = np.nanmin(least, axis=0), np.nanmax(greatest, axis=0)
    axis.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axis.plot(x, mean.T, color=style["color"], linewidth=0.5, alpha=0.35)
    lines = np.array([smoothed(values) for values in mean])
    axis.plot(x, np.nanmean(lines, axis=0), **{**style, "linewidth": 1.5})
    if len(lines) > 1:
        edges = np.nanmin(lines, axis=0), np.nanmax(lines, axis=0)
        axis.fill_between(x, *edges, color=style["color"], alpha=0.3, linewidth=0)
    if maximum:
        running = np.where(np.isfinite(greatest), np.fmax.accumulate(greatest, axis=1), np.nan)
        axis.plot(x, np.nanmean(running, axis=0), color=style["color"], linewidth=1.0, linestyle=(0, (4, 2)))
