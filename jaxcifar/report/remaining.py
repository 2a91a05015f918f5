"""What an unfinished study lacks, and how long that would take at the pace of what has been trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcifar.records.study import Result, StudyResults
from jaxcifar.report.style import label


def missing(study: StudyResults) -> str:
    """A sentence that names what is missing, empty where nothing is."""
    left = study.missing
    if not left:
        return ""
    seeds = len({run.seed for run in study.runs}) > 1
    names = [label(run.member) + (f", seed {run.seed}" if seeds else "") + f" ({_state(run)})" for run in left]
    have = "1 run has" if len(left) == 1 else f"{len(left)} of {len(study.runs)} runs have"
    return f"{have} not come to the end: {'; '.join(names)}."


def seconds_left(studies: Sequence[StudyResults]) -> float | None:
    """Training time of what is missing; None if nothing tells the pace.

    A run that has begun goes on at its own pace, the others at that of the ended runs of their kind of network, by
    operations. Runs that another stands for cost nothing.
    """
    runs = [run for study in studies for run in study.runs]
    paces = _paces(runs)
    times = [_time_left(run, paces) for run in runs if not run.ended and run.same_as is None]
    known = [time for time in times if time is not None]
    return sum(known) if len(known) == len(times) else None


def duration(seconds: float) -> str:
    """`2 h 10 min`, `3 min`, `20 s`."""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


def _state(run: Result) -> str:
    if run.status == "missing" or not len(run.column("epoch")):
        return "not begun" if run.status == "missing" else "no epoch yet"
    planned = run.config.epochs if run.config else "?"
    return f"{len(run.column('epoch'))} of {planned} epochs"


def _paces(runs: Sequence[Result]) -> dict[str, float]:
    """Operations a second by kind of network, and over all under the empty name."""
    sums: dict[str, tuple[float, float]] = {}
    for run in runs:
        seconds = run.records.summary.get("training_seconds") if run.records else None
        if run.ended and run.planned and run.same_as is None and isinstance(seconds, int | float) and seconds > 0:
            share = len(run.column("epoch")) / max(run.planned.get("epochs", 1), 1)
            for kind in (str(run.planned.get("network")), ""):
                flops, total = sums.get(kind, (0.0, 0.0))
                sums[kind] = flops + share * run.planned.get("flops", 0.0), total + seconds
    return {kind: flops / total for kind, (flops, total) in sums.items() if flops > 0}


def _time_left(run: Result, paces: dict[str, float]) -> float | None:
    epochs, planned = len(run.column("epoch")), _planned(run)
    seconds = run.column("seconds")
    if epochs and np.isfinite(seconds).any() and "epochs" in planned:
        return float(np.nanmedian(seconds)) * max(planned["epochs"] - epochs, 0)
    kind = str(planned.get("network"))
    pace = paces.get(kind, paces.get(""))
    return planned["flops"] / pace if pace and "flops" in planned else None


def _planned(run: Result) -> dict[str, Any]:
    if run.planned:
        return run.planned
    return {"epochs": run.config.epochs} if run.config else {}
