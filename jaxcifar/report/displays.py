"""Which figures the measures of a study ask for, as its run folders keep it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxcifar.measures import SNAPSHOT_MEASURES, Display, series
from jaxcifar.measures.display import WANTED, from_json
from jaxcifar.records import snapshots
from jaxcifar.records.snapshots import Arrays
from jaxcifar.records.study import Result, StudyResults

TRAINING = ("loss", "accuracy")
"""Per-step arrays of training itself, which are drawn elsewhere."""
Found = dict[str, dict[int, Arrays]]
"""By member and seed."""


def of_steps(study: StudyResults) -> dict[str, list[tuple[Result, Display]]]:
    """Return the figures of step measures by name, each with the runs that ask for it, in their own form.

    Runs of several networks may ask for one figure with other arrays, such as those of their own layers.
    """
    found: dict[str, list[tuple[Result, Display]]] = {}
    for run in study.runs:
        for display in _of_run(run):
            if any(np.isfinite(run.step_values(name)).any() for name in display.arrays):
                found.setdefault(display.name, []).append((run, display))
    return found


def _of_run(run: Result) -> Iterator[Display]:
    """The figures that a record keeps, else those of its config's measures; an array of no measure gets its own."""
    stored = run.records.displays if run.records else ()
    displays = [display for display in map(from_json, stored) if display is not None]
    if run.config is not None:
        layers = _layers(run)
        own = [display for measure in run.config.step_measures for display in measure.displays(layers)]
        # A figure of equal arrays is shown as today's version shows it; the record has those of a user's own measures.
        today = {display.arrays: display for display in own}
        displays = [today.get(display.arrays, display) for display in displays] if stored else own
    yield from displays
    shown = {name for display in displays for name in display.arrays}
    for name in run.records.steps if run.records else ():
        if name not in shown and name not in TRAINING:
            yield series(name, name)


def _layers(run: Result) -> dict[str, list[str]]:
    """The layers of a record whose version did not keep its figures, by the names of its covariate shift."""
    prefix = "covariate_shift/distance/"
    steps = run.records.steps if run.records else {}
    return {name.removeprefix(prefix): [] for name in steps if name.startswith(prefix)}


def at_snapshots(study: StudyResults) -> list[tuple[str, Display]]:
    """Return the figures of snapshot measures with the name of their measure, each once."""
    found: dict[str, tuple[str, Display]] = {}
    for run in study.runs:
        taken = snapshots.taken(run.folder)
        for measure in sorted(taken, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
            arrays = snapshots.read(run.folder, measure)
            for display in _of_snapshots(run, measure):
                if all(name in arrays for name in WANTED.get(display.kind, ())):
                    found.setdefault(display.name, (measure, display))
    return list(found.values())


_ORDER = [cls.name for cls in SNAPSHOT_MEASURES]


def _of_snapshots(run: Result, measure: str) -> list[Display]:
    stored = snapshots.read_about(run.folder, measure).get("displays", [])
    if stored:
        return [display for display in map(from_json, stored) if display is not None]
    return [display for cls in SNAPSHOT_MEASURES if cls.name == measure for display in cls().displays()]


def by_member(study: StudyResults, measure: str) -> Found:
    """Return the arrays of a snapshot measure by member and seed."""
    found: Found = {}
    for run in study.runs:
        arrays = snapshots.read(run.folder, measure)
        if "steps" in arrays:
            found.setdefault(run.member, {})[run.seed] = arrays
    return found
