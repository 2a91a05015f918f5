"""Figures of the curvature along a run: eigenvalues, spectrum, sharpness by layer, planes and the path."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar.report.caption import network_name, provenance
from jaxcifar.report.figure import Figure, Panel, line, log_axis, save
from jaxcifar.report.style import INK, Look, looks
from jaxcifar.studies.curvature import files
from jaxcifar.studies.results import Result, StudyResults, read_studies

Arrays = dict[str, np.ndarray]
Limits = tuple[float, float]
"""Least and greatest log₁₀ loss."""
ROOMY = (0.62, 0.24, 0.5, 0.32)
"""Margins of a plane, so that its ticks touch no neighbour's."""
WHERE = "on one batch of training images, BatchNorm in training mode"


def write_figures(folder: Path) -> list[Path]:
    """Draws what a run folder holds, as PNG and SVG beside the arrays; returns the PNG files."""
    (study, *_) = read_studies(folder)
    runs = tuple(run for run in study.runs if run.folder.resolve() == folder.resolve())
    study = StudyResults(study.name, study.folder, study.data, runs, study.command, study.changed, study.scale)
    place = folder / files.FOLDER
    found = figures(study, looks(list(study.members)), {"note": provenance(study).short})
    for figure in found:
        save(figure, place)
    return [place / f"{figure.name}.png" for figure in found]


def figures(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> list[Figure]:
    """Every figure for which some run of the study has stored the numbers."""
    looks = _named(study, looks)
    makers = (_eigenvalues, _density, _sharpness, _plane, _trajectory)
    return [figure for make in makers if (figure := make(study, looks, common)) is not None]


def _eigenvalues(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> Figure | None:
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
        "dashed: its line in the theory of full-batch training, at the learning rate of the step."
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


def _ends(found: dict[str, list[Arrays]], name: str, looks: dict[str, Look]) -> str:
    last = {looks[m].label: np.mean([_column(a, name)[-1][1] for a in runs if name in a]) for m, runs in found.items()}
    return "; ".join(f"{member}: {value:.3g} at the end" for member, value in last.items()) + "."


def _drawer(found: dict[str, list[Arrays]], name: str, looks: dict[str, Look]) -> Callable[[Any], None]:
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


def _density(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> Figure | None:
    found = _by_member(study, "density")
    if not found:
        return None
    panels = [
        Panel(
            looks[member].label,
            _waterfall(runs[0], line(looks[member])["color"]),
            f"Spectral density of {looks[member].label} at {len(runs[0]['steps'])} snapshots, one above another.",
            (4.4, 3.6),
        )
        for member, runs in found.items()
    ]
    caption = (
        f"Density of the Hessian's eigenvalues {WHERE}, by stochastic Lanczos quadrature, logarithmic, each snapshot "
        "above the one before it; first seed. The eigenvalue axis is linear near 0 and logarithmic beyond."
    )
    return Figure("density", "Spectrum along training, first seed", caption, tuple(panels), **common)


def _waterfall(arrays: Arrays, color: str) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        count = len(arrays["steps"])
        for index in reversed(range(count)):
            height = np.clip(np.log10(np.maximum(arrays["density"][index], 1e-30)) + 6, 0, None) / 6
            axis.fill_between(arrays["grid"][index], index, index + height, color=color, alpha=0.2, linewidth=0)
            axis.plot(arrays["grid"][index], index + height, color=color, linewidth=0.9)
        axis.set_xscale("symlog", linthresh=1.0)
        axis.set_yticks(range(count), [f"step {step:,}" for step in arrays["steps"]], fontsize=7)
        axis.set_xlabel("eigenvalue")

    return draw


def _sharpness(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> Figure | None:
    found = _by_member(study, "sharpness")
    if not found:
        return None

    def draw(axis: Any) -> None:
        for member, runs in found.items():
            steps = runs[0]["steps"]
            axis.plot(
                steps,
                np.mean([run["sharpness"].max(1) for run in runs], 0),
                marker="o",
                markersize=3,
                **line(looks[member]),
            )
        log_axis(axis)
        axis.set_xlabel("step")

    alt = "; ".join(f"{looks[m].label}: {runs[0]['sharpness'][-1].max():.3g} at the end" for m, runs in found.items())
    panel = Panel("Largest ‖w‖² λ over layers (nats)", draw, f"Scale-free sharpness. {alt}.", (7.4, 3.2))
    caption = f"‖w‖² times the largest eigenvalue of a layer's own Hessian, of the layer where it is largest, {WHERE}."
    return Figure("sharpness", "Sharpness free of scale", caption, (panel,), tuple(looks[m] for m in found), **common)


def _plane(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> Figure | None:
    found = _by_member(study, "plane")
    if not found:
        return None
    panels = []
    every = np.stack([_log_losses(runs[0]) for runs in found.values()])
    limits = float(every.min()), max(float(every.max()), float(every.min()) + 1e-3)
    for kind, make in (("contours", _plane_contours), ("surface", _surface)):
        for member, runs in found.items():
            losses = runs[0]["losses"]
            alt = f"Loss of {looks[member].label} around its end, from {losses.min():.3g} to {losses.max():.3g}."
            panels.append(Panel(f"{looks[member].label}, {kind}", make(runs[0], limits), alt, (4.4, 3.6), ROOMY))
    caption = (
        f"The loss around the last snapshot along two random filter-normalised directions (1: as long as the weights), "
        f"{WHERE}; first seed; logarithmic, one scale of colours and heights for all."
    )
    return Figure("plane", "The loss on a plane, first seed", caption, tuple(panels), **common)


def _log_losses(arrays: Arrays) -> np.ndarray:
    return np.log10(np.maximum(arrays["losses"], 1e-12))


def _plane_contours(arrays: Arrays, limits: Limits) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        _contours(arrays, limits)(axis)
        for which, name in ((axis.xaxis, "first"), (axis.yaxis, "second")):
            which.set_ticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
            which.set_label_text(f"{name} direction")

    return draw


def _contours(arrays: Arrays, limits: Limits | None = None) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        losses = _log_losses(arrays)
        levels = 24 if limits is None else np.linspace(*limits, 25)
        axis.contourf(arrays["x"], arrays["y"], losses, levels=levels, cmap="viridis", alpha=0.85)
        lines = axis.contour(arrays["x"], arrays["y"], losses, levels=8, colors=INK, linewidths=0.5)
        axis.clabel(lines, fmt=lambda value: f"{10**value:.2g}", fontsize=6.5)
        axis.grid(False)

    return draw


def _surface(arrays: Arrays, limits: Limits) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        canvas, place, title = axis.figure, axis.get_position(), axis.get_title("left") or axis.get_title()
        axis.remove()
        import mpl_toolkits.mplot3d  # noqa: F401 (registers the projection)

        solid = canvas.add_axes(place, projection="3d")
        x, y = np.meshgrid(arrays["x"], arrays["y"])
        low, high = limits
        solid.plot_surface(x, y, _log_losses(arrays), cmap="viridis", linewidth=0.1, vmin=low, vmax=high)
        solid.set_zlim(low, high)
        for set_ticks in (solid.set_xticks, solid.set_yticks):
            set_ticks([-1, 0, 1])
        solid.set_zlabel("log₁₀ loss")
        solid.set_title(title, loc="left")

    return draw


def _trajectory(study: StudyResults, looks: dict[str, Look], common: dict[str, Any]) -> Figure | None:
    found = _by_member(study, "trajectory")
    if not found:
        return None
    panels, rows = [], []
    for member, runs in found.items():
        arrays = runs[0]
        share = arrays["explained"].sum()
        title = f"{looks[member].label}, {share:.0%} explained"
        alt = (
            f"Path of {looks[member].label} in the plane of its two principal directions, {share:.1%} of its variance."
        )
        panels.append(Panel(title, _path(arrays), alt, (4.4, 3.8)))
        for row in zip(
            arrays["steps"], *arrays["coordinates"].T, arrays["off_plane"], arrays["true_losses"], strict=True
        ):
            rows.append([member, *(float(value) for value in row)])
    caption = (
        f"Contours: the loss {WHERE} in the plane of the path's two principal directions through its end; numbers at "
        "the points: the true loss of that snapshot, which lies off the plane; first seed. A random walk also puts "
        "most of its variance into two directions."
    )
    columns = ("member", "step", "first", "second", "off_plane", "true_loss")
    return Figure(
        "trajectory", "The path of training, first seed", caption, tuple(panels), columns=columns, rows=rows, **common
    )


def _path(arrays: Arrays) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        _contours(arrays)(axis)
        axis.plot(*arrays["coordinates"].T, color=INK, marker="o", markersize=3.5, linewidth=1)
        for place, loss in zip(arrays["coordinates"], arrays["true_losses"], strict=True):
            box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
            axis.annotate(f"{loss:.2f}", place, xytext=(4, 5), textcoords="offset points", fontsize=7.5, bbox=box)
        for set_label, share in zip((axis.set_xlabel, axis.set_ylabel), arrays["explained"], strict=True):
            set_label(f"principal direction ({share:.0%})")

    return draw


def _named(study: StudyResults, looks: dict[str, Look]) -> dict[str, Look]:
    """The looks under the names of the networks that were trained, which a flag may have changed."""
    runs = {member: runs[0].config for member, runs in study.members.items()}
    names = {member: network_name(config.model) for member, config in runs.items() if config}
    if len(set(names.values())) < len(names):
        return looks
    return {m: dataclasses.replace(look, label=names[m]) if m in names else look for m, look in looks.items()}


def _by_member(study: StudyResults, measure: str) -> dict[str, list[Arrays]]:
    found: dict[str, list[Arrays]] = {}
    for run in study.runs:
        arrays = _read(run, measure)
        if "steps" in arrays:
            found.setdefault(run.member, []).append(arrays)
    return found


def _read(run: Result, measure: str) -> Arrays:
    return files.read(run.folder, measure)


def _members(study: StudyResults, *measures: str) -> list[str]:
    return list(dict.fromkeys(member for measure in measures for member in _by_member(study, measure)))
