"""Train what a config plans: finished runs are skipped, unfinished ones continue."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxcifar import data, records
from jaxcifar.config import Paper, Run, Study
from jaxcifar.config.run import check_batch_size
from jaxcifar.config.stored import begin_records, check_records, read_records
from jaxcifar.errors import check_number
from jaxcifar.records import manifest, pictures, snapshots
from jaxcifar.records.manifest import Invocation
from jaxcifar.runner import speed
from jaxcifar.runner.deduplicate import deduplicate
from jaxcifar.runner.estimate import Remaining
from jaxcifar.runner.pictures import make
from jaxcifar.runner.plan import Planned, PlannedStudy, choose_vectorize, group, make_plan
from jaxcifar.runner.restart import clear
from jaxcifar.runner.speed import Speed
from jaxcifar.training import Interrupted, Member, interrupt, progress, train_members
from jaxcifar.training.cost import cost_of
from jaxcifar.training.interrupt import Stop
from jaxcifar.training.loggers import Log, check_installed
from jaxcifar.training.progress import Progress, duration
from jaxcifar.training.step import check_measures


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
        make_plan(config, seeds, scale, only)
    whole = make_plan(config, seeds, scale)
    if not isinstance(config, Paper):
        return whole
    is_complete = (lambda folder: records.is_complete(out / folder)) if out else (lambda folder: False)
    return deduplicate(whole, only, is_complete)


def execute(
    config: Run | Study | Paper,
    out: Path,
    seeds: int | range | None = None,
    *,
    scale: float = 1.0,
    only: Sequence[str] = (),
    max_minutes: float | None = None,
    invocation: Invocation | None = None,
    restart: bool = False,
    log: Log | None = None,
) -> list[Path]:
    """Train a run, or every run of a study or a paper.

    Args:
        config: what to train.
        out: the run folder, or the study's with `<member>/seed-<n>/` in it, or the paper's with a folder per study.
        seeds: number of seeds for every member, or the seeds themselves; a single run then becomes a study of one
            member.
        scale: multiplies images and epochs.
        only: names of a paper's studies; empty means all.
        max_minutes: start nothing that would end later than this many minutes from now.
        invocation: how the user started it, for the report.
        restart: delete the records of the plan and start again.
        log: the logger of another tool that gets every run's rows.

    Returns:
        The run folders, in the order of the plan; for a duplicate run, the folder of the run that was trained.

    Raises:
        UserError, Interrupted: as `train_members`.
    """
    deadline = math.inf
    if max_minutes is not None:
        check_number("--max-minutes", max_minutes, 0, above=True)
        deadline = time.monotonic() + 60 * max_minutes
    if log is not None:
        check_installed(log)
    planned = plan(config, None if restart else out, seeds, scale, only)
    with interrupt.handling() as stop, progress.showing() as shown:
        load = functools.lru_cache(maxsize=1)(lambda wanted: data.load(wanted, shown.message))
        if restart:
            _check(planned, None, load)  # before anything is deleted
            clear(out, planned, only)
            planned = plan(config, out, seeds, scale, only)
        _check(planned, out, load)
        for study in planned:
            _remove_partial(out, study)
            _write_manifest(out, study, invocation or Invocation(scale=scale))
        rates = speed.of_plan(planned, shown.message, measure=max_minutes is not None)
        _Session(out, load, shown, stop, rates, deadline, log).train(planned)
    return [out / (item.same_as or study.folder / item.folder) for study in planned for item in study.runs]


def _remove_partial(out: Path, planned: PlannedStudy) -> None:
    folders = [out / planned.folder, out / planned.folder / pictures.FOLDER]
    for item in planned.runs:
        run = out / planned.folder / item.folder
        folders += [run, run / snapshots.FOLDER, *(run / records.CHECKPOINTS).glob("*")]
    for folder in folders:
        records.remove_partial(folder)


def _write_manifest(out: Path, planned: PlannedStudy, invocation: Invocation) -> None:
    name = planned.study.name if planned.folder.parts else invocation.name or planned.study.name
    rows = [_row(item) for item in planned.runs]
    manifest.write(out / planned.folder, name, planned.study.alone, rows, invocation, planned.study.size)


def _row(item: Planned) -> dict[str, Any]:
    cost = cost_of(item.run)
    row = {
        "member": item.member,
        "seed": item.run.seed,
        "folder": item.folder.as_posix(),
        "network": type(item.run.model).__name__,
        "epochs": item.run.epochs,
        "steps": cost.steps,
        "flops": cost.flops,
    }
    return row if item.same_as is None else {**row, "same_as": item.same_as.as_posix()}


def _check(planned: Sequence[PlannedStudy], out: Path | None, load: Callable) -> None:
    """Raise for other records, batches that are too large and missing data, before anything is written.

    Args:
        planned: the studies.
        out: the folder that may hold records; None where they will be deleted.
        load: from a config's data to the data set.
    """
    own = [(study.folder / item.folder, item.run) for study in planned for item in study.runs if item.same_as is None]
    left = [run for folder, run in own if out is None or not records.is_complete(out / folder)]
    for run in left:
        check_batch_size(run, data.train_size(run.data))
        check_measures(run)
    if out is not None:
        for folder, run in own:
            check_records(out / folder, run)
    if left:
        load(left[0].data)


@dataclass
class _Session:
    """The programs of a plan, trained one after the other."""

    out: Path
    load: Callable
    shown: Progress
    stop: Stop
    speed: Speed | None
    deadline: float
    log: Log | None = None

    def train(self, planned: Sequence[PlannedStudy]) -> None:
        programs = []
        for study in planned:
            self._link(study)
            programs += [(study, items) for items in group(self._open(study, len(planned) == 1), study.study)]
        runs = [[item.run for item in items] for _, items in programs]
        remaining = Remaining.of(runs, self.speed, self.deadline)
        if self.speed and programs:
            self.shown.message(f"About {duration(remaining.seconds() or 0)} on this device.")
        late = 0
        last = {study.folder: index for index, (study, _) in enumerate(programs)}
        for index, (study, items) in enumerate(programs):
            if not remaining.fits(index):
                remaining.skip(index)
                late += len(items)
                continue
            began = time.monotonic()
            self._run(study, items)
            remaining.ended(index, time.monotonic() - began)
            self._tell(index + 1, len(programs), remaining.seconds())
            # A study's pictures are made as soon as its last program has ended, not after the whole paper.
            if last[study.folder] == index:
                self._view(study)
        for study in planned:
            if study.folder not in last:
                self._view(study)
        if late:
            runs_were = "1 run was" if late == 1 else f"{late} runs were"
            self.shown.message(
                f"{runs_were} not started because the time limit would be exceeded; give the same command again to "
                "continue."
            )

    def _link(self, study: PlannedStudy) -> None:
        """Write into the folder of a duplicate run where the equal run is trained."""
        for item in study.runs:
            if item.same_as is not None:
                folder = self.out / study.folder / item.folder
                begin_records(folder, item.run)
                target = os.path.relpath(self.out / item.same_as, folder)
                records.write_summary(folder, {"same_as": target})

    def _open(self, study: PlannedStudy, tell: bool) -> list[Planned]:
        """The runs that are still to be trained; finished ones must have this config."""
        left = []
        for item in study.runs:
            folder = self.out / study.folder / item.folder
            if item.same_as is not None:
                continue
            if not records.is_complete(folder):
                left.append(item)
                continue
            begin_records(folder, item.run)
            if tell:
                status = read_records(folder).status
                self.shown.message(f"{item.member}, seed {item.run.seed} is {status}; nothing to do.")
        return left

    def _run(self, study: PlannedStudy, items: Sequence[Planned]) -> None:
        members = [Member(item.run, self.out / study.folder / item.folder, item.label, self.log) for item in items]
        vectorize = choose_vectorize(study.study.vectorize, items[0].run, len(items))
        train_members(members, self.load(items[0].run.data), vectorize, self.shown, self.stop)

    def _view(self, study: PlannedStudy) -> None:
        """The pictures that a study asks for, once its runs have ended."""
        measured = any(item.run.snapshot_measures for item in study.runs)
        if (study.study.pictures or measured) and time.monotonic() <= self.deadline:
            make(study, self.out, self.load, self.shown.message, lambda: self.stop.signal_number is not None)
            if self.stop.signal_number is not None:
                raise Interrupted(
                    "Stopped between two measures; give the same command again to continue.", self.stop.signal_number
                )

    def _tell(self, done: int, total: int, seconds: float | None) -> None:
        if total > 1 and done < total:
            left = f"; about {duration(seconds)} left in all" if seconds is not None else ""
            self.shown.message(f"{done} of {total} programs have ended{left}.")
