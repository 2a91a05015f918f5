"""`--scale S`: a small real version of a run, images and epochs multiplied by S."""

from __future__ import annotations

import dataclasses

from jaxcifar.config import Data, Run, UserError
from jaxcifar.data import train_size
from jaxcifar.data.dataset import split_rows
from jaxcifar.measures import Measure, StepMeasure

LEAST_IMAGES = 512
PROBE_EVERY = 10


def check_scale(scale: float) -> None:
    """Raise UserError unless the scale is in (0, 1]."""
    if not 0 < scale <= 1:
        raise UserError(f"--scale is {scale:g}; it must be above 0 and at most 1.")


def scale_run(run: Run, scale: float) -> Run:
    """Return the run with images and epochs multiplied: at least 512 images (or all of them) and one epoch.

    ResNet-50 and deeper and networks made for speed take a few steps at a small batch; step measures are taken every
    tenth step; of the snapshots at most the initial state, the middle and the end are kept.
    The times of the schedule of the learning rate are multiplied as the epochs are.
    Runs with snapshot measures take VGG-A's light form, and at least two epochs, so that snapshots make a path.
    """
    if scale == 1:
        return run
    light = bool(run.snapshot_measures)
    images, batch_size = run.model.scaled_run or (None, run.batch_size)
    data = _scale_data(run.data, scale, images)
    epochs = max(min(2, run.epochs) if light else 1, round(run.epochs * scale))
    batch = min(batch_size, run.batch_size, train_size(data))
    snapshots = tuple(sorted({round(epoch * epochs / run.epochs) for epoch in run.checkpoint.snapshots}))
    return dataclasses.replace(
        run,
        model=run.model.smaller_form() if light else run.model,
        data=data,
        epochs=epochs,
        batch_size=batch,
        optimizer=dataclasses.replace(run.optimizer, schedule=run.optimizer.schedule.scaled(epochs / run.epochs)),
        probes=tuple(_thinned(probe) for probe in run.probes),
        checkpoint=dataclasses.replace(run.checkpoint, snapshots=_thin(snapshots)),
    )


def _thinned(probe: Measure) -> Measure:
    """A step measure that is taken every tenth step at most."""
    if isinstance(probe, StepMeasure):
        return dataclasses.replace(probe, every=max(PROBE_EVERY, probe.every))
    return probe


def _scale_data(data: Data, scale: float, fixed: int | None) -> Data:
    sizes = [len(rows) if fixed is None else min(len(rows), fixed) for rows in split_rows(data)[:2]]
    train, test = (min(size, max(LEAST_IMAGES, round(size * scale))) for size in sizes)
    return dataclasses.replace(data, train_size=train, test_size=test)


def _thin(snapshots: tuple[int, ...]) -> tuple[int, ...]:
    """The first, the middle and the last of more than three."""
    return snapshots if len(snapshots) <= 3 else (snapshots[0], snapshots[len(snapshots) // 2], snapshots[-1])
