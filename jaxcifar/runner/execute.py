"""Train what a config plans: finished runs are skipped, unfinished ones continue."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jaxcifar import data, records
from jaxcifar.config import Paper, Run, Study
from jaxcifar.config.run import check_batch_size
from jaxcifar.config.stored import check_records, read_records
from jaxcifar.errors import check_number
from jaxcifar.records import Holder, lock, pictures, snapshots
from jaxcifar.records.manifest import Invocation, run_folders
from jaxcifar.records.restart import clear
from jaxcifar.runner import opening, speed
from jaxcifar.runner.deduplicate import plan
from jaxcifar.runner.estimate import Remaining
from jaxcifar.runner.follow import shared_group
from jaxcifar.runner.pictures import make
from jaxcifar.runner.plan import Planned, PlannedStudy, choose_vectorize, programs
from jaxcifar.runner.speed import Speed
from jaxcifar.runner.worker import POLL_SECONDS, Worker, joined, share
from jaxcifar.training import Interrupted, Member, interrupt, progress, start, train_members
from jaxcifar.training.group import Group
from jaxcifar.training.interrupt import Stop
from jaxcifar.training.loggers import Log, check_installed
from jaxcifar.training.processes import Leader
from jaxcifar.training.progress import Progress, duration
from jaxcifar.training.resume import check_data
from jaxcifar.training.step import check_parts


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
    worker: Worker | None = None,
    leader: Leader | None = None,
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
        worker: this process among those that train the plan together; by default it joins them here.
        leader: the connections to the other processes that train each run with this one.

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
    with ExitStack() as stack:
        worker = worker or stack.enter_context(joined(out))
        planned = plan(config, None if restart else out, seeds, scale, only)
        stop, shown = stack.enter_context(interrupt.handling()), stack.enter_context(progress.showing())
        stop.may_continue = worker.locks.check
        if leader:
            leader.stop = stop
        # Only the last data set is kept, because several may not fit into memory.
        load = functools.lru_cache(maxsize=1)(lambda wanted: data.load(wanted, shown.message))
        if restart:
            _check(planned, None, load)  # before anything is deleted
            known = _run_folders(out, planned)
            with worker.alone("--restart deletes nothing", [out / folder for folder in known]):
                clear(out, known, only, {item.run.init_from for study in planned for item in study.runs})
            # Studies that `only` leaves out may still hold complete runs, to which duplicates then refer.
            planned = plan(config, out, seeds, scale, only)
        _check(planned, out, load)
        _remove_partial(out, planned, worker)
        opening.write(out, planned, invocation or Invocation(scale=scale), worker)
        rates = speed.of_plan(planned, shown.message, measure=max_minutes is not None)
        _Session(out, load, shown, stop, rates, deadline, worker, log, leader).train(planned)
    return [out / (item.same_as or study.folder / item.folder) for study in planned for item in study.runs]


def _run_folders(out: Path, planned: Sequence[PlannedStudy]) -> set[Path]:
    """The planned runs' folders below OUT, with those of an earlier manifest."""
    folders = {study.folder / item.folder for study in planned for item in study.runs}
    return folders | {study.folder / path for study in planned for path in run_folders(out / study.folder)}


def _remove_partial(out: Path, planned: Sequence[PlannedStudy], worker: Worker) -> None:
    """Remove what a killed process left, unless another one may be writing it."""
    folders = []
    for study in planned:
        folders += [out / study.folder, out / study.folder / pictures.FOLDER]
        for item in study.runs:
            run = out / study.folder / item.folder
            # `jaxcifar.train` and `jaxcifar landscape` are not among the workers.
            if any(run.is_dir() and worker.locks.holder(run, name) for name in (lock.RUN, lock.MEASURES)):
                continue
            folders += [run, run / snapshots.FOLDER, *(run / records.CHECKPOINTS).glob("*")]
    if any(records.has_partial(folder) for folder in folders):
        with worker.planning():
            if worker.other() is None:
                for folder in folders:
                    records.remove_partial(folder)


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
    for run in {replace(run, name="", seed=0): run for run in left}.values():
        check_parts(run)
    if out is None:
        # A run that trains checks it by itself, before it writes anything.
        for run in left:
            start.check(run)
    else:
        for folder, run in own:
            check_records(out / folder, run)
            # A run that trains checks its images by itself; those of CIFAR's form need not be there any more.
            if run not in left and not run.data.has_cifar_form:
                check_data(out / folder, load(run.data), ", or another --out")
    if left:
        load(left[0].data)


def foretold(planned: Sequence[PlannedStudy], seconds: float) -> str:
    """Return a sentence on the time that a plan takes, and on its size `cpu` where that is far quicker."""
    hours = [study.study.sizes["cpu"].hours for study in planned if "cpu" in study.study.sizes and not study.study.size]
    quicker = 3600 * sum(hours)
    hint = f"; `--size cpu` takes about {duration(quicker)} on two cores" if hours and seconds > 4 * quicker else ""
    return f"About {duration(seconds)} on this device{hint}."


@dataclass
class _Session:
    """The programs of a plan, trained one after the other."""

    out: Path
    load: Callable
    shown: Progress
    stop: Stop
    speed: Speed | None
    deadline: float
    worker: Worker
    log: Log | None = None
    leader: Leader | None = None

    def train(self, planned: Sequence[PlannedStudy]) -> None:
        if len(planned) == 1:
            self._tell_ended(planned[0])
        self.viewed: set[Path] = set()
        self.late: list[Planned] = []
        # Grouped before the complete runs are left out, so that every process has the same programs.
        self.programs = [(study, items) for study in planned for items in programs(study)]
        left = [index for index, (study, items) in enumerate(self.programs) if self._left(study, items)]
        runs = [[item.run for item in self._left(*self.programs[index])] for index in left]
        self.remaining = Remaining.of(dict(zip(left, runs, strict=True)), self.speed, self.deadline)
        self.total, self.done = len(left), 0
        if self.speed and left:
            self.shown.message(foretold(planned, self.remaining.seconds() or 0))
        share(self.worker, left, self._attempt, self._stopped)
        if self.worker.part:
            self.worker.others = sum(not self.worker.has(i) and bool(self._left(*self.programs[i])) for i in left)
        for study in planned:
            self._view(study)
        if self.late:
            runs_were = "1 run was" if len(self.late) == 1 else f"{len(self.late)} runs were"
            self.shown.message(
                f"{runs_were} not started because the time limit would be exceeded; give the same command again to "
                "continue."
            )

    def _left(self, study: PlannedStudy, items: Sequence[Planned]) -> list[Planned]:
        """The runs that have not come to their end."""
        return [item for item in items if not records.is_complete(self.out / study.folder / item.folder)]

    def _attempt(self, index: int) -> Holder | None:
        """Train a program; return the process that does so already, and None in all other cases."""
        study, items = self.programs[index]
        if (left := self._left(study, items)) and not self.remaining.fits(index):
            self.remaining.skip(index)
            self.late += left
            return None
        # The complete runs too: processes that do not see the same runs as complete still exclude each other.
        with self.worker.holding([self.out / study.folder / item.folder for item in items]) as holder:
            # Asked again, because another process may have trained the program meanwhile.
            left = self._left(study, items)
            if holder is not None and left:
                return holder
            # A holder of a complete program only looks at it.
            if left:
                began = time.monotonic()
                self._run(study, left)
                # Of two that end at once, one has to see that the other has ended, and make the report.
                self.worker.locks.forget()
                self.remaining.ended(index, time.monotonic() - began)
            else:
                self.worker.met = True
                self.remaining.skip(index)
        self.done += 1
        self._tell(self.done, self.total, self.remaining.seconds())
        # A study's pictures are made as soon as its last program has ended, not after the whole paper.
        self._view(study)
        return None

    def _stopped(self) -> None:
        if self.stop.signal_number is not None:
            raise Interrupted("Stopped while waiting for other processes.", self.stop.signal_number)

    def _tell_ended(self, study: PlannedStudy) -> None:
        """Tell which runs have ended already."""
        for item in study.runs:
            folder = self.out / study.folder / item.folder
            if item.same_as is None and records.is_complete(folder):
                status = read_records(folder).status
                self.shown.message(f"{item.member}, seed {item.run.seed} is {status}; nothing to do.")

    def _run(self, study: PlannedStudy, items: Sequence[Planned]) -> None:
        members = [Member(item.run, self.out / study.folder / item.folder, item.label, self.log) for item in items]
        vectorize = choose_vectorize(study.study.vectorize, items[0].run, len(items))
        dataset, make_group = self.load(items[0].run.data), Group
        if self.leader:
            make_group = shared_group(self.leader, [study.folder / item.folder for item in items], dataset)
        train_members(members, dataset, vectorize, self.shown, self.stop, make_group, self.worker.beside)

    def _view(self, study: PlannedStudy) -> None:
        """The pictures that a study asks for, once its runs have ended; one process at a time makes them."""
        measured = any(item.run.snapshot_measures for item in study.runs)
        asked = study.study.pictures or study.study.is_single or measured
        wanted = asked and time.monotonic() <= self.deadline
        if not wanted or study.folder in self.viewed or self._is_open(study):
            return
        with self.worker.holding([self.out / study.folder], lock.PICTURES, self._stopped) as holder:
            if holder is not None:
                self.worker.met = True
                return
            make(
                study,
                self.out,
                self.load,
                self.shown.message,
                lambda: self.stop.signal_number is not None,
                self._measuring,
            )
        if self.stop.signal_number is not None:
            raise Interrupted(
                "Stopped between two measures; give the same command again to continue.", self.stop.signal_number
            )
        self.viewed.add(study.folder)

    @contextmanager
    def _measuring(self, run: Path) -> Iterator[None]:
        """Wait until no `jaxcifar landscape` measures a run, and keep it from beginning."""
        while True:
            with self.worker.holding([run], lock.MEASURES, self._stopped) as holder:
                if holder is None:
                    yield
                    return
            time.sleep(POLL_SECONDS)
            self._stopped()

    def _is_open(self, study: PlannedStudy) -> bool:
        """Whether a program of the study has not ended."""
        return any(self._left(study, items) for items in programs(study))

    def _tell(self, done: int, total: int, seconds: float | None) -> None:
        if total > 1 and done < total:
            left = f"; about {duration(seconds)} left in all" if seconds is not None else ""
            self.shown.message(f"{done} of {total} programs have ended{left}.")
