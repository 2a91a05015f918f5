"""Runs whose configs are equal apart from the name train once; the others say `same_as`."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxcifar import records
from jaxcifar.config import Paper, Run, Study, UserError
from jaxcifar.measures import Beta
from jaxcifar.runner.plan import Planned, PlannedStudy, make_plan
from jaxcifar.training import probes

_Alike = list[tuple[PlannedStudy, Planned]]
"""Runs of which one trains for all."""


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
    if only and not isinstance(config, Paper):
        raise UserError(f"--only {','.join(only)} chooses among a paper's studies; {config.name!r} is not a paper.")
    whole = make_plan(config, seeds, scale)
    if not isinstance(config, Paper):
        return whole
    if only:
        config.only(only)  # checks the names; duplicates are looked for in the whole paper
    is_complete = (lambda folder: records.is_complete(out / folder)) if out else (lambda folder: False)
    return deduplicate(whole, only, is_complete)


def deduplicate(
    whole: Sequence[PlannedStudy], names: Sequence[str] = (), is_complete: Callable[[Path], bool] = lambda folder: False
) -> list[PlannedStudy]:
    """Mark duplicate runs.

    Of equal runs one trains: one that is complete already, else one whose study compares seconds (and trains alone),
    else the first. A run whose seconds are compared is never replaced by one that trains in a group. Equal
    runs get the union of their snapshots and, where all have step measures, of these: neither changes the training.
    Runs whose step measures would write one array in two ways are not equal.

    Args:
        whole: the plan of the whole paper, so that a slice gives its runs the same configs as the whole.
        names: the studies that train; empty means all.
        is_complete: whether a folder below OUT holds a complete run.

    Returns:
        The studies that train, with `same_as` set and snapshots united.
    """
    alike: dict[Run, list[_Alike]] = defaultdict(list)
    equal: dict[Path, _Alike] = {}
    for study in whole:
        for item in study.runs:
            known = alike[_key(item.run)]
            own = next((runs for runs in known if not _clash(_united(item.run, runs))), None)
            if own is None:
                known.append(own := [])
            own.append((study, item))
            equal[study.folder / item.folder] = own
    chosen = [study for study in whole if not names or study.study.name in names]
    return [
        dataclasses.replace(
            study, runs=tuple(_mark(study, i, equal[study.folder / i.folder], chosen, is_complete) for i in study.runs)
        )
        for study in chosen
    ]


def _united(run: Run, alike: _Alike) -> Run:
    """The run with the step measures of all that are alike."""
    # Snapshot measures stay each run's own: they are taken after training, in its own folder.
    shared = dict.fromkeys((*(probe for _, other in alike for probe in other.run.step_measures), *run.step_measures))
    return dataclasses.replace(run, probes=(*shared, *run.snapshot_measures))


def _clash(run: Run) -> bool:
    """Whether two step measures of a run would write one array in two ways."""
    try:
        # The names of the layers are left out: finding them starts JAX, and a plan is made before processes meet.
        return bool(probes.rivals(run.step_measures, {}))
    except UserError:  # a user's own measure that cannot do without
        return len({type(measure) for measure in run.step_measures}) < len(run.step_measures)


def _mark(study: PlannedStudy, item: Planned, alike: _Alike, chosen: list[PlannedStudy], is_complete) -> Planned:
    snapshots = tuple(sorted({epoch for _, other in alike for epoch in other.run.checkpoint.snapshots}))
    checkpoint = dataclasses.replace(item.run.checkpoint, snapshots=snapshots)
    item = dataclasses.replace(item, run=dataclasses.replace(_united(item.run, alike), checkpoint=checkpoint))
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
    """Return a key that is equal for runs of which one can train for all."""
    # Runs with step measures are alike, whichever they are; one without takes no other's, because they cost time.
    probes = (Beta(),) if run.step_measures else ()
    return dataclasses.replace(run.trained(), probes=probes, evaluate_train=run.evaluate_train)
