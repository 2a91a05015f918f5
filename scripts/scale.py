"""How long a paper takes on many GPUs, computed from the measured speed of one; writes the tables of docs/scale.md.

    python scripts/scale.py                    the full paper on 1, 8, 64 and 512 GPUs, three seeds
    python scripts/scale.py --seeds 1 --write docs/scale.md

Every run is a program of its own (`--vectorize off`), and a process takes the next one in the paper's order, as
`jaxcifar run` given N times does. The speeds are those of one H100 in docs/performance.md.
"""

from __future__ import annotations

import argparse
import functools
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar.config import VGG, Run, Study, load, shipped
from jaxcifar.models import training_flops
from jaxcifar.runner.deduplicate import plan
from jaxcifar.runner.plan import shape_of
from jaxcifar.training import probes
from jaxcifar.training.cost import cost_of

STEP, STEP_WITH_PROBES, NARROW_STEP, SMALL_STEP = 1.79e-3, 14.9e-3, 0.85e-3, 0.16e-3
"""Seconds on one H100: VGG-A + BatchNorm at batch 128, also with the measures of `gradients`, at width 16, the CNN."""
START, COMPILE, PER_NODE = 10.0, 60.0, 8
"""Seconds to start a run, and to compile a program that the node's cache does not have; GPUs of a node. All assumed."""
FILES = 13
"""Files and folders of one checkpoint, counted."""
GPUS = (1, 8, 64, 512)
BEGIN, END = "<!-- scale -->", "<!-- /scale -->"


operations_of = functools.cache(training_flops)


@dataclass(frozen=True)
class Speed:
    """Rates that explain the measured steps."""

    training: float
    """Operations per second of training, products in TF32."""
    exact: float
    """Operations per second of the measures' gradients, in float32."""
    per_layer: float
    """Seconds that a layer's kernels take at least."""

    @classmethod
    def measured(cls) -> Speed:
        """Return the rates of one H100."""
        study = load(shipped.path("gradients"))
        assert isinstance(study, Study)
        run = study.base
        operations = training_flops(VGG(norm="batch")) * run.batch_size
        # What the measures add to a step is the time of their gradients.
        exact = operations * probes.gradients(run) / (STEP_WITH_PROBES - STEP)
        return cls(operations / STEP, exact, NARROW_STEP / cost_of(Run(model=VGG(norm="batch"))).layers)

    def seconds(self, run: Run) -> float:
        """Return the time of a run without compilation."""
        cost, network = cost_of(run), operations_of(run.model) * run.batch_size
        extra = network * probes.gradients(run) * cost.steps
        least = SMALL_STEP if run.batch_size < 16 else self.per_layer * cost.layers
        # A step takes the time of its arithmetic or, where that is short, of starting its kernels.
        # The gradients of the measures come on top.
        return max((cost.flops - extra) / self.training, least * cost.steps) + extra / self.exact


def schedule(runs: Sequence[Run], speed: Speed, gpus: int) -> tuple[float, float]:
    """Return when the last run ends, each taken in order by the first GPU that is free, and the time trained."""
    free, known, trained = [(0.0, gpu) for gpu in range(gpus)], set(), 0.0
    for run in runs:
        at, gpu = free[0]
        program = gpu // PER_NODE, shape_of(run)
        took = speed.seconds(run)
        heapq.heapreplace(free, (at + START + took + (0.0 if program in known else COMPILE), gpu))
        known.add(program)
        trained += took
    return max(free)[0], trained


def saves(run: Run, seconds: float) -> tuple[int, int]:
    """Return the number of checkpoints that a run writes in its time, and the bytes of each."""
    snapshots = len(run.checkpoint.snapshots)
    return int(seconds / run.checkpoint.every_seconds) + 1 + snapshots, cost_of(run).disk // (
        run.checkpoint.keep + snapshots
    )


def tables(seeds: int) -> str:
    """Return both tables in Markdown."""
    speed, studies = Speed.measured(), plan(load(shipped.path("paper")), seeds=seeds)
    runs = {study.study.name: [item.run for item in study.runs if item.same_as is None] for study in studies}
    rows = []
    for name, own in runs.items():
        if not own:
            continue  # all of them are those of another study
        hours = sum(speed.seconds(run) for run in own) / 3600
        operations = sum(cost_of(run).flops for run in own) / 1e15
        written = sum(count * size for count, size in (saves(run, speed.seconds(run)) for run in own)) / 1e9
        rows.append(f"| {name} | {len(own)} | {operations:,.1f} | {hours:,.2f} | {written:,.1f} |")
    every = [run for own in runs.values() for run in own]
    saved = [saves(run, speed.seconds(run)) for run in every]
    traffic, checkpoints = sum(n * size for n, size in saved), sum(n for n, _ in saved)
    scaled = []
    for gpus in GPUS:
        took, trained = schedule(every, speed, gpus)
        busy = trained / took / gpus
        load_on_disk = f"{traffic / took / 1e6:,.0f} | {checkpoints * FILES / took:,.1f}"
        scaled.append(f"| {gpus} | {took / 3600:,.2f} | {busy:.0%} | {load_on_disk} |")
    head = f"{len(every)} runs with {seeds} seed{'s' if seeds > 1 else ''} of every member."
    first = "| study | runs | PFLOP | hours on one H100 | GB written |\n|---|---:|---:|---:|---:|"
    second = "| GPUs | hours | GPUs training | checkpoints MB/s | files made per second |\n|---:|---:|---:|---:|---:|"
    longest = max(map(speed.seconds, every)) / 60
    return "\n".join([head, "", first, *rows, "", second, *scaled, "", f"The longest run takes {longest:.0f} minutes."])


def main() -> None:
    """Print the tables, or write them into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of every member (default 3)")
    parser.add_argument("--write", type=Path, help=f"a document; the tables go between {BEGIN} and {END}")
    options = parser.parse_args()
    text = tables(options.seeds)
    print(text)
    if options.write:
        document = options.write.read_text()
        before, after = document.split(BEGIN)[0], document.split(END)[1]
        options.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
