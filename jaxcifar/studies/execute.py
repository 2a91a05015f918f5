"""Trains what a study plans; what is finished is skipped, what was cut off goes on."""

from __future__ import annotations

import functools
from pathlib import Path

from jaxcifar import data, records
from jaxcifar.config import Data, Run, Study
from jaxcifar.studies.plan import Planned, as_study, choose_vectorize, expand, group
from jaxcifar.training import Member, interrupt, progress, train_members
from jaxcifar.training.interrupt import Stop
from jaxcifar.training.progress import Progress


def execute(config: Run | Study, out: Path, seeds: int | None = None) -> list[Path]:
    """Trains a run or every run of a study.

    Args:
        config: what to train.
        out: the run folder, or the study's folder with `<member>/seed-<n>/` in it.
        seeds: repeat every member with so many seeds; a single run then becomes a study of one member.

    Returns:
        The run folders, in the study's order.

    Raises:
        UserError, Interrupted: as `train_members`.
    """
    single = isinstance(config, Run) and seeds is None
    study = as_study(config, seeds)
    planned = [Planned(config.name, config, Path())] if single else expand(study)
    with interrupt.handling() as stop, progress.showing() as shown:
        load = functools.cache(lambda wanted: data.load(wanted, shown.message))
        for items in group(planned, study):
            _train(items, study, out, load, shown, stop)
    return [out / item.folder for item in planned]


def _train(items: list[Planned], study: Study, out: Path, load, shown: Progress, stop: Stop) -> None:
    left = []
    for item in items:
        folder = out / item.folder
        if records.is_complete(folder):
            records.begin(folder, item.run)
            shown.message(f"{item.member}, seed {item.run.seed} is {records.read(folder).status}; nothing to do.")
        else:
            left.append(Member(item.run, folder))
    if left:
        images: Data = left[0].run.data
        train_members(left, load(images), choose_vectorize(study.vectorize, left[0].run, len(left)), shown, stop)
