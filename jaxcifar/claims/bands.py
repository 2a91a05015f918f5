"""Quantities of a network at several learning rates at once: the band of its losses, and the rates that are usable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxcifar.claims.evidence import Missing
from jaxcifar.claims.members import (
    LOSS_UNIT,
    by_seed,
    check_whole,
    learning_rate,
    loss_unit,
    setting_of_band,
    train_loss_of,
)
from jaxcifar.claims.quantities import words_of
from jaxcifar.config import Run
from jaxcifar.records.study import Result, StudyResults


@dataclass(frozen=True)
class Band:
    """A figure of the runs of one seed at several learning rates."""

    name: str
    of: Callable[[Sequence[Result]], float]
    unit: str = ""
    rates: tuple[float, ...] | None = None
    """The rates that count; all, two or more, where None."""
    log: bool = False
    resolution: float = 0.0
    smoothness: bool = False
    of_diverged: bool = False
    """A rate that diverged is part of it; else a seed with such a rate does not enter."""
    share: float = 1.0
    seconds: bool = False
    record: str = "loss"
    """As in `Quantity`; the losses of all steps are what the figure of a band shows."""

    def values(self, runs: Sequence[Result]) -> tuple[float, ...]:
        """Return the figure of each seed.

        Raises:
            Missing: a seed lacks a rate.
        """
        chosen = by_seed([run for run in runs if self.rates is None or learning_rate(run) in self.rates])
        wanted = 2 if self.rates is None else len(self.rates)
        if not chosen or any(len(found) < wanted for found in chosen.values()):
            raise Missing("A learning rate of the band is not there.")
        return tuple(self.of(found) for found in chosen.values())


def band_width(*rates: float) -> Band:
    """Return the greatest minus the least train loss over the rates at a step, mean over all steps."""
    return _of_losses(
        "width of the band",
        lambda losses: float(np.mean(losses.max(0) - losses.min(0))),
        LOSS_UNIT,
        rates,
        smoothness=True,
    )


def band_variance(*rates: float) -> Band:
    """Return the variance of the train loss over the rates at a step, mean over all steps."""
    return _of_losses(
        "variance over the rates", lambda losses: float(np.mean(losses.var(0))), f"{LOSS_UNIT}²", rates, smoothness=True
    )


def band_mean(*rates: float) -> Band:
    """Return the train loss, mean over all steps and rates."""
    return _of_losses("mean train loss", lambda losses: float(np.mean(losses)), LOSS_UNIT, rates)


def usable_decades(tolerance: float = 0.1) -> Callable[[StudyResults], Band]:
    """Return the width of the range of usable learning rates in decades, log10 of the highest over the lowest.

    A rate is usable if its run neither diverges nor ends with a train loss more than `tolerance` above the best
    run of the same seed and settings: of all rates, with and without normalisation. One usable rate, or none, has width
    0.

    Train losses are those of evaluation mode where all runs have them. The quantity raises `Missing` where a network, a
    rate or one of its seeds is not there, as each may be the best.
    """

    def on(study: StudyResults) -> Band:
        check_whole(study)
        for seed, runs in by_seed(study.runs).items():
            if lacking := study.members.keys() - {run.member for run in runs}:
                raise Missing(f"The run {min(lacking)}, seed {seed} is not there.")
        key = train_loss_of(study)
        # The best of all seeds would fall as seeds are added, so that the same runs would be judged more strictly.
        best: dict[tuple[int, Run], float] = {}
        for run in study.runs:
            place = run.seed, setting_of_band(run)
            best[place] = min(last_loss(run, key), best.get(place, math.inf))

        def width(runs: Sequence[Result]) -> float:
            level = best[runs[0].seed, setting_of_band(runs[0])] + tolerance
            rates = [learning_rate(run) for run in runs if last_loss(run, key) <= level < math.inf]
            return math.log10(max(rates) / min(rates)) if rates else 0.0

        within = f"{tolerance:g} {loss_unit(study.runs)}".rstrip()
        name = f"usable rates ({words_of(key)} within {within} of the seed's best)"
        # Rates stand about a factor of two apart, so a width that is equal for all seeds is no certainty.
        return Band(name, width, "decades", of_diverged=True, resolution=math.log10(2), record=key)

    return on


def last_loss(run: Result, key: str = "train_loss") -> float:
    """Return the last train loss; infinite for a diverged run and where it is not finite, which is never usable."""
    losses = run.column(key)
    return float(losses[-1]) if run.status == "finished" and len(losses) and np.isfinite(losses[-1]) else math.inf


def stacked_losses(runs: Sequence[Result]) -> np.ndarray:
    """Return per-step losses [runs, steps] up to the end of the shortest; a loss that is not a number is infinite."""
    columns = [run.step_values("loss") for run in runs]
    steps = min(len(values) for values in columns)
    if steps == 0:
        raise Missing("A run has no per-step losses on record.")
    return np.nan_to_num(np.stack([values[:steps] for values in columns]), nan=np.inf, posinf=np.inf)


def _of_losses(
    name: str,
    summary: Callable[[np.ndarray], float],
    unit: str,
    rates: tuple[float, ...],
    smoothness: bool = False,
) -> Band:
    return Band(name, lambda runs: summary(stacked_losses(runs)), unit, rates or None, smoothness=smoothness)
