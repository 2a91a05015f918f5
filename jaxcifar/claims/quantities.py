"""Figures that the claims are about, each from one run: a Result in, a number out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jaxcifar.claims.claim import Missing, Number
from jaxcifar.records.study import Result, StudyResults

Measure = Callable[[Result], float]

ACCURACY_MARGIN = 1.0
"""Percentage points that one seed may decide; two seeds of one network differ by a few tenths."""
STUDY_BATCH = 128
"""The study divides the sum of its batches' mean losses by the number of images: about 1/128 of a mean per image."""


def over_seeds(study: StudyResults, member: str, measure: Measure, label: str, unit: str = "") -> Number:
    """A measure of a member, a value for each seed.

    Raises:
        Missing: the member is not there, or a seed of it has not come to its end.
    """
    return Number(label, tuple(measure(run) for run in complete(study, member)), unit)


def complete(study: StudyResults, member: str) -> list[Result]:
    """A member's runs, all of which have come to their end with an epoch at least or a divergence.

    Raises:
        Missing: otherwise.
    """
    runs = [run for run in study.runs if run.member == member]
    if not runs:
        raise Missing(f"The run {member} is not there.")
    for run in runs:
        if not run.ended:
            raise Missing(f"The run {member}, seed {run.seed} has not come to its end.")
        if run.status == "finished" and not len(run.column("epoch")):
            raise Missing(f"The run {member}, seed {run.seed} has no epoch on record.")
    return runs


def best_accuracy(run: Result) -> float:
    """Highest test accuracy of all epochs, in per cent; 0 if it diverged within the first."""
    values = run.column("test_accuracy")
    return 100 * float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def best_accuracy_until(epoch: int) -> Measure:
    """Highest test accuracy of the first epochs, in per cent."""
    return lambda run: 100 * float(np.nanmax(run.column("test_accuracy")[:epoch], initial=0.0))


def last(key: str, epochs: int = 1) -> Measure:
    """Mean of a figure over the last epochs; a diverged run's losses are infinite. Accuracies in per cent."""
    accuracy = "accuracy" in key

    def measure(run: Result) -> float:
        if run.status == "diverged" and not accuracy:
            return float("inf")
        values = run.column(key)[-epochs:]
        return float(np.mean(values)) * (100 if accuracy else 1) if len(values) else 0.0

    return measure


def mean_over_epochs(key: str) -> Measure:
    """Mean of a figure over all epochs: low for a loss that falls fast. A diverged run's losses are infinite."""
    return lambda run: float("inf") if run.status == "diverged" else float(np.mean(run.column(key)))


def least(key: str) -> Measure:
    """Least value of a figure over the epochs."""
    return lambda run: float(np.nanmin(run.column(key), initial=np.inf))


def oscillation(run: Result) -> float:
    """Standard deviation of the change of test accuracy from epoch to epoch, over the last half, in points."""
    values = 100 * run.column("test_accuracy")
    changes = np.diff(values[len(values) // 2 :])
    return float(np.std(changes)) if len(changes) > 1 else float("nan")


def epochs_to(key: str, level: float) -> Measure:
    """The first epoch in which a figure reaches a level (a loss from above); infinite if none does."""

    def measure(run: Result) -> float:
        values = run.column(key)
        reached = np.flatnonzero(values <= level if key.endswith("loss") else values >= level)
        return float(reached[0] + 1) if len(reached) else float("inf")

    return measure


def common_level(runs: Sequence[Result], key: str) -> float:
    """The best level of a figure that all runs reach: the least of their highest accuracies, or vice versa a loss."""
    columns = [values[np.isfinite(values)] for values in (run.column(key) for run in runs)]
    if any(len(values) == 0 for values in columns):
        return float("nan")
    if key.endswith("loss"):
        return max(float(values.min()) for values in columns)
    return min(float(values.max()) for values in columns)


def rise(key: str) -> Measure:
    """Mean of the last three epochs over the least: 1 for a loss that ends at its least, more for one that rises."""
    return lambda run: last(key, 3)(run) / least(key)(run)


def seconds_per_epoch(run: Result) -> float:
    """Median seconds of training in an epoch; evaluation and compilation are not in it."""
    values = run.column("seconds")
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def parameters(run: Result) -> float:
    """The number of trained parameters on record."""
    return _summarized(run, "parameters")


def total_seconds(run: Result) -> float:
    """Seconds of a timed run, from the first weights to the last evaluation; NaN where it was cut off between."""
    return _summarized(run, "total_seconds")


def flops(run: Result) -> float:
    """Floating-point operations of a timed run."""
    return _summarized(run, "flops")


def _summarized(run: Result, key: str) -> float:
    summary = run.records.summary if run.records else {}
    return float(summary[key]) if key in summary and summary[key] is not None else float("nan")


def diverged(run: Result) -> float:
    """1 if the loss became not finite, else 0."""
    return float(run.status == "diverged")
