"""Computes the views that a study asks for; what is there already is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxcifar import records
from jaxcifar.config import Run
from jaxcifar.data import Dataset
from jaxcifar.studies.curvature import files as curvature_files
from jaxcifar.studies.curvature.measure import measure_run
from jaxcifar.studies.plan import PlannedStudy
from jaxcifar.studies.views import architecture, files, networks
from jaxcifar.studies.views.samples import samples


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
        planned: the study; its field `views` says what is wanted.
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
    for view in planned.study.views:
        match view:
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
    path = folder / files.FOLDER / files.SAMPLES
    if not path.is_file():
        files.write_arrays(path, samples(load(run.data)))


def _architecture(folder: Path) -> None:
    path = folder / files.FOLDER / files.ARCHITECTURE
    if not path.is_file():
        value = {
            **architecture.tables(),
            "block": architecture.graph(18, stage=1, blocks=1),
            "conv2_x": architecture.graph(34, stage=1, blocks=3),
        }
        files.write_json(path, value)


def _gradients(
    places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    for place in places:
        if stopped():
            return
        if not records.is_complete(place.trained):
            continue
        steps = networks.saved_steps(place.trained, notify)
        per_epoch = records.read(place.trained).summary["steps"] // place.run.epochs
        epochs = {step // per_epoch: step for step in steps if per_epoch and step % per_epoch == 0}
        if epochs and set(epochs) != set(files.read_gradients(place.folder)):
            notify(f"Measuring the gradients of {place.run.name}, seed {place.run.seed}, layer by layer.")
            measure = networks.gradient_norms(place.run, load(place.run.data))
            norms = {str(e): measure(networks.restore(place.run, place.trained, s)) for e, s in sorted(epochs.items())}
            files.write_json(place.folder / files.GRADIENTS, {"batch": networks.GRADIENT_BATCH, "norms": norms})


def _curvature(
    places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    for place in places:
        if not stopped() and records.read(place.trained).status == "finished":
            measure_run(place.run, place.folder, place.trained, curvature_files.MEASURES, load, notify, stopped=stopped)


def _features(places: Sequence[Place], load: Callable[..., Dataset], notify: Callable[[str], None]) -> None:
    """Of the study's first run that has finished."""
    for place in places:
        path = place.folder / files.FEATURES
        if path.is_file():
            return
        steps = networks.saved_steps(place.trained, notify) if records.is_complete(place.trained) else []
        if steps:
            state = networks.restore(place.run, place.trained, steps[-1])
            files.write_arrays(path, networks.features(place.run, state, load(place.run.data)))
            return
