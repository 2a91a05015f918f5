"""The training loop: chunks of steps on the device, and between them records, checkpoints and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcifar import records
from jaxcifar.config import Run, Vectorize
from jaxcifar.data import Dataset
from jaxcifar.models import count_parameters
from jaxcifar.training import probes, runtime, sharding
from jaxcifar.training.checkpoint import Checkpoints
from jaxcifar.training.chunk import LONGEST_CHUNK, ChunkLength
from jaxcifar.training.cost import cost_of
from jaxcifar.training.group import Group
from jaxcifar.training.history import History
from jaxcifar.training.interrupt import Interrupted, Stop
from jaxcifar.training.loggers import Log, opened
from jaxcifar.training.optimizers import schedule_factor
from jaxcifar.training.progress import Progress, Status
from jaxcifar.training.resume import begin, common_steps, record_environment
from jaxcifar.training.start import check, started

MakeGroup = Callable[..., Group]
"""Makes a group, with the arguments of `Group`."""


@dataclass(frozen=True)
class Member:
    """A run and the folder it is recorded in."""

    run: Run
    folder: Path
    label: str = ""
    """Name on progress lines; empty for the name of the run."""
    log: Log | None = None
    """The logger of another tool that gets the run's rows."""


def train_members(
    members: Sequence[Member],
    dataset: Dataset,
    vectorize: Vectorize,
    progress: Progress,
    stop: Stop,
    make_group: MakeGroup = Group,
    beside: Callable[[], int] = lambda: 0,
) -> None:
    """Train runs that differ only in hyperparameters as one program, each with its own records.

    Runs that were begun before continue from the newest checkpoint that is whole and common to all.

    Args:
        members: the runs and their folders; `vectorize="off"` takes exactly one.
        dataset: the images.
        vectorize: `off`, `vmap` or `map`.
        progress: where to show how far training is.
        stop: asks the loop to save and end.
        make_group: makes the group; another one where several processes train it.
        beside: the number of other processes that train on this machine now, so that nobody compares its seconds.

    Raises:
        UserError: a config that does not fit the data or the folder.
        OSError, ValueError: the disk is full; `records.disk_errors_told` makes one sentence of them.
        Interrupted: after saving, if `stop` asked for it.
    """
    for member in members:
        if not records.read_config(member.folder):
            check(member.run)
        begin(member.run, member.folder, dataset)
    trainer = _Trainer(members, dataset, progress, partial(make_group, vectorize=vectorize), beside)
    trainer.restore()
    if idle := sharding.idle(trainer.group.used, len(members), members[0].run.batch_size):
        progress.message(idle)
    for member in members:
        record_environment(member.folder, dataset, trainer.step, trainer.group.used)
        if member.run.step_measures:
            records.write_displays(member.folder, probes.displays(member.run))
    trainer.fit(stop)


COMPILE_SECONDS = 0.5
"""Seconds per layer, measured on two cores of an AMD EPYC: ResNet-18 15 s, VGG-A with BatchNorm and measures 21 s."""


class _Trainer:
    """The host's side of a group of members."""

    def __init__(
        self,
        members: Sequence[Member],
        dataset: Dataset,
        progress: Progress,
        make_group: MakeGroup,
        beside: Callable[[], int],
    ):
        run = members[0].run
        self.beside, self.most_beside = beside, 0
        self.members, self.run, self.progress = members, run, progress
        self.fingerprint = dataset.fingerprint
        self.steps_per_epoch = len(dataset.train_labels) // run.batch_size
        self.total = self.steps_per_epoch * run.epochs
        self.length = min(self.steps_per_epoch, LONGEST_CHUNK)
        self.histories = [History(member.run, member.folder, self.steps_per_epoch) for member in members]
        self.snapshots = [epoch * self.steps_per_epoch for epoch in run.checkpoint.snapshots]
        train, test = (dataset.train_images, dataset.train_labels), (dataset.test_images, dataset.test_labels)
        self.group = make_group([member.run for member in members], train, test, self.length)
        self.step = 0
        self.epoch_seconds = self.seconds = 0.0
        self.total_seconds: float | None = None

    def restore(self) -> None:
        """Load the newest checkpoint that is whole and common to all members, else create the initial states."""
        self.parameters = count_parameters(self.group.shape.params)
        common = common_steps(self.histories, self.progress.message)
        keep = self.run.checkpoint.keep
        self.checkpoints = [Checkpoints(member.folder, keep, self.snapshots) for member in self.members]
        if common:
            self.step = max(common)
            self.group.load([saved.restore(self.step, self.group.shape) for saved in self.checkpoints])
            self.epoch_seconds, self.seconds = (common[self.step][name] for name in ("epoch_seconds", "seconds"))
            self.most_beside = common[self.step].get("beside", 0)
            self.progress.message(f"{self._name()} continues from step {self.step} of {self.total}.")
        else:
            self._create()
        for history, saved in zip(self.histories, self.checkpoints, strict=True):
            history.restore(self.step)
            # With -1 a damaged checkpoint of step 0 is deleted too, so that it can be saved again.
            saved.discard_after(self.step if common else -1)

    def _create(self) -> None:
        """Give every member its initial state, with the weights of another run where it starts from one."""
        self.group.create()
        if self.run.init_from is not None:
            pairs = zip(self.members, self.group.states(), strict=True)
            self.group.load([started(member.run, state) for member, state in pairs])

    def _name(self) -> str:
        name = self.members[0].label or self.run.name
        return name if len(self.members) == 1 else f"{name} and {len(self.members) - 1} more"

    def fit(self, stop: Stop) -> None:
        """Train to the end, to the divergence of every member, or until asked to stop."""
        with ExitStack() as stack:
            for member, history in zip(self.members, self.histories, strict=True):
                if member.log is not None:
                    name = member.label or member.run.name
                    history.logger = opened(member.log, member.run, member.folder, name)
                    stack.callback(history.logger.close)
            for saved in self.checkpoints:
                stack.callback(saved.close)
            self._train(stop)
            # The last checkpoint needs its manifest before the summary, because a finished run is never trained again.
            for saved in self.checkpoints:
                saved.wait()
            self._summarize("finished")

    def _about_compilation(self) -> str:
        seconds = COMPILE_SECONDS * cost_of(self.run).layers * (2 if self.run.step_measures else 1)
        return (
            f"Compiling {self.run.model.title}: about {max(5, 5 * round(seconds / 5))} s the first time; later starts "
            "take it from the cache."
        )

    def _train(self, stop: Stop) -> None:
        start, self.most_beside = time.monotonic(), max(self.most_beside, self.beside())
        with self.progress.working(self._about_compilation()):
            self.group.compile()
        self.compile_seconds = time.monotonic() - start
        is_timed = self.run.timed and self.step == 0
        if is_timed:
            self.group.warm_up()
            self._factor()  # compiles the small programs of the schedule, too
        started = saved_at = time.monotonic()
        length = ChunkLength(self.length, self.group.programs)
        if is_timed:
            self._create()  # the warm-up has consumed the states
        if self.step in self.snapshots:
            self._save()
        while self.step < self.total:
            position = self.step % self.steps_per_epoch
            count = min(length.steps, self.steps_per_epoch - position)
            elapsed = self._chunk(count)
            # Before anything is written, because another process may have taken the run over during the chunk.
            stop.may_continue()
            length.took(count, elapsed)
            ended = self.step % self.steps_per_epoch == 0
            if ended:
                self._end_epoch()
            if is_timed and self.step == self.total:
                self.total_seconds = time.monotonic() - started
            self._show(count, elapsed, ended)
            if all(history.diverged_step is not None for history in self.histories):
                return
            # A save counts only with its manifest, which is written as soon as possible in case the process is killed.
            for saved in self.checkpoints:
                saved.poll()
            due = time.monotonic() - saved_at >= self.run.checkpoint.every_seconds
            if due or stop.signal_number or self.step == self.total or self.step in self.snapshots:
                self._save()
                saved_at = time.monotonic()
            if stop.signal_number and self.step < self.total:
                self._interrupt(stop.signal_number)

    def _chunk(self, count: int) -> float:
        """Train `count` steps and record them; return the seconds that it took."""
        start = time.monotonic()
        # The values come to the host, so the call returns after the last step and the time is that of the work.
        measured = self.group.train(self.step, count, self.step // self.steps_per_epoch)
        elapsed = time.monotonic() - start
        self.step += count
        self.epoch_seconds += elapsed
        self.seconds += elapsed
        for history, member in zip(self.histories, measured, strict=True):
            history.extend({name: values[:count] for name, values in member.items()})
        return elapsed

    def _factor(self) -> float:
        """The schedule's factor at the last step."""
        step = jnp.int32(self.step - 1)
        return float(schedule_factor(self.run.optimizer.schedule, step, self.steps_per_epoch, self.run.epochs))

    def _end_epoch(self) -> None:
        last = self.step == self.total
        found = self.group.evaluate(last) if last or not self.run.timed else [None] * len(self.members)
        trained = self.group.evaluate_train() if self.run.evaluate_train else [None] * len(self.members)
        for history, sums, train_sums in zip(self.histories, found, trained, strict=True):
            rate = history.run.optimizer.learning_rate * self._factor()
            # Members share the device, so each is charged its share of the group's time.
            history.end_epoch(sums, self.epoch_seconds / len(self.members), rate, train_sums)
        self.epoch_seconds = 0.0

    def _save(self) -> None:
        self.most_beside = max(self.most_beside, self.beside())
        common = {"epoch_seconds": self.epoch_seconds, "seconds": self.seconds, "data": self.fingerprint}
        common["beside"] = self.most_beside
        # A diverged member is saved too: the group continues from the newest step that all of its members have.
        for history, saved, state in zip(self.histories, self.checkpoints, self.group.states(), strict=True):
            # The records come first: a checkpoint is passed over unless they reach its step.
            history.flush()
            saved.save(self.step, state, {**common, "rows": history.digest()})

    def _interrupt(self, signal_number: int) -> None:
        for saved in self.checkpoints:
            saved.wait()
        self._summarize("interrupted")
        message = (
            f"{self._name()} was stopped at step {self.step} of {self.total} and saved; give the same command again to "
            "continue."
        )
        raise Interrupted(message, signal_number)

    def _summarize(self, status: records.Status) -> None:
        memory = runtime.peak_memory()
        for history, saved in zip(self.histories, self.checkpoints, strict=True):
            if history.diverged_step is not None:
                # The others were saved when the clock said so, or hold weights after the divergence.
                saved.keep_only([step for step in self.snapshots if step < history.diverged_step])
            extra: dict[str, Any] = {
                "parameters": self.parameters,
                "training_seconds": self.seconds / len(self.members),
                "compile_seconds": self.compile_seconds,
                "members_in_program": len(self.members),
                "processes_beside": self.most_beside,
                "peak_memory": memory,
            }
            if self.run.timed:
                extra |= {"total_seconds": self.total_seconds, "flops": cost_of(self.run).flops}
            history.summarize(status, extra)

    def _show(self, count: int, elapsed: float, ended: bool) -> None:
        alive = [history for history in self.histories if history.diverged_step is None] or self.histories
        values = alive[0].values
        rows = alive[0].rows
        self.progress.update(
            Status(
                name=self._name(),
                epoch=-(-self.step // self.steps_per_epoch),
                epochs=self.run.epochs,
                step=self.step,
                steps=self.total,
                loss=float(np.mean(values["loss"][-count:])),
                accuracy=float(np.mean(values["accuracy"][-count:])),
                test_accuracy=rows[-1]["test_accuracy"] if rows else None,
                images_per_second=count * self.run.batch_size * len(self.members) / elapsed,
                seconds=self.seconds,
                epoch_ended=ended,
            )
        )
