"""Figures of the loss on planes: around the end of training, and along its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxcifar.measures import Display
from jaxcifar.records.snapshots import Arrays
from jaxcifar.report.caption import TRAINING_MODE
from jaxcifar.report.displays import Found
from jaxcifar.report.figure import Draw, Figure, Panel
from jaxcifar.report.style import INK, LineStyle

Limits = tuple[float, float]
"""Least and greatest log₁₀ loss."""
ROOMY = (0.62, 0.24, 0.5, 0.32)
"""Margins of a plane, so that its ticks touch no neighbour's."""
WHERE = f"on one batch of training images, {TRAINING_MODE}"


def plane_figure(display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    """Return contours of every run's plane, and a surface of each member's first; None where no loss is finite."""
    every = np.ma.concatenate([_log_losses(arrays).ravel() for runs in found.values() for arrays in runs.values()])
    if not every.count():
        return None
    low = float(every.min())
    # Contours need increasing levels, also on a flat plane.
    limits = low, max(float(every.max()), low + 1e-3)
    runs = list(_seed_by_seed(found, looks))
    panels = [_plane_panel(f"{name}, contours", a, _plane_contours(a, limits)) for name, _, a in runs]
    panels += [_plane_panel(f"{name}, surface", a, _surface(a, limits)) for name, _, a in runs[: len(found)]]
    return Figure(display.name, display.title, f"{display.caption} The loss is {WHERE}.", tuple(panels), **common)


def _seed_by_seed(found: Found, looks: dict[str, LineStyle]) -> Iterator[tuple[str, tuple[str, int], Arrays]]:
    """Title, member with seed, and arrays of each run; the members of one seed side by side."""
    seeds = sorted({seed for runs in found.values() for seed in runs})
    for seed in seeds:
        for member, runs in found.items():
            if seed in runs:
                title = looks[member].label + (f", seed {seed}" if len(seeds) > 1 else "")
                yield title, (member, seed), runs[seed]


def _plane_panel(title: str, arrays: Arrays, draw: Draw) -> Panel:
    losses = np.ma.masked_invalid(arrays["losses"])
    alt = f"{title}: the loss around its end, from {losses.min():.3g} to {losses.max():.3g}."
    return Panel(title, draw, alt, (4.4, 3.6), ROOMY)


def _log_losses(arrays: Arrays) -> np.ma.MaskedArray:
    """A point whose loss is not finite is left out of the picture."""
    # A loss of 0 has no logarithm.
    return np.ma.log10(np.ma.maximum(np.ma.masked_invalid(arrays["losses"]), 1e-12))


def _plane_contours(arrays: Arrays, limits: Limits) -> Draw:
    def draw(axis: Any) -> None:
        _contours(arrays, limits)(axis)
        for which, name in ((axis.xaxis, "first"), (axis.yaxis, "second")):
            which.set_ticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
            which.set_label_text(f"{name} direction")

    return draw


def _contours(arrays: Arrays, limits: Limits | None = None) -> Draw:
    def draw(axis: Any) -> None:
        losses = _log_losses(arrays)
        levels = 24 if limits is None else np.linspace(*limits, 25)
        axis.contourf(arrays["x"], arrays["y"], losses, levels=levels, cmap="viridis", alpha=0.85)
        lines = axis.contour(arrays["x"], arrays["y"], losses, levels=8, colors=INK, linewidths=0.5)
        # Levels are logarithms; their labels give the loss itself.
        axis.clabel(lines, fmt=lambda value: f"{10**value:.2g}", fontsize=6.5)
        axis.grid(False)

    return draw


def _surface(arrays: Arrays, limits: Limits) -> Draw:
    def draw(axis: Any) -> None:
        canvas, place, title = axis.figure, axis.get_position(), axis.get_title("left") or axis.get_title()
        # The panel's flat axis gives way to one of another projection in its place.
        axis.remove()
        import mpl_toolkits.mplot3d  # noqa: F401 (registers the projection)

        solid = canvas.add_axes(place, projection="3d")
        x, y = np.meshgrid(arrays["x"], arrays["y"])
        low, high = limits
        solid.plot_surface(x, y, _log_losses(arrays).filled(np.nan), cmap="viridis", linewidth=0.1, vmin=low, vmax=high)
        solid.set_zlim(low, high)
        for set_ticks in (solid.set_xticks, solid.set_yticks):
            set_ticks([-1, 0, 1])
        solid.set_zlabel("log₁₀ loss")
        solid.set_title(title, loc="left", parse_math=False)

    return draw


def path_figure(display: Display, found: Found, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure:
    """Return every run's path in the plane of its two principal directions."""
    panels, rows = [], []
    for name, run, arrays in _seed_by_seed(found, looks):
        share = arrays["explained"].sum()
        alt = f"Path of {name} in the plane of its two principal directions, {share:.1%} of its variance."
        panels.append(Panel(f"{name}, {share:.0%} explained", _path(arrays), alt, (4.4, 3.8)))
        columns = arrays["steps"], *arrays["coordinates"].T, arrays["off_plane"], arrays["true_losses"]
        rows += [[*run, *(float(value) for value in row)] for row in zip(*columns, strict=True)]
    headings = ("member", "seed", "step", "first", "second", "off_plane", "true_loss")
    caption = f"{display.caption} The loss is {WHERE}."
    return Figure(display.name, display.title, caption, tuple(panels), columns=headings, rows=rows, **common)


def _path(arrays: Arrays) -> Draw:
    def draw(axis: Any) -> None:
        _contours(arrays)(axis)
        axis.plot(*arrays["coordinates"].T, color=INK, marker="o", markersize=3.5, linewidth=1)
        for place, loss in zip(arrays["coordinates"], arrays["true_losses"], strict=True):
            box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
            axis.annotate(f"{loss:.2f}", place, xytext=(4, 5), textcoords="offset points", fontsize=7.5, bbox=box)
        for set_label, share in zip((axis.set_xlabel, axis.set_ylabel), arrays["explained"], strict=True):
            set_label(f"principal direction ({share:.0%})")

    return draw
