"""The training loop: chunks of steps on the device, and between them records, checkpoints and progress."""

from __future__ import annotations

import errno
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar import records
from jaxcifar.config import Run, UserError, Vectorize
from jaxcifar.data import Dataset
from jaxcifar.models import count_parameters
from jaxcifar.training import metrics, program, sharding
from jaxcifar.training.checkpoint import Checkpoints, sound_steps
from jaxcifar.training.environment import environment
from jaxcifar.training.history import History
from jaxcifar.training.interrupt import Interrupted, Stop
from jaxcifar.training.optimizers import numbers, schedule_factor
from jaxcifar.training.progress import Progress, Status

CHUNK_SECONDS = 1.0
LONGEST_CHUNK = 8192


@dataclass(frozen=True)
class Member:
    """A run and the folder it is recorded in."""

    run: Run
    folder: Path


def train_members(
    members: Sequence[Member], dataset: Dataset, vectorize: Vectorize, progress: Progress, stop: Stop
) -> None:
    """Trains runs that differ in their plain numbers only as one program, each recorded as if it were alone.

    What was begun before goes on from the newest checkpoint that is whole and common to all.

    Args:
        members: the runs and their folders; `vectorize="off"` takes exactly one.
        dataset: the images.
        vectorize: `off`, `vmap` or `map`.
        progress: where to show how far it is.
        stop: asks the loop to save and end.

    Raises:
        UserError: a config that does not fit the data or the folder, or a full disk.
        Interrupted: after saving, if `stop` asked for it.
    """
    for member in members:
        _check(member, dataset)
    trainer = _Trainer(members, dataset, vectorize, progress)
    with _storage_errors(members[0].folder):
        trainer.restore()
        trainer.fit(stop)


def _check(member: Member, dataset: Dataset) -> None:
    size = len(dataset.train_labels)
    if member.run.batch_size > size:
        raise UserError(
            f"batch_size is {member.run.batch_size} with {size:,} training images; it must be at most their number."
        )
    records.begin(member.folder, member.run)
    stored = records.read(member.folder).environment
    if stored and stored["data"]["sha256"] != dataset.fingerprint:
        raise UserError(
            f"{member.folder} was begun on the data set {stored['data']['name']} with SHA-256 "
            f"{stored['data']['sha256'][:12]}, not on this {dataset.name} with {dataset.fingerprint[:12]}; "
            "give the same data, or --restart to begin anew."
        )
    records.write_environment(member.folder, environment(dataset.name, dataset.fingerprint))


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """A full disk ends with one sentence; what stands in the folder resumes."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left" in str(error) or "RESOURCE_EXHAUSTED: Error writing" in str(error):
            message = f"The disk that holds {folder} is full; make room and give the same command again to go on."
            raise UserError(message) from error
        raise


class _Trainer:
    """The host's side of a group of members."""

    def __init__(self, members: Sequence[Member], dataset: Dataset, vectorize: Vectorize, progress: Progress):
        run = members[0].run
        self.members, self.run, self.progress = members, run, progress
        self.stacked = vectorize != "off"
        self.steps_per_epoch = len(dataset.train_labels) // run.batch_size
        self.total = self.steps_per_epoch * run.epochs
        self.length = min(self.steps_per_epoch, LONGEST_CHUNK)
        self.histories = [History(member.run, member.folder, self.steps_per_epoch) for member in members]
        self.snapshots = [epoch * self.steps_per_epoch for epoch in run.checkpoint.snapshots]
        self.mesh = sharding.make_mesh(len(members) if self.stacked else 1, run.batch_size)
        self.values = self._place(self._stack([numbers(member.run) for member in members]))
        place = sharding.replicated(self.mesh)
        self.train_split = jax.device_put((dataset.train_images, dataset.train_labels), place)
        self.test_split = jax.device_put((dataset.test_images, dataset.test_labels), place)
        self.program = program.build(run, len(dataset.train_labels), self.length, vectorize, self.mesh)
        self.step = 0
        self.epoch_seconds = self.seconds = 0.0

    def _stack(self, trees: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees) if self.stacked else trees[0]

    def _split(self, tree: Any) -> list[Any]:
        """A group's host values, member by member."""
        return (
            [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(len(self.members))]
            if self.stacked
            else [tree]
        )

    def _place(self, tree: Any) -> Any:
        return jax.device_put(tree, sharding.by_member(self.mesh) if self.stacked else sharding.replicated(self.mesh))

    def restore(self) -> None:
        """The state of the newest checkpoint that is whole and common to all members, else the initial one."""
        shapes = jax.eval_shape(self.program.create, self.values)
        self.parameters = count_parameters(shapes.params) // len(self.members)
        sound = [sound_steps(member.folder, self.progress.message) for member in self.members]
        common = set.intersection(*(set(steps) for steps in sound))
        checkpoint = self.run.checkpoint
        self.checkpoints = [Checkpoints(m.folder, checkpoint.keep, self.snapshots) for m in self.members]
        if common:
            self.step = max(common)
            template = self._split(jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), shapes))
            restored = [c.restore(self.step, t) for c, t in zip(self.checkpoints, template, strict=True)]
            self.state = self._place(self._stack(restored))
            extra = sound[0][self.step]
            self.epoch_seconds, self.seconds = extra["epoch_seconds"], extra["seconds"]
            self.progress.message(f"{self._name()} goes on from step {self.step} of {self.total}.")
        else:
            self.state = self._place(jax.jit(self.program.create)(self.values))
        for history, saved in zip(self.histories, self.checkpoints, strict=True):
            history.restore(self.step)
            saved.discard_after(self.step if common else -1)

    def _name(self) -> str:
        return self.run.name if len(self.members) == 1 else f"{self.run.name} and {len(self.members) - 1} more"

    def fit(self, stop: Stop) -> None:
        """Trains to the end, to the divergence of every member, or until asked to stop."""
        with ExitStack() as stack:
            for saved in self.checkpoints:
                stack.callback(saved.close)
            self._train(stop)
            for saved in self.checkpoints:
                saved.wait()
            self._summarize("finished")

    def _train(self, stop: Stop) -> None:
        start = time.monotonic()
        chunk = jax.jit(self.program.chunk, donate_argnums=1)
        chunk = chunk.lower(self.values, self.state, self.train_split, np.zeros(2, np.int32)).compile()
        evaluate = jax.jit(self.program.evaluate).lower(self.values, self.state, self.test_split).compile()
        self.compile_seconds = time.monotonic() - start
        saved_at, size = time.monotonic(), 1
        if self.step in self.snapshots:
            self._save()
        while self.step < self.total:
            position = self.step % self.steps_per_epoch
            count = min(size, self.steps_per_epoch - position)
            elapsed = self._chunk(chunk, count)
            size = int(np.clip(count * CHUNK_SECONDS / elapsed, 1, min(8 * size, self.length)))
            ended = self.step % self.steps_per_epoch == 0
            if ended:
                self._end_epoch(evaluate)
            self._show(count, elapsed, ended)
            if all(history.diverged_step is not None for history in self.histories):
                return
            for saved in self.checkpoints:
                saved.poll()
            due = time.monotonic() - saved_at >= self.run.checkpoint.every_seconds
            if due or stop.signal_number or self.step == self.total or self.step in self.snapshots:
                self._save()
                saved_at = time.monotonic()
            if stop.signal_number and self.step < self.total:
                self._interrupt(stop.signal_number)

    def _chunk(self, chunk: Any, count: int) -> float:
        """Trains `count` steps and records them; returns the seconds it took."""
        start = time.monotonic()
        self.state, measured = chunk(self.values, self.state, self.train_split, np.array([self.step, count], np.int32))
        host = jax.device_get(measured)
        elapsed = time.monotonic() - start
        self.step += count
        self.epoch_seconds += elapsed
        self.seconds += elapsed
        for history, member in zip(self.histories, self._split(host), strict=True):
            history.extend({name: values[:count] for name, values in member.items()})
        return elapsed

    def _end_epoch(self, evaluate: Any) -> None:
        sums = jax.device_get(evaluate(self.values, self.state, self.test_split))
        factor = schedule_factor(
            self.run.optimizer.schedule, jnp.int32(self.step - 1), self.steps_per_epoch, self.run.epochs
        )
        for history, member in zip(self.histories, self._split(sums), strict=True):
            rate = history.run.optimizer.learning_rate * float(factor)
            # Members share the device, so each is charged its share of the group's time.
            history.end_epoch(metrics.Sums(*member), self.epoch_seconds / len(self.members), rate)
        self.epoch_seconds = 0.0

    def _save(self) -> None:
        extra = {"epoch_seconds": self.epoch_seconds, "seconds": self.seconds}
        host = jax.device_get(self.state)
        for history, saved, state in zip(self.histories, self.checkpoints, self._split(host), strict=True):
            if history.diverged_step is None:
                history.flush()
                saved.save(self.step, state, extra)

    def _interrupt(self, signal_number: int) -> None:
        for saved in self.checkpoints:
            saved.wait()
        self._summarize("interrupted")
        message = f"{self._name()} was stopped at step {self.step} of {self.total} and saved; the same command goes on."
        raise Interrupted(message, signal_number)

    def _summarize(self, status: records.Status) -> None:
        stats = jax.local_devices()[0].memory_stats()
        memory = {
            "host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "device_bytes": stats["peak_bytes_in_use"] if stats else None,
        }
        for history in self.histories:
            extra = {
                "parameters": self.parameters,
                "training_seconds": self.seconds / len(self.members),
                "compile_seconds": self.compile_seconds,
                "members_in_program": len(self.members),
                "peak_memory": memory,
            }
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
                seconds_left=(self.total - self.step) * self.seconds / self.step,
                epoch_ended=ended,
            )
        )
