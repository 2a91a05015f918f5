"""The gradient's way through the layers of plain and residual networks (study 1.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcifar.claims.quantities import SMALLEST
from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.style import LineStyle
from jaxcifar.report.tables import Cell, Table

Measured = dict[str, dict[int, tuple[list[str], np.ndarray]]]
"""By member and epoch: layers in the order they are applied, and the norms of their gradients, mean over seeds."""


def gradient_figure(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    """Return the figure of every layer's gradient norm, a panel for each measured epoch; None where there is none."""
    measured = _measured(study, "convolution", "linear")
    if not measured:
        return None
    panels = []
    for epoch in _epochs(measured):
        ends = [
            f"{looks[m].label} {v[epoch][1][0]:.2g} to {v[epoch][1][-1]:.2g}" for m, v in measured.items() if epoch in v
        ]
        alt = f"Gradient norm from the first to the last layer {_when(epoch)}: {'; '.join(ends)}."
        panels.append(Panel(f"Norm of the gradient {_when(epoch)}", _drawer(measured, looks, epoch), alt))
    rows = [
        [member, epoch, name, norm]
        for member, by_epoch in measured.items()
        for epoch, (names, norms) in by_epoch.items()
        for name, norm in zip(names, norms, strict=True)
    ]
    return Figure(
        name="gradients",
        title="The gradient's way through the layers",
        caption=(
            "Norm of the gradient of the loss in each layer's kernel, on one batch in training mode. Plain networks "
            "are the residual ones without the additions."
        ),
        panels=tuple(panels),
        legend=tuple(looks[member] for member in measured),
        columns=("member", "epoch", "layer", "norm"),
        rows=rows,
        shows=frozenset({"gradients"}),
        **common,
    )


def ratio_table(study: StudyResults) -> Table | None:
    """Return the norm in the first convolution over that in the last, by member and epoch; None without any."""
    measured = _measured(study, "convolution")
    if not measured:
        return None
    rows = []
    for member, by_epoch in measured.items():
        ratios = [_ratio(by_epoch[epoch]) if epoch in by_epoch else np.nan for epoch in _epochs(measured)]
        rows.append([Cell(study.label(member)), *(Cell("-" if np.isnan(r) else f"{r:.3g}", r) for r in ratios)])
    columns = ("run", *(_when(epoch) for epoch in _epochs(measured)))
    title = "Gradient of the first convolution over that of the last"
    return Table(
        "gradient-ratios", title, columns, rows, "Ratio of norms: below 1, the gradient shrinks on its way back."
    )


def _ratio(measured: tuple[list[str], np.ndarray]) -> float:
    _, norms = measured
    # As the claims do: what is below float32's range enters as its smallest number.
    return float(max(norms[0], SMALLEST) / max(norms[-1], SMALLEST))


def _measured(study: StudyResults, *roles: str) -> Measured:
    """Gradient norms of the layers with these roles, which leave out the shortcuts."""
    found: Measured = {}
    for member, runs in study.members.items():
        seeds = [norms for run in runs if (norms := pictures.read_gradients(run.folder, *roles))]
        for epoch in sorted(set.intersection(*(set(norms) for norms in seeds))) if seeds else []:
            layers = list(seeds[0][epoch])
            if layers:  # a network without convolutions has none
                values = np.mean([[norms[epoch][name] for name in layers] for norms in seeds], axis=0)
                found.setdefault(member, {})[epoch] = layers, values
    return found


def _epochs(measured: Measured) -> list[int]:
    return sorted({epoch for by_epoch in measured.values() for epoch in by_epoch})


def _when(epoch: int) -> str:
    return "at initialisation" if epoch == 0 else f"after epoch {epoch}"


def _drawer(measured: Measured, looks: dict[str, LineStyle], epoch: int) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for member, by_epoch in measured.items():
            if epoch in by_epoch:
                norms = by_epoch[epoch][1]
                # By relative depth, so that networks of several depths share one axis.
                axis.plot(np.linspace(0, 1, len(norms)), norms, **{**line(looks[member]), "linewidth": 1.3})
        log_axis(axis)
        axis.set_xticks([0, 0.5, 1], ["first layer", "middle", "last layer"])

    return draw
