"""Figures of the curvature along a run: eigenvalues, spectrum and sharpness by layer; `planes` has the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.records import snapshots
from jaxcifar.records.snapshots import Arrays
from jaxcifar.records.study import StudyResults
from jaxcifar.report.caption import TRAINING_MODE, provenance
from jaxcifar.report.figure import Figure, Panel, line, log_axis, save
from jaxcifar.report.line_styles import line_styles
from jaxcifar.report.planes import WHERE, path_figure, plane_figure
from jaxcifar.report.sources import gather
from jaxcifar.report.style import INK, LineStyle


def write_figures(folder: Path) -> list[Path]:
    """Draws what a run folder holds, as PNG and SVG beside the arrays; returns the PNG files."""
    (source, *_) = gather(folder)
    runs = tuple(run for run in source.results.runs if run.folder.resolve() == folder.resolve())
    study = dataclasses.replace(source.results, runs=runs)
    place = folder / snapshots.FOLDER
    found = figures(study, line_styles(study, source.words), {"note": f"{provenance(study).short}, {TRAINING_MODE}"})
    for figure in found:
        save(figure, place)
    return [place / f"{figure.name}.png" for figure in found]


def figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """Every figure for which some run of the study has stored the numbers."""
    makers = (_eigenvalues, _density, _sharpness, plane_figure, path_figure)
    found = [figure for make in makers if (figure := make(study, looks, common)) is not None]
    return [_with_images(figure, study) for figure in found]


def _with_images(figure: Figure, study: StudyResults) -> Figure:
    """A figure that says how many training images its loss is that of."""
    every = (runs for measure in snapshots.MEASURES for runs in _by_member(study, measure).values())
    numbers = sorted({int(arrays["images"]) for runs in every for arrays in runs if "images" in arrays})
    if not numbers:
        return figure
    where = f"measured on {' or '.join(f'{number:,}' for number in numbers)} images"
    return dataclasses.replace(
        figure, note=f"{figure.note}, {where}", caption=f"{figure.caption} {where.capitalize()}."
    )


def _eigenvalues(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    shown = (
        ("eigenvalues", "top", "Largest eigenvalue"),
        ("eigenvalues", "bottom", "Smallest eigenvalue"),
        ("eigenvalues", "stability", "Against the stability line"),
        ("trace", "mean", "Trace"),
    )
    panels, rows = [], []
    for measure, name, title in shown:
        found = _by_member(study, measure)
        if any(name in arrays for runs in found.values() for arrays in runs):
            panels.append(Panel(title, _drawer(found, name, looks), f"{title} over steps. {_ends(found, name, looks)}"))
            rows += [[m, name, *row] for m, runs in found.items() for a in runs for row in _column(a, name)]
    if not panels:
        return None
    caption = (
        f"Of the Hessian {WHERE}, at snapshots of training. Bars: the residual ‖Hv - λv‖, or the trace's standard "
        "error. The third panel: what decides stability for the optimizer (for Adam the preconditioned Hessian); "
        "dashed: its line in the theory of full-batch training, at the learning rate of the step (only SGD and Adam "
        "have one)."
    )
    legend = tuple(looks[member] for member in _members(study, "eigenvalues", "trace"))
    columns = ("member", "measure", "step", "value", "error")
    return Figure(
        "eigenvalues", "Curvature along training", caption, tuple(panels), legend, columns=columns, rows=rows, **common
    )


def _column(arrays: Arrays, name: str) -> list[tuple[float, float, float]]:
    """Step, value and its error."""
    values = arrays[name] if arrays[name].ndim == 1 else arrays[name][:, 0]
    error = (
        arrays["standard_error"] if name == "mean" else arrays.get(f"{name}_residual", arrays.get(f"{name}_residuals"))
    )
    error = np.zeros_like(values) if error is None else error if error.ndim == 1 else error[:, 0]
    return list(zip(arrays["steps"].tolist(), values.tolist(), error.tolist(), strict=True))


def _ends(found: dict[str, list[Arrays]], name: str, looks: dict[str, LineStyle]) -> str:
    last = {looks[m].label: np.mean([_column(a, name)[-1][1] for a in runs if name in a]) for m, runs in found.items()}
    return "; ".join(f"{member}: {value:.3g} at the end" for member, value in last.items()) + "."


def _drawer(found: dict[str, list[Arrays]], name: str, looks: dict[str, LineStyle]) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for member, runs in found.items():
            for arrays in runs:
                if name in arrays:
                    steps, values, errors = np.array(_column(arrays, name)).T
                    axis.errorbar(steps, values, errors, marker="o", markersize=3, **line(looks[member]))
                if name == "stability" and "threshold" in arrays:
                    axis.plot(arrays["steps"], arrays["threshold"], color=INK, linewidth=1, linestyle=(0, (4, 2)))
        if name in ("top", "stability"):
            log_axis(axis)
        axis.set_xlim(left=0)
        axis.set_xlabel("step")

    return draw


def _density(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    found = _at_shared_steps(_by_member(study, "density"))
    if not found:
        return None
    panels = [
        Panel(
            looks[member].label,
            _waterfall(runs, line(looks[member])["color"]),
            f"Spectral density of {looks[member].label} at {len(runs[0]['steps'])} snapshots, one above another.",
            (4.4, 3.6),
        )
        for member, runs in found.items()
    ]
    caption = (
        f"Density of the Hessian's eigenvalues {WHERE}, by stochastic Lanczos quadrature, logarithmic, each snapshot "
        "above the one before it, one line a seed. The eigenvalue axis is linear near 0 and logarithmic beyond."
    )
    return Figure("density", "Spectrum along training", caption, tuple(panels), **common)


def _waterfall(runs: list[Arrays], color: str) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        steps = runs[0]["steps"]
        for index in reversed(range(len(steps))):
            for arrays in runs:
                height = np.clip(np.log10(np.maximum(arrays["density"][index], 1e-30)) + 6, 0, None) / 6
                grid, fill = arrays["grid"][index], 0.2 / len(runs)
                axis.fill_between(grid, index, index + height, color=color, alpha=fill, linewidth=0)
                axis.plot(grid, index + height, color=color, linewidth=0.9, alpha=0.9 if len(runs) == 1 else 0.6)
        axis.set_xscale("symlog", linthresh=1.0)
        axis.set_yticks(range(len(steps)), [f"step {step:,}" for step in steps], fontsize=7)
        axis.set_xlabel("eigenvalue")

    return draw


def _sharpness(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    found = _at_shared_steps(_by_member(study, "sharpness"))
    if not found:
        return None
    columns = {member: np.stack([run["sharpness"].max(1) for run in runs]) for member, runs in found.items()}

    def draw(axis: Any) -> None:
        for member, values in columns.items():
            steps, style = found[member][0]["steps"], line(looks[member])
            axis.plot(steps, values.mean(0), marker="o", markersize=3, **style)
            axis.fill_between(steps, values.min(0), values.max(0), color=style["color"], alpha=0.15, linewidth=0)
        log_axis(axis)
        axis.set_xlim(left=0)
        axis.set_xlabel("step")

    alt = "; ".join(f"{looks[m].label}: {values[:, -1].mean():.3g} at the end" for m, values in columns.items())
    panel = Panel("Largest ‖w‖² λ over layers (nats)", draw, f"Scale-free sharpness. {alt}.", (7.4, 3.2))
    caption = (
        f"‖w‖² times the largest eigenvalue of a layer's own Hessian, of the layer where it is largest, {WHERE}; mean "
        "and range over seeds."
    )
    rows = [
        [member, float(step), *(float(f(values[:, i])) for f in (np.mean, np.min, np.max))]
        for member, values in columns.items()
        for i, step in enumerate(found[member][0]["steps"])
    ]
    headings = ("member", "step", "mean", "least", "greatest")
    legend = tuple(looks[m] for m in found)
    return Figure(
        "sharpness", "Sharpness free of scale", caption, (panel,), legend, columns=headings, rows=rows, **common
    )


def _by_member(study: StudyResults, measure: str) -> dict[str, list[Arrays]]:
    """A measure's arrays of each member, seed after seed."""
    return {member: list(runs.values()) for member, runs in snapshots.by_member(study, measure).items()}


def _at_shared_steps(found: dict[str, list[Arrays]]) -> dict[str, list[Arrays]]:
    """Each member's arrays at the snapshots that all its seeds have; without a member whose seeds share none."""
    shared = {m: set.intersection(*(set(a["steps"].tolist()) for a in runs)) for m, runs in found.items()}
    return {m: [_at(arrays, shared[m]) for arrays in runs] for m, runs in found.items() if shared[m]}


def _at(arrays: Arrays, steps: set[int]) -> Arrays:
    kept = np.isin(arrays["steps"], list(steps))
    return {name: values[kept] if values.ndim else values for name, values in arrays.items()}


def _members(study: StudyResults, *measures: str) -> list[str]:
    return list(dict.fromkeys(member for measure in measures for member in _by_member(study, measure)))
