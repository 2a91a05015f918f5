"""Compute the pictures that a study asks for; stored ones are kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from jaxcifar import records
from jaxcifar.claims import Judged
from jaxcifar.claims.verdict import untrained
from jaxcifar.config import Module, Run, Study
from jaxcifar.config.stored import read_records
from jaxcifar.data import Dataset
from jaxcifar.models import layer_rows
from jaxcifar.records import pictures
from jaxcifar.runner import networks, residual_blocks
from jaxcifar.runner.plan import PlannedStudy
from jaxcifar.runner.predictions import predictions
from jaxcifar.runner.samples import samples
from jaxcifar.runner.snapshots import measure_run
from jaxcifar.training.checkpoint import sound_steps


@dataclass(frozen=True)
class TrainedRun:
    """A run of a study, and where its checkpoints are."""

    run: Run
    folder: Path
    trained: Path
    """The folder with the checkpoints; of a duplicate run, that of the equal run that was trained."""


def make(
    planned: PlannedStudy,
    out: Path,
    load: Callable[..., Dataset],
    notify: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
    measuring: Callable[[Path], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Write the study's pictures and its runs' snapshot measures.

    Args:
        planned: the study; its field `pictures` says what is wanted.
        out: the folder of the paper, or of the study.
        load: from a config's data to the data set.
        notify: told what is being computed.
        stopped: whether the user asked to stop; then the rest is left for the next time.
        measuring: from a run's folder to a block in which no other process measures that run.
    """
    folder = out / planned.folder
    runs = [
        TrainedRun(item.run, folder / item.folder, out / item.same_as if item.same_as else folder / item.folder)
        for item in planned.runs
    ]
    _snapshot_measures(runs, load, notify, stopped, measuring)
    for picture in planned.study.pictures:
        match picture:
            case "samples":
                _samples(folder, runs[0].run, load)
            case "architecture":
                _architecture(folder)
            case "gradients":
                _gradients(runs, load, notify, stopped)
            case "features":
                _features(runs, load, notify)
            case "predictions":
                pass  # below, because a single run has them unasked
    if "predictions" in planned.study.pictures or planned.study.is_single:
        _predictions(runs, load, notify, stopped)


def _predictions(
    runs: Sequence[TrainedRun], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    """The answers of each member's first finished run."""
    done: set[str] = set()
    for item in runs:
        path, summary = item.folder / pictures.PREDICTIONS, records.read_summary(item.trained)
        if item.run.name in done or summary.get("status") != "finished" or stopped():
            continue
        done.add(item.run.name)
        stored = records.read_arrays(path)
        if stored and int(stored.get("step", -1)) == summary.get("steps"):
            continue
        notify(f"Answers of {item.run.name}, seed {item.run.seed}, on the test images.")
        dataset = networks.trained_on(item.run, item.trained, load)
        records.write_arrays(path, predictions(item.run, item.trained, dataset))


def _samples(folder: Path, run: Run, load: Callable[..., Dataset]) -> None:
    path = folder / pictures.FOLDER / pictures.SAMPLES
    if not path.is_file():
        records.write_arrays(path, samples(load(run.data)))


def decided_untrained(study: Study) -> list[Judged]:
    """Return the verdicts on a study's claims that need no training, such as those on numbers of parameters."""
    if "architecture" not in study.pictures:
        return []
    with tempfile.TemporaryDirectory() as folder:
        _architecture(Path(folder))
        return untrained(study, Path(folder))


def _architecture(folder: Path) -> None:
    problems: list[str] = []
    if not pictures.read_architecture(folder, problems) or problems:
        value = {
            **residual_blocks.tables(),
            "block": residual_blocks.graph(18, stage=1, blocks=1),
            "conv2_x": residual_blocks.graph(34, stage=1, blocks=3),
        }
        pictures.write_architecture(folder, value)


def _gradients(
    runs: Sequence[TrainedRun], load: Callable[..., Dataset], notify: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    for item in runs:
        if stopped():
            return
        if not records.is_complete(item.trained):
            continue
        steps = networks.snapshot_steps(item.run, item.trained, sorted(sound_steps(item.trained, notify)))
        per_epoch = networks.steps_per_epoch(item.run, read_records(item.trained))
        epochs = {step // per_epoch: step for step in steps if per_epoch and step % per_epoch == 0}
        problems: list[str] = []
        if epochs and (set(epochs) != set(pictures.read_gradients(item.folder, problems=problems)) or problems):
            notify(f"Measuring the gradients of {item.run.name}, seed {item.run.seed}, layer by layer.")
            dataset = networks.trained_on(item.run, item.trained, load)
            measure = networks.gradient_norms(item.run, dataset)
            norms = {str(e): measure(networks.restore(item.run, item.trained, s)) for e, s in sorted(epochs.items())}
            roles = {row.name: row.role for row in layer_rows(item.run.model)}
            pictures.write_gradients(item.folder, networks.GRADIENT_BATCH, norms, roles)


def _snapshot_measures(
    runs: Sequence[TrainedRun],
    load: Callable[..., Dataset],
    notify: Callable[[str], None],
    stopped: Callable[[], bool],
    measuring: Callable[[Path], AbstractContextManager[object]],
) -> None:
    for item in runs:
        measures = item.run.snapshot_measures
        if measures and not stopped() and read_records(item.trained).status == "finished":
            with measuring(item.folder):
                failed = measure_run(item.run, item.folder, item.trained, measures, load, notify, stopped=stopped)
            for text in failed:
                notify(text)


def _features(runs: Sequence[TrainedRun], load: Callable[..., Dataset], notify: Callable[[str], None]) -> None:
    """Filters and feature maps of the study's first finished run."""
    for item in runs:
        if isinstance(item.run.model, Module):
            notify(f"Filters and feature maps are not drawn of {item.run.model.title}, a network of the user's own.")
            continue
        path = item.folder / pictures.FEATURES
        if path.is_file():
            return
        steps = sorted(sound_steps(item.trained, notify)) if records.is_complete(item.trained) else []
        if steps:
            state = networks.restore(item.run, item.trained, steps[-1])
            dataset = networks.trained_on(item.run, item.trained, load)
            records.write_arrays(path, networks.features(item.run, state, dataset))
            return
