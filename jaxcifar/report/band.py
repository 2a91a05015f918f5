"""The band of the train loss over learning rates, with and without normalisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxcifar.claims.bands import stacked_losses
from jaxcifar.claims.members import by_seed, setting_of
from jaxcifar.config import Run, labels
from jaxcifar.config.words import LOSS_UNIT
from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report.binning import binned, smoothed
from jaxcifar.report.caption import TRAINING_MODE
from jaxcifar.report.figure import Figure, Panel, line
from jaxcifar.report.style import LineStyle, norm_styles

Bands = dict[str, list[np.ndarray]]
"""Name of the normalisation, empty for none -> losses [rates, steps] of each seed."""


def band_figures(
    study: StudyResults, rates: Sequence[float], common: dict[str, Any], unit: str = LOSS_UNIT
) -> list[Figure]:
    """Return the band between the least and the greatest loss over the learning rates, a figure for each network.

    There is one where a network was trained at two rates or more with several normalisations, none included, or at
    three or more rates, all other settings equal.

    Args:
        study: the runs.
        rates: those that make the band; all where empty, or where fewer than two of a seed's are there.
        common: the figure's note and command.
        unit: of the losses.
    """
    settings: dict[Run, list[Result]] = {}
    for run in study.runs:
        bare = run.config.model.without_norm() if run.config else None
        if run.config is not None and bare is not None and len(run.step_values("loss")):
            settings.setdefault(setting_of(run.config, bare, over_rates=True), []).append(run)
    found = []
    # Networks that differ in more than their normalisation, such as their initialisation, are told apart by it.
    named = labels({str(index): setting for index, setting in enumerate(settings)}) if len(settings) > 1 else {}
    for index, runs in enumerate(settings.values()):
        norms = norm_styles(_norm(run) for run in runs)
        bands = {norm: band for norm in norms if (band := _band(runs, norm, rates))}
        if len(bands) > 1 or any(len(losses) > 2 for band in bands.values() for losses in band):
            name = f"band-{len(found) + 1}" if found else "band"
            which = named.get(str(index), "")
            found.append(_figure(name, which, bands, _shown_rates(runs, norms, rates), unit, common))
    return found


def _figure(name: str, which: str, bands: Bands, rates: Sequence[float], unit: str, common: dict[str, Any]) -> Figure:
    styles = norm_styles(bands if len(bands) > 1 else [*bands, ""])
    return Figure(
        name=name,
        title="Band of the train loss over learning rates" + (f", {which}" if which else ""),
        caption=(
            f"Least and greatest train loss over the learning rates {', '.join(f'{rate:g}' for rate in rates)} at each "
            f"step (faint), smoothed (lines), mean over seeds; {TRAINING_MODE}."
            + (f" The axis ends at {WIDE} times the median of the upper edges." if _is_wide(bands) else "")
        ),
        panels=tuple(_panel(shown, styles, unit, (7.4 if len(bands) < 3 else 3.7, 3.4)) for shown in _together(bands)),
        legend=tuple(styles[norm] for norm in bands),
        columns=("normalisation", "step", "least", "greatest"),
        shows=frozenset({"loss"}),
        rows=[[norm or "none", *row] for norm, band in bands.items() for row in zip(*_mean_band(band), strict=True)],
        **common,
    )


def _together(bands: Bands) -> list[Bands]:
    """The bands of each panel: many would cover each other, so a panel has one of them and the band without any."""
    if len(bands) < 3:
        return [bands]
    bare = {"": bands[""]} if "" in bands else {}
    return [bare | {norm: band} for norm, band in bands.items() if norm]


WIDE = 4
"""A loss that is as many times the median of the upper edges would flatten the rest; the axis ends there."""


def _is_wide(bands: Bands) -> bool:
    return max(high.max() for _, _, high in map(_mean_band, bands.values())) > _top(bands) > 0


def _top(bands: Bands) -> float:
    """The end of the axis, where a loss is above it."""
    return WIDE * max(float(np.median(high)) for _, _, high in map(_mean_band, bands.values()))


def _panel(bands: Bands, styles: dict[str, LineStyle], unit: str, size: tuple[float, float]) -> Panel:
    def draw(axis: Any) -> None:
        for norm, band in bands.items():
            _draw_band(axis, band, line(styles[norm])["color"])
        axis.set_xlabel("step")
        # Even, because the width of a band is a difference of losses, which a logarithmic axis would distort.
        lowest = min(low.min() for _, low, _ in map(_mean_band, bands.values()))
        axis.set_ylim(bottom=0 if lowest >= 0 else None, top=_top(bands) if _is_wide(bands) else None)

    ends = {norm: _ends(band) for norm, band in bands.items()}
    alt = "; ".join(f"{styles[norm].label}: between {low:.3g} and {high:.3g}" for norm, (low, high) in ends.items())
    # A narrow panel is one of several, so its title names its normalisation.
    which = "" if size[0] > 5 else ", " + ", ".join(norm for norm in bands if norm)
    return Panel(f"Train loss ({unit}){which}", draw, f"Bands of train loss. At the end {alt}.", size)


def _norm(run: Result) -> str:
    return run.config.model.norm_title if run.config else ""


def _band(runs: Sequence[Result], norm: str, rates: Sequence[float]) -> list[np.ndarray]:
    """Losses of each seed that has two rates or more."""
    return [stacked_losses(own) for own in _banded(runs, norm, rates)]


def _banded(runs: Sequence[Result], norm: str, rates: Sequence[float]) -> list[list[Result]]:
    """The runs of each seed's band."""
    chosen = [run for run in runs if _norm(run) == norm]
    seeds = [_at(own, rates) for own in by_seed(chosen).values()]
    return [own for own in seeds if len({run.learning_rate for run in own}) > 1]


def _at(runs: Sequence[Result], rates: Sequence[float]) -> list[Result]:
    chosen = [run for run in runs if run.learning_rate in rates]
    return chosen if len(chosen) > 1 else list(runs)


def _shown_rates(runs: Sequence[Result], norms: Iterable[str], rates: Sequence[float]) -> list[float]:
    return sorted({run.learning_rate for norm in norms for own in _banded(runs, norm, rates) for run in own})


def _mean_band(bands: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = min(losses.shape[1] for losses in bands)
    low = np.mean([losses.min(0)[:steps] for losses in bands], axis=0)
    high = np.mean([losses.max(0)[:steps] for losses in bands], axis=0)
    x, _, least, _ = binned(low)
    # An infinite loss has no place on the axis; it is drawn at the highest finite one.
    greatest = binned(np.where(np.isfinite(high), high, np.nanmax(high[np.isfinite(high)], initial=0.0)))[3]
    return x, least, greatest


def _ends(bands: Sequence[np.ndarray]) -> tuple[float, float]:
    _, low, high = _mean_band(bands)
    return float(smoothed(low)[-1]), float(smoothed(high)[-1])


def _draw_band(axis: Any, bands: Sequence[np.ndarray], color: str) -> None:
    x, low, high = _mean_band(bands)
    axis.fill_between(x, low, high, color=color, alpha=0.22, linewidth=0)
    for edge in (low, high):
        axis.plot(x, smoothed(edge), color=color, linewidth=1.2)
