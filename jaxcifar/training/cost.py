"""The cost of a run, computed from its config and its network: steps, operations, disk."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.config import Model, Run
from jaxcifar.config.module import by_code
from jaxcifar.data.dataset import split_rows
from jaxcifar.measures.context import IMAGES, plane_points
from jaxcifar.models import layer_rows, training_flops
from jaxcifar.training import probes


@dataclass(frozen=True)
class Cost:
    """Steps, operations and disk of a run."""

    steps: int
    flops: float
    """Floating-point operations of training, probes and evaluation; 2 per multiply-add."""
    disk: int
    """Bytes of the checkpoints that are kept and of the per-step arrays, at most: a short run saves fewer."""
    layers: int
    """Number of compiled layers."""
    measuring: float = 0.0
    """Floating-point operations of the measures at snapshots, after training, estimated."""


def cost_of(run: Run) -> Cost:
    """Return the cost of a run, from its layer table; needs no data."""
    network = _network(run.model)
    train, test = (len(rows) for rows in split_rows(run.data)[:2])
    steps = train // run.batch_size * run.epochs
    training = network.training_flops * run.batch_size * steps * (1 + probes.gradients(run))
    evaluation = network.forward_flops * (test * _evaluations(run) + (train * run.epochs if run.evaluate_train else 0))
    kept = run.checkpoint.keep + len(run.checkpoint.snapshots)
    # 4 bytes: the state is float32 in every precision of the run.
    state = 4 * network.parameters * (1 + run.optimizer.slots + run.average.copies)
    arrays = 4 * steps * (2 + len(probes.names(run)))
    return Cost(steps, training + evaluation, kept * state + arrays, network.layers, _measuring(run, network, train))


def _measuring(run: Run, network: _Network, images: int) -> float:
    at = network.layers, max(len(run.checkpoint.snapshots), 1), plane_points(images)
    gradients = sum(measure.told("gradients", *at) for measure in run.snapshot_measures)
    return gradients * min(IMAGES, images) * network.training_flops


@dataclass(frozen=True)
class _Network:
    parameters: int
    layers: int
    forward_flops: int
    training_flops: int


@by_code
def _network(model: Model) -> _Network:
    rows = layer_rows(model)
    forward = 2 * sum(row.multiply_adds for row in rows)
    return _Network(sum(row.parameters for row in rows), len(rows), forward, training_flops(model))


def _evaluations(run: Run) -> int:
    """Number of times that a test image passes the network."""
    last = {"none": 1, "mirror": 2, "six": 6}[run.test_views] * (2 if run.average.figure else 1)
    return last if run.timed else run.epochs - 1 + last
