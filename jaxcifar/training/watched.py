"""What `landscape.watch` measured in a loop of the user's own, written as a run folder that a report draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcifar import records
from jaxcifar.config import UserError
from jaxcifar.landscape.watch import COSINE, WatchState
from jaxcifar.training.environment import environment

LEAST_COSINE = 0.9
"""Below this median, the loop's gradient is not that of the watched loss."""


def record(state: Any, out: str | Path, *, name: str = "", data: str = "own data") -> Path:
    """Write the run folder of a watched loop; `jaxcifar report OUT` draws it.

    Args:
        state: the state of the optimizer, or anything that holds it, such as a training state.
        out: the folder, which is new or was written by this function.
        name: of the run, for readers; the folder's by default.
        data: name of the data, for readers.

    Returns:
        The folder.

    Raises:
        UserError: the state holds nothing that was watched or measured, the gradient of the loop was not that of the
            watched loss, or the folder holds another run.
    """
    folder = records.local_path("out", out)
    found = [part for part in jax.tree.leaves(state, is_leaf=_is_watched) if _is_watched(part)]
    if len(found) != 1:
        raise UserError(
            f"record(…) got a state with {len(found)} watched optimizers; give the state of one landscape.watch(…)."
        )
    watched, about = found[0], json.loads(found[0].about)
    if np.ndim(watched.count):
        raise UserError(
            f"record(…) got the states of {np.shape(watched.count)[0]} members at once; give that of one, "
            "jax.tree.map(lambda leaf: leaf[0], state)."
        )
    rows, count = int(_host(watched.rows)), int(_host(watched.count))
    if not rows:
        raise UserError("record(…) got a state in which no step was measured; call it after training.")
    steps = _host(watched.steps)[:rows]
    values = {key: _host(array)[:rows] for key, array in watched.values.items()}
    _check_gradient(values[COSINE])
    stored = records.read_json(folder / records.CONFIG)
    if stored and stored.get("class") != records.WATCHED:
        raise UserError(f"{folder} holds a run of another kind; give another folder.")
    with records.disk_errors_told(folder), records.locked(folder):
        config = {"class": records.WATCHED, "name": name or folder.name, "measures": about["measures"]}
        records.write_config(folder, config)
        records.write_environment(folder, environment(data, ""))
        records.write_steps(folder, {key: _spread(array, steps, count) for key, array in values.items()})
        records.write_displays(folder, about["displays"])
        summary = {"status": "finished", "steps": count, "epochs": 0, "every": int(_host(watched.every))}
        records.write_summary(folder, summary)
    return folder


def _is_watched(part: Any) -> bool:
    return isinstance(part, WatchState)


def _host(array: Any) -> np.ndarray:
    """An array on the host; nnx keeps an optimizer's arrays in variables."""
    return np.asarray(array.get_value() if hasattr(array, "get_value") else array)


def _spread(array: np.ndarray, steps: np.ndarray, count: int) -> np.ndarray:
    """A value for each step, NaN where none was measured."""
    whole = np.full(count, np.nan, np.float32)
    whole[steps] = array
    return whole


def _check_gradient(cosine: np.ndarray) -> None:
    known = cosine[np.isfinite(cosine)]
    if known.size and np.median(known) < LEAST_COSINE:
        raise UserError(
            f"The loop's gradient has the cosine {np.median(known):.2g} with that of the watched loss (median over "
            f"{known.size} steps); give watch the loss of the loop, and update(…) the batch and random keys that the "
            "gradient was taken on."
        )
