"""Computes the views that a study asks for; what is there already is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar import records
from jaxcifar.config import Run
from jaxcifar.config.stored import read_records
from jaxcifar.data import Dataset
from jaxcifar.records import pictures
from jaxcifar.records import snapshots as stored_snapshots
from jaxcifar.runner import networks, residual_blocks
from jaxcifar.runner.plan import PlannedStudy
from jaxcifar.runner.samples import samples
from jaxcifar.runner.snapshots import measure_run


@dataclass(frozen=True)
class Place:
    """A run of a study: where it stands, and where its checkpoints lie (elsewhere if another run stands for it)."""

    run: Run
    folder: Path
    trained: Path


def make(
    planned: PlannedStudy,
    out: Path,
    load: Callable[..., Dataset],
    notify: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Writes the study's views.

    Args:
        planned: the study; its field `pictures` says what is wanted.
        out: the folder of the paper, or of the study.
        load: from a config's data to the data set.
        notify: told what is being computed.
        stopped: whether the user asked to end; then the rest waits for the next time.
    """
    folder = out / planned.folder
    places = [
        Place(item.run, folder / item.folder, out / item.same_as if item.same_as else folder / item.folder)
        for item in planned.runs
    ]
    for picture in planned.study.pictures:
        match picture:
            case "samples":
                _samples(folder, places[0].run, load)
            case "architecture":
                _architecture(folder)
            case "gradients":
                _gradients(places, load, notify, stopped)
            case "features":
                _features(places, load, notify)
            case "curvature":
                _curvature(places, load, notify, stopped)


def _samples(folder: Path, run: Run, load: Callable[..., Dataset]) -> None:
    path = folder / pictures.FOLDER / pictures.SAMPLES
    if not path.is_file():
        records.write_arrays(path, samples(load(run.data)))


def _architecture(folder: Path) -> None:
    path = folder / pictures.FOLDER / pictures.ARCHITECTURE
    if not path.is_file():
        value = {
            **residual_blocks.tables(),
            "block": residual_blocks.graph(18, stage=1, blocks=1),
            "conv2_x": residual_blocks.graph(34, stage=1, blocks=3),
        }
        records.write_json(path, value)


def _gradients(
    places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    for place in places:
        if stopped():
            return
        if not records.is_complete(place.trained):
            continue
        steps = networks.saved_steps(place.trained, notify)
        per_epoch = read_records(place.trained).summary["steps"] // place.run.epochs
        epochs = {step // per_epoch: step for step in steps if per_epoch and step % per_epoch == 0}
        if epochs and set(epochs) != set(pictures.read_gradients(place.folder)):
            notify(f"Measuring the gradients of {place.run.name}, seed {place.run.seed}, layer by layer.")
            measure = networks.gradient_norms(place.run, load(place.run.data))
            norms = {str(e): measure(networks.restore(place.run, place.trained, s)) for e, s in sorted(epochs.items())}
            records.write_json(place.folder / pictures.GRADIENTS, {"batch": networks.GRADIENT_BATCH, "norms": norms})


def _curvature(
    places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    for place in places:
        if not stopped() and read_records(place.trained).status == "finished":
            measure_run(
                place.run, place.folder, place.trained, stored_snapshots.MEASURES, load, notify, stopped=stopped
            )


def _features(places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None]) -> None:
    """Of the study's first run that has finished."""
    for place in places:
        path = place.folder / pictures.FEATURES
        if path.is_file():
            return
        steps = networks.saved_steps(place.trained, notify) if records.is_complete(place.trained) else []
        if steps:
            state = networks.restore(place.run, place.trained, steps[-1])
            records.write_arrays(path, networks.features(place.run, state, load(place.run.data)))
            return
