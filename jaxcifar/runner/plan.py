"""From a run, a study or a paper to the list of its runs, and those of equal shape grouped into one program."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar import data
from jaxcifar.claims.verdict import check_claims
from jaxcifar.config import SGD, CrossEntropy, Paper, Run, Study, Vectorize, labels
from jaxcifar.errors import check_count
from jaxcifar.runner.scale import check_scale, scale_run


@dataclass(frozen=True)
class Planned:
    """One run of a study."""

    member: str
    run: Run
    folder: Path
    """Below the study's folder: `<member>/seed-<seed>`."""
    label: str = ""
    """The member's name for readers, from what tells the study's configs apart."""
    same_as: Path | None = None
    """Below OUT: the folder of the run of equal config that is trained instead."""


@dataclass(frozen=True)
class PlannedStudy:
    """A study and its runs."""

    study: Study
    folder: Path
    """Below OUT; `.` where OUT holds only this study."""
    runs: tuple[Planned, ...]


def make_plan(config: Run | Study | Paper, seeds: int | range | None = None, scale: float = 1.0) -> list[PlannedStudy]:
    """Return what a config file trains, study by study.

    Args:
        config: a run, a study or a paper.
        seeds: number of seeds for every member, or the seeds themselves; 1 by default if scale is below 1.
        scale: multiplies images and epochs.

    Returns:
        The studies and their runs; equal runs are not marked yet, see `deduplicate`.

    Raises:
        UserError: seeds below 1, or a scale outside (0, 1].
    """
    check_scale(scale)
    if isinstance(config, Run):
        config = Study(config.name, config, seeds=(config.seed,))
    single = isinstance(config, Study) and config.is_single and seeds is None
    if scale < 1 and seeds is None and not single:
        seeds = 1
    if isinstance(config, Paper):
        return [_plan_study(_with_seeds(study, seeds), Path(study.name), scale) for study in config.studies]
    planned = _plan_study(_with_seeds(config, seeds), Path(), scale)
    if single:
        # The records of a single run are in OUT itself.
        planned = dataclasses.replace(planned, runs=(dataclasses.replace(planned.runs[0], folder=Path()),))
    return [planned]


def _plan_study(study: Study, folder: Path, scale: float) -> PlannedStudy:
    # What own data decide is needed before anything is planned; equal data are read once.
    load = functools.lru_cache(maxsize=1)(data.load)
    check_claims(study)
    fitted = [dataclasses.replace(item, run=data.fitted(item.run, load)) for item in expand(study)]
    runs = [dataclasses.replace(item, run=scale_run(item.run, scale)) for item in fitted]
    names = labels({item.member: item.run for item in runs}, study.own_labels)
    return PlannedStudy(study, folder, tuple(dataclasses.replace(item, label=names[item.member]) for item in runs))


def _with_seeds(study: Study, seeds: int | range | None) -> Study:
    """The study with these seeds, or with this number counted from its first; unchanged for None."""
    if seeds is None:
        return study
    first, seeds = (seeds.start, len(seeds)) if isinstance(seeds, range) else (study.seeds[0], seeds)
    check_count("--seeds", seeds, 1, 10_000)
    check_count("the last of the --seeds", first + seeds - 1, 0, 2**31 - 1)
    base = dataclasses.replace(study.base, seed=first)
    return dataclasses.replace(study, base=base, seeds=tuple(range(first, first + seeds)))


def expand(study: Study) -> list[Planned]:
    """Return every run of a study: variants x swept values x seeds."""
    return [
        Planned(member.name, dataclasses.replace(member.run, seed=seed), Path(member.name) / f"seed-{seed}")
        for member, seed in itertools.product(study.members(), study.seeds)
    ]


def shape_of(run: Run) -> Run:
    """Return the run with its hyperparameters set to fixed values; runs of equal shape train as one program.

    Learning rate, weight decay, momentum, label smoothing and seed are arguments of the compiled program; everything
    else is compiled into it. A momentum of 0 has no state, so it is a shape of its own.
    """
    optimizer = dataclasses.replace(run.optimizer, learning_rate=1.0, weight_decay=0.0)
    if isinstance(optimizer, SGD) and optimizer.momentum:
        # Any value above 0 stands for all of them.
        optimizer = dataclasses.replace(optimizer, momentum=0.5)
    loss = CrossEntropy() if isinstance(run.loss, CrossEntropy) else run.loss
    return dataclasses.replace(run, name="", seed=0, optimizer=optimizer, loss=loss)


def group(planned: Sequence[Planned], study: Study) -> list[list[Planned]]:
    """Group runs of equal shape, in the study's order; each run is alone where seconds are compared."""
    if study.alone or study.vectorize == "off":
        return [[item] for item in planned]
    groups: dict[Run, list[Planned]] = {}
    for item in planned:
        groups.setdefault(shape_of(item.run), []).append(item)
    return list(groups.values())


def programs(planned: PlannedStudy) -> list[list[Planned]]:
    """Return the runs that a study trains, grouped into programs."""
    return group([item for item in planned.runs if item.same_as is None], planned.study)


def choose_vectorize(wanted: Vectorize, run: Run, members: int) -> Vectorize:
    """Return how a group of members trains: what the user chose, else `map`, which was faster in every measured case.

    docs/performance.md has the figures.
    """
    if members == 1:
        return "off"
    return "map" if wanted == "auto" else wanted
