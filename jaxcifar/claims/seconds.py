"""Quantities of time: which runs' seconds can be compared, and the seconds themselves."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np

from jaxcifar.claims.quantities import Quantity, summarized
from jaxcifar.records.study import Result, StudyResults


def timed(study: StudyResults, runs: Sequence[Result]) -> list[Result]:
    """Return those of a study's runs whose seconds can be compared.

    No other member and no other process had a part of the machine, and the device is that of most such runs.
    """
    usual = collections.Counter(_device(run) for run in study.runs if _was_alone(run)).most_common(1)
    return [run for run in runs if _was_alone(run) and _device(run) in dict(usual)]


def _was_alone(run: Result) -> bool:
    summary = run.records.summary if run.records else None
    return summary is not None and summary.get("members_in_program", 1) == 1 and not summary.get("processes_beside")


def _device(run: Result) -> tuple[str, str]:
    """The kind of device and how many of them computed."""
    device = run.records.environment.get("device", {}) if run.records else {}
    return str(device.get("kind")), str(device.get("used"))


def _seconds(run: Result) -> float:
    values = run.column("seconds")
    # A median does not change when the machine is busy during a few epochs.
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


seconds_per_epoch = Quantity("seconds per epoch", _seconds, "s", seconds=True)
"""Median seconds of training per epoch, without evaluation and compilation."""
total_seconds = Quantity("seconds in all", summarized("total_seconds"), "s", seconds=True)
"""Seconds of a timed run, from the first weights to the last evaluation; NaN where it was interrupted."""
flops = Quantity("operations", summarized("flops"))
"""Floating-point operations of a timed run."""
