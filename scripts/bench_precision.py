"""Whether training in bfloat16 stays as close to training in float32 as one seed is to another."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jaxcifar import data
from jaxcifar.config import Run
from jaxcifar.config.stored import read_records
from jaxcifar.training import Member, interrupt, progress, runtime, train_members

STEPS = 100
SEEDS = 4


@dataclass(frozen=True)
class Gap:
    """The mean training loss over the second half of the steps, seed by seed, in both precisions."""

    data: str
    steps: int
    float32: tuple[float, ...]
    bfloat16: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """Of each seed: bfloat16 less float32, from the same weights on the same batches."""
        return tuple(b - f for f, b in zip(self.float32, self.bfloat16, strict=True))

    @property
    def spread(self) -> float:
        """How far the highest float32 seed lies above the lowest."""
        return max(self.float32) - min(self.float32)

    @property
    def within(self) -> bool:
        """Whether every seed's difference is smaller than the spread; of a loss that is not finite it is not."""
        return all(abs(difference) <= self.spread for difference in self.differences)


def precision_gap(run: Run, steps: int = STEPS, seeds: int = SEEDS) -> Gap:
    """Trains a run in both precisions, each step on new images.

    Args:
        run: the network, optimizer, batch size and data; the number of images and epochs follow from `steps`.
        steps: of each training.
        seeds: as many trainings in each precision.
    """
    runtime.configure()
    size = replace(run.data, train_size=steps * run.batch_size, test_size=100)
    dataset = data.load(size)
    found = {}
    for precision in ("float32", "bfloat16"):
        own = replace(run, data=size, epochs=1, precision=precision)
        with tempfile.TemporaryDirectory() as folder, progress.showing() as shown, interrupt.handling() as stop:
            members = [Member(replace(own, seed=seed), Path(folder) / str(seed)) for seed in range(seeds)]
            train_members(members, dataset, "map", shown, stop)
            losses = [read_records(member.folder).steps["loss"] for member in members]
        found[precision] = tuple(float(np.mean(loss[steps // 2 :])) for loss in losses)
    return Gap(dataset.name, steps, **found)


def sentences(network: str, run: Run, gap: Gap) -> list[str]:
    """The figures as a table for a document, and what they say."""
    headings = ["precision", *(f"seed {seed}" for seed in range(len(gap.float32)))]
    rows = [headings, ["---", *["---:"] * len(gap.float32)]]
    for name, values in (("float32", gap.float32), ("bfloat16", gap.bfloat16), ("difference", gap.differences)):
        rows.append([name, *(f"{value:.4f}" for value in values)])
    largest = max(abs(difference) for difference in gap.differences)
    return [
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        f"Mean training loss (nats) over steps {gap.steps // 2 + 1} to {gap.steps} of {network}, batch "
        f"{run.batch_size}, on {gap.data}. bfloat16 ends at most {largest:.4f} from float32's run of the same seed; "
        f"float32's seeds lie {gap.spread:.4f} apart: {'within' if gap.within else 'NOT within'} the spread.",
    ]
