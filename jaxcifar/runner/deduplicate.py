"""Runs whose configs are equal apart from the name train once; the others say `same_as`."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxcifar import records
from jaxcifar.config import Checkpoint, Paper, Run, Study
from jaxcifar.measures import Beta
from jaxcifar.runner.plan import Planned, PlannedStudy, make_plan


def plan(
    config: Run | Study | Paper,
    out: Path | None = None,
    seeds: int | range | None = None,
    scale: float = 1.0,
    only: Sequence[str] = (),
) -> list[PlannedStudy]:
    """Return the studies and runs of a config, with duplicate runs marked.

    Args:
        config: a run, a study or a paper.
        out: the folder that may hold records already.
        seeds: number of seeds for every member, or the seeds themselves.
        scale: multiplies images and epochs.
        only: names of a paper's studies; empty means all.

    Raises:
        UserError: an option is out of its range or names what is not there.
    """
    if only:
        # Checks the names. The plan itself is of the whole paper, in which duplicates are looked for.
        make_plan(config, seeds, scale, only)
    whole = make_plan(config, seeds, scale)
    if not isinstance(config, Paper):
        return whole
    is_complete = (lambda folder: records.is_complete(out / folder)) if out else (lambda folder: False)
    return deduplicate(whole, only, is_complete)


def deduplicate(
    whole: Sequence[PlannedStudy], names: Sequence[str] = (), is_complete: Callable[[Path], bool] = lambda folder: False
) -> list[PlannedStudy]:
    """Mark duplicate runs.

    Of equal runs one trains: one that is complete already, else one whose study compares seconds (and trains alone),
    else the first. A run whose seconds are compared is never replaced by one that trains in a group. Equal
    runs get the union of their snapshots and, where all have step measures, of these: neither changes the training.

    Args:
        whole: the plan of the whole paper, so that a slice gives its runs the same configs as the whole.
        names: the studies that train; empty means all.
        is_complete: whether a folder below OUT holds a complete run.

    Returns:
        The studies that train, with `same_as` set and snapshots united.
    """
    equal: dict[Run, list[tuple[PlannedStudy, Planned]]] = defaultdict(list)
    for study in whole:
        for item in study.runs:
            equal[_key(item.run)].append((study, item))
    chosen = [study for study in whole if not names or study.study.name in names]
    return [
        dataclasses.replace(study, runs=tuple(_mark(study, item, equal, chosen, is_complete) for item in study.runs))
        for study in chosen
    ]


def _mark(study: PlannedStudy, item: Planned, equal, chosen: list[PlannedStudy], is_complete) -> Planned:
    alike = equal[_key(item.run)]
    snapshots = tuple(sorted({epoch for _, other in alike for epoch in other.run.checkpoint.snapshots}))
    checkpoint = dataclasses.replace(item.run.checkpoint, snapshots=snapshots)
    # Snapshot measures stay each run's own: they are taken after training, in its own folder.
    shared = dict.fromkeys(probe for _, other in alike for probe in other.run.step_measures)
    probes = (*shared, *item.run.snapshot_measures)
    item = dataclasses.replace(item, run=dataclasses.replace(item.run, checkpoint=checkpoint, probes=probes))
    own = study.folder / item.folder
    if is_complete(own):
        return item
    allowed = [(s, s.folder / other.folder) for s, other in alike if s.study.alone or not study.study.alone]
    complete = [folder for _, folder in allowed if is_complete(folder)]
    # False sorts first: runs that train alone, then the plan's order. The run itself is among them.
    training = sorted((s.study.alone is False, i, f) for i, (s, f) in enumerate(allowed) if s in chosen)
    primary = complete[0] if complete else training[0][2]
    return item if primary == own else dataclasses.replace(item, same_as=primary)


def _key(run: Run) -> Run:
    """The run without what does not change the training."""
    data = dataclasses.replace(run.data, dir=None)
    # Runs with step measures are alike, whichever they are; one without takes no other's, because they cost time.
    probes = (Beta(),) if run.step_measures else ()
    return dataclasses.replace(run, name="", checkpoint=Checkpoint(), data=data, probes=probes)
