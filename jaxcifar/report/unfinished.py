"""What an unfinished study lacks."""

from __future__ import annotations

from jaxcifar.records.study import Result, StudyResults


def missing(study: StudyResults) -> str:
    """Return a sentence that names the unfinished runs, empty where there are none."""
    left = study.missing
    if not left:
        return ""
    seeds = len({run.seed for run in study.runs}) > 1
    names = [study.label(run.member) + (f", seed {run.seed}" if seeds else "") + f" ({_state(run)})" for run in left]
    have = "1 run has" if len(left) == 1 else f"{len(left)} of {len(study.runs)} runs have"
    return f"{have} not come to the end: {'; '.join(names)}."


def _state(run: Result) -> str:
    if run.status == "missing" or not len(run.column("epoch")):
        return "not begun" if run.status == "missing" else "no epoch yet"
    planned = run.config.epochs if run.config else "?"
    return f"{len(run.column('epoch'))} of {planned} epochs"
