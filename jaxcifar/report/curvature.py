"""Figures of what is measured at snapshots: points over steps and spectra; `planes` has planes and paths."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from jaxcifar.measures import Axis, Display
from jaxcifar.records import snapshots
from jaxcifar.records.snapshots import Arrays
from jaxcifar.records.study import StudyResults
from jaxcifar.report import displays
from jaxcifar.report.caption import TRAINING_MODE, provenance
from jaxcifar.report.displays import Found
from jaxcifar.report.figure import Figure, Panel, line, log_axis, save
from jaxcifar.report.line_styles import line_styles
from jaxcifar.report.planes import WHERE, path_figure, plane_figure
from jaxcifar.report.profiles import profile_figure
from jaxcifar.report.sources import gather
from jaxcifar.report.style import LineStyle

BOUND = LineStyle("stability line", "grey", "dashed")


def write_figures(folder: Path) -> list[Path]:
    """Draw the measures of a run folder into the folder of their arrays, as PNG and SVG; return the PNG files."""
    (source, *_) = gather(folder)
    runs = tuple(run for run in source.results.runs if run.folder.resolve() == folder.resolve())
    study = dataclasses.replace(source.results, runs=runs)
    place = folder / snapshots.FOLDER
    found = figures(study, line_styles(study, source.words), {"note": f"{provenance(study).short}, {TRAINING_MODE}"})
    for figure in found:
        save(figure, place)
    return [place / f"{figure.name}.png" for figure in found]


def figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """Return every figure for which some run of the study has stored the numbers."""
    found = []
    for measure, display in displays.at_snapshots(study):
        arrays = displays.by_member(study, measure)
        figure = _figure(display, arrays, looks, common) if arrays else None
        if figure is not None:
            shows = frozenset(f"{measure}/{name}" for name in display.arrays)
            found.append(dataclasses.replace(_with_images(figure, arrays), shows=shows))
    return found


def _figure(display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    match display.kind:
        case "points":
            return _points(display, found, looks, common)
        case "profile":
            return profile_figure(display, found, looks, common)
        case "spectrum":
            return _spectrum(display, found, looks, common)
        case "plane":
            return plane_figure(display, found, looks, common)
        case "path":
            return path_figure(display, found, looks, common)
        case "series" | "range":
            return None  # over steps, not at snapshots
        case _:
            assert_never(display.kind)


def _with_images(figure: Figure, found: Found) -> Figure:
    """A figure that says how many training images its loss is that of."""
    every = (arrays for runs in found.values() for arrays in runs.values())
    numbers = sorted({int(arrays["images"]) for arrays in every if "images" in arrays})
    if not numbers:
        return figure
    where = f"measured on {' or '.join(f'{number:,}' for number in numbers)} images"
    return dataclasses.replace(
        figure, note=f"{figure.note}, {where}", caption=f"{figure.caption} {where.capitalize()}."
    )


def _points(display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    panels, rows, bound = [], [], False
    for axis in display.axes:
        (name,) = axis.arrays
        if any(name in arrays for runs in found.values() for arrays in runs.values()):
            alt = f"{axis.title} over steps. {_ends(found, axis, looks)}"
            size = (4.4, 2.9) if len(display.axes) > 1 else (7.4, 3.2)
            panels.append(Panel(axis.heading, _drawer(found, axis, looks), alt, size))
            rows += [
                [member, seed, name, *row]
                for member, runs in found.items()
                for seed, arrays in runs.items()
                for row in _column(arrays, axis)
            ]
            bound |= bool(axis.threshold)
    if not panels:
        return None
    return Figure(
        name=display.name,
        title=display.title,
        caption=f"{display.caption} Each seed by itself, {WHERE}.",
        panels=tuple(panels),
        legend=(*(looks[member] for member in found), *([BOUND] if bound else [])),
        columns=("member", "seed", "measure", "step", "value", "error"),
        rows=rows,
        **common,
    )


def _column(arrays: Arrays, axis: Axis) -> list[tuple[float, float, float]]:
    """Step, value and its error."""
    (name,) = axis.arrays
    if name not in arrays:
        return []
    pick = (lambda table: table.max(1)) if axis.largest else (lambda table: table[:, 0])
    values = arrays[name] if arrays[name].ndim == 1 else pick(arrays[name])
    error = arrays[axis.error] if axis.error in arrays else np.zeros_like(values)
    error = error if error.ndim == 1 else error[:, 0]
    return list(zip(arrays["steps"].tolist(), values.tolist(), error.tolist(), strict=True))


def _ends(found: Found, axis: Axis, looks: dict[str, LineStyle]) -> str:
    columns = {m: [_column(arrays, axis) for arrays in runs.values()] for m, runs in found.items()}
    last = {m: np.mean([rows[-1][1] for rows in runs if rows]) for m, runs in columns.items() if any(runs)}
    return "; ".join(f"{looks[member].label}: {value:.3g} at the end" for member, value in last.items()) + "."


def _drawer(found: Found, measure: Axis, looks: dict[str, LineStyle]) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for member, runs in found.items():
            for arrays in runs.values():
                rows = _column(arrays, measure)
                if rows:
                    steps, values, errors = np.array(rows).T
                    shown = errors if measure.error else None
                    axis.errorbar(steps, values, shown, marker="o", markersize=3, **line(looks[member]))
                if rows and measure.threshold in arrays:
                    axis.plot(arrays["steps"], arrays[measure.threshold], **{**line(BOUND), "linewidth": 1})
        if measure.scale == "log":
            log_axis(axis)
        axis.margins(x=0.02)
        axis.set_xlabel("step")

    return draw


def _spectrum(display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    shared = _at_shared_steps({member: list(runs.values()) for member, runs in found.items()})
    if not shared:
        return None
    panels = [
        Panel(
            looks[member].label,
            _waterfall(runs, line(looks[member])["color"]),
            f"{display.title} of {looks[member].label} at {len(runs[0]['steps'])} snapshots, one above another.",
            (4.4, 3.6),
        )
        for member, runs in shared.items()
    ]
    return Figure(
        display.name, display.title, f"{display.caption} One line per seed, {WHERE}.", tuple(panels), **common
    )


def _waterfall(runs: list[Arrays], color: str) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        steps = runs[0]["steps"]
        # From the top down, so that the peaks of a lower spectrum stay in front of the one above it.
        for index in reversed(range(len(steps))):
            for arrays in runs:
                # The distance between two snapshots shows six decades, from a density of 10⁻⁶ to 1.
                height = np.clip(np.log10(np.maximum(arrays["density"][index], 1e-30)) + 6, 0, None) / 6
                grid, fill = arrays["grid"][index], 0.2 / len(runs)
                axis.fill_between(grid, index, index + height, color=color, alpha=fill, linewidth=0)
                axis.plot(grid, index + height, color=color, linewidth=0.9, alpha=0.9 if len(runs) == 1 else 0.6)
        # Eigenvalues have both signs and many orders of magnitude; a plain logarithm has no place for 0.
        axis.set_xscale("symlog", linthresh=1.0)
        axis.set_yticks(range(len(steps)), [f"step {step:,}" for step in steps], fontsize=7)
        axis.set_xlabel("eigenvalue")

    return draw


def _at_shared_steps(found: dict[str, list[Arrays]]) -> dict[str, list[Arrays]]:
    """Each member's arrays at the snapshots that all its seeds have; without a member whose seeds share none."""
    shared = {m: set.intersection(*(set(a["steps"].tolist()) for a in runs)) for m, runs in found.items()}
    return {m: [_at(arrays, shared[m]) for arrays in runs] for m, runs in found.items() if shared[m]}


def _at(arrays: Arrays, steps: set[int]) -> Arrays:
    kept = np.isin(arrays["steps"], list(steps))
    # A single number, such as the number of images, belongs to all snapshots.
    return {name: values[kept] if values.ndim else values for name, values in arrays.items()}
