"""Takes the curvature measures at a run's checkpoints; what is stored already is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxcifar import landscape
from jaxcifar.config import Run, UserError
from jaxcifar.config.stored import read_records
from jaxcifar.data import Dataset
from jaxcifar.landscape.memory import available_memory
from jaxcifar.records import snapshots, write_arrays
from jaxcifar.runner.curvature import ITERATIONS, Curvature
from jaxcifar.runner.networks import restore, saved_steps

LANCZOS = {"eigenvalues", "density", "sharpness"}


def measure_run(
    run: Run,
    folder: Path,
    trained: Path,
    names: Sequence[str],
    load: Callable[..., Dataset],
    notify: Callable[[str], None],
    advance: Callable[[str, int, int], None] = lambda name, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Writes the measures of a finished run.

    Args:
        run: its config.
        folder: where the measures go.
        trained: where its checkpoints lie.
        names: of `snapshots.MEASURES`.
        load: from a config's data to the data set.
        notify: told what is being computed, and the memory that Lanczos takes, before it starts.
        advance: told of each measure how many parts of how many are done.
        stopped: whether the user asked to end; then the measures that are left wait for the next time.

    Raises:
        UserError: there are too few checkpoints, or Lanczos does not fit into memory.
    """
    steps = _snapshots(run, trained, notify)
    names = _measurable(names, trained, len(steps), notify)
    left = [name for name in names if not _is_stored(folder, name, steps)]
    if not left:
        return
    states = [restore(run, trained, step) for step in steps]
    needed, free = landscape.lanczos_memory(states[0].params, ITERATIONS), available_memory()
    lanczos = not LANCZOS.isdisjoint(left)
    keeps = f"; Lanczos keeps {needed / 1e6:,.0f} MB" if lanczos else ""
    notify(f"{folder}: {', '.join(left)} at {len(steps)} checkpoints{keeps}.")
    if lanczos and free is not None and needed > free:
        raise UserError(
            f"Lanczos on this network keeps {needed / 1e9:.3g} GB, but {free / 1e9:.3g} GB are free; measure on a "
            "machine with more memory, or give --measure plane,trajectory,trace."
        )
    curvature = Curvature(run, load(run.data))
    for name in left:
        if stopped():
            return
        arrays = curvature.take(name, states, lambda done, total, name=name: advance(name, done, total))
        write_arrays(snapshots.path(folder, name), arrays)


def check_names(text: str) -> list[str]:
    """The measures that a comma-separated text names.

    Raises:
        UserError: one is unknown, or there is none.
    """
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in snapshots.MEASURES]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else "empty"
        raise UserError(f"--measure is {got}; it takes {', '.join(snapshots.MEASURES)}, separated by commas.")
    return names


def _snapshots(run: Run, folder: Path, notify: Callable[[str], None]) -> list[int]:
    """The checkpoints at the ends of epochs where there are several, else all."""
    steps = saved_steps(folder, notify)
    if not steps:
        raise UserError(
            f"{folder} holds no whole checkpoint; train it again with --restart, and measure before deleting."
        )
    finished = read_records(folder).summary.get("steps", 0)
    per_epoch = finished // run.epochs
    ends = [step for step in steps if per_epoch and step % per_epoch == 0]
    return ends if len(ends) > 2 else steps


def _measurable(names: Sequence[str], folder: Path, checkpoints: int, notify: Callable[[str], None]) -> list[str]:
    """The measures that so many checkpoints allow; what is left out is told, or refused where nothing else is asked."""
    few = "trajectory" in names and checkpoints < 3
    found = [name for name in names if name != "trajectory" or not few]
    if few:
        text = f"{folder} has {checkpoints} checkpoints, too few for a trajectory; checkpoint.snapshots keeps more."
        if not found:
            raise UserError(text)
        notify(text)
    return found


def _is_stored(folder: Path, name: str, steps: Sequence[int]) -> bool:
    stored = snapshots.read(folder, name)
    return "steps" in stored and list(stored["steps"]) == list(steps)
