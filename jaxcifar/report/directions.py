"""Figures of the original paper's probes: loss and gradient along a direction, and the covariate shift of layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report.binning import binned, binned_together, smoothed
from jaxcifar.report.caption import TRAINING_MODE
from jaxcifar.report.figure import Figure, Panel, line, log_axis
from jaxcifar.report.style import LineStyle

DIRECTIONS = {
    "gradient_direction": "along the gradient, from half to four times the learning rate",
    "update_direction": "along the optimizer's update, from half to four times its length",
}
BINS = 120
SEEDS = f"Median over seeds, smoothed; faint: every seed; {TRAINING_MODE}."
Arms = list[tuple[LineStyle, list[Result]]]


def figures(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> list[Figure]:
    """The figures of the directions and of the covariate shift that the records hold."""
    found = [_direction_figure(study, measure, looks, common) for measure in DIRECTIONS]
    return [figure for figure in (*found, _shift_figure(study, looks, common)) if figure]


def _networks(study: StudyResults, name: str, looks: dict[str, LineStyle]) -> dict[str, Arms]:
    """By network, what has measured `name`: its members without, with and with noisy BatchNorm."""
    found: dict[str, Arms] = {}
    for member, runs in study.members.items():
        measured = [run for run in runs if run.config and np.isfinite(run.step_values(name)).any()]
        if measured and measured[0].config:
            model = measured[0].config.model
            network = (model.without_norm() or model).title
            found.setdefault(network, []).append((looks[member], measured))
    return found


def _direction_figure(
    study: StudyResults, measure: str, looks: dict[str, LineStyle], common: dict[str, Any]
) -> Figure | None:
    """The variation of the loss, that of the gradient, and the effective β, for each network."""
    networks = _networks(study, f"{measure}/beta", looks)
    if not networks:
        return None
    panels = []
    for title, low, high in (
        ("Loss (nats an image)", "loss_low", "loss_high"),
        ("Gradient distance", "distance_low", "distance_high"),
        ("Effective β", "beta", "beta"),
    ):
        names = f"{measure}/{low}", f"{measure}/{high}"
        for network, arms in networks.items():
            medians = (f"{look.label} {_median(runs, names[1]):.3g}" for look, runs in arms)
            alt = f"{title}, {network}, over steps. Median of the greatest: {', '.join(medians)}."
            drawer = _band_drawer(arms, *names, log=low != "loss_low")
            panels.append(Panel(f"{title}, {network}", drawer, alt))
    return Figure(
        name=measure.replace("_", "-"),
        title=f"Loss and gradient {DIRECTIONS[measure]}",
        caption=f"At a measured step, on its own batch, {DIRECTIONS[measure]}: least and greatest loss; least and "
        "greatest distance of the gradient there to the one at the start (smaller: more predictive); and the effective "
        f"β, the greatest distance over the way. {SEEDS} Santurkar et al. 2018, figure 4.",
        panels=tuple(panels),
        legend=_legend(networks),
        columns=("member", "seed", "measure", "step", "mean", "least", "greatest"),
        rows=_rows(study, measure + "/"),
        **common,
    )


def _shift_figure(study: StudyResults, looks: dict[str, LineStyle], common: dict[str, Any]) -> Figure | None:
    """Distance and cosine of the gradients before and after the step of the layers below, for two layers a network."""
    networks = _networks(study, "covariate_shift/distance/output", looks)
    if not networks:
        return None
    panels = []
    for network, arms in networks.items():
        names = layers(arms[0][1][0])
        for layer in (names[len(names) // 2], names[-1]):
            for title, what in (("Distance", "distance"), ("Cosine", "cosine")):
                name = f"covariate_shift/{what}/{layer}"
                medians = (f"{look.label} {_median(runs, name):.3g}" for look, runs in arms)
                alt = f"{title} for {layer}, {network}, over steps. Median: {', '.join(medians)}."
                drawer = _band_drawer(arms, name, name, log=what == "distance")
                panels.append(Panel(f"{title}, {layer} of {network}", drawer, alt))
    return Figure(
        name="covariate-shift",
        title="Internal covariate shift",
        caption="Gradient of a layer before and after the layers below it have taken their step, on one batch: the "
        "distance of the two (0: no shift) and their cosine (1: no shift). A middle layer and the last. "
        f"{SEEDS} Santurkar et al. 2018, definition 2.1.",
        panels=tuple(panels),
        legend=_legend(networks),
        columns=("member", "seed", "measure", "step", "mean", "least", "greatest"),
        rows=_rows(study, "covariate_shift/"),
        **common,
    )


def layers(run: Result) -> list[str]:
    """The layers of a run's covariate shift, in the order of their numbers, the output last."""
    prefix = "covariate_shift/distance/"
    names = [name.removeprefix(prefix) for name in (run.records.steps if run.records else {}) if prefix in name]
    key = lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]  # noqa: E731
    return sorted(names, key=lambda name: (name == "output", key(name)))


def _legend(networks: dict[str, Arms]) -> tuple[LineStyle, ...]:
    return tuple(dict.fromkeys(look for arms in networks.values() for look, _ in arms))


def _rows(study: StudyResults, prefix: str) -> list[list[Any]]:
    return [
        [run.member, run.seed, name, *row]
        for run in study.runs
        for name in (run.records.steps if run.records else {})
        if name.startswith(prefix)
        for row in zip(*binned(run.step_values(name), BINS), strict=True)
    ]


def _median(runs: Sequence[Result], name: str) -> float:
    return float(np.nanmedian(np.concatenate([run.step_values(name) for run in runs])))


def _band_drawer(arms: Arms, low: str, high: str, log: bool) -> Callable[[Any], None]:
    def draw(axis: Any) -> None:
        for look, runs in arms:
            style = line(look)
            edges = [_seed_lines(runs, name) for name in dict.fromkeys((low, high))]
            # A diverged seed does not move the median.
            x, medians = edges[0][0], [np.nanmedian(lines, axis=0) for _, lines in edges]
            axis.fill_between(x, medians[0], medians[-1], color=style["color"], alpha=0.25, linewidth=0)
            for (_, lines), median in zip(edges, medians, strict=True):
                axis.plot(x, median, **{**style, "linewidth": 1.2})
                if len(lines) > 1:
                    # A diverged seed leaves the picture at its top, so that the others are seen.
                    whole = lines[np.isfinite(lines[:, -1])]
                    shown = np.minimum(lines, whole.max()) if whole.size else lines
                    axis.plot(x, shown.T, color=style["color"], linewidth=0.5, alpha=0.35)
        if log:
            log_axis(axis)
        axis.set_xlabel("step")
        axis.margins(x=0.02)

    return draw


def _seed_lines(runs: Sequence[Result], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps [points], and a per-step array of every seed, smoothed, [seeds, points]."""
    x, mean, *_ = binned_together([run.step_values(name) for run in runs], BINS)
    return x, np.array([smoothed(values) for values in mean])
