"""The folder of one run: its files named, written and read.

config.json, environment.json, metrics.jsonl (an object per epoch), steps.npz (arrays with an entry per step),
summary.json, measures.json (how the measures are shown).
Every file but metrics.jsonl is replaced atomically; figures that are not finite are `null`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from jaxcifar.errors import UserError
from jaxcifar.records import forms, seal
from jaxcifar.records.files import finite, read_arrays, read_json, read_lines, replacing, write_arrays, write_json

Status = Literal["finished", "diverged", "interrupted"]
Config = TypeVar("Config")

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
EXPORTED = "network.onnx"
"""An export's default name."""
METRICS = "metrics.jsonl"
STEPS = "steps.npz"
SUMMARY = "summary.json"
MEASURES = "measures.json"
CHECKPOINTS = "checkpoints"
WATCHED = "Watched"
"""Class in the config.json of a loop of the user's own, which has no config."""
RUN_FILES = (CONFIG, ENVIRONMENT, METRICS, STEPS, SUMMARY, MEASURES)


@dataclasses.dataclass(frozen=True)
class Records(Generic[Config]):
    """What one run wrote: the files of its folder as values. Missing files are empty values."""

    folder: Path
    config: Config | None
    """What `decode` made of config.json; None where it is missing or cannot be decoded."""
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    steps: dict[str, np.ndarray]
    summary: dict[str, Any]
    displays: tuple[Any, ...] = ()
    """JSON of the figures that the step measures ask for; empty for records of versions that did not keep them."""
    problems: tuple[str, ...] = ()
    """A sentence for each file that could not be read."""

    @property
    def status(self) -> Status | None:
        """How the run ended, or None while it has not."""
        return self.summary.get("status", None)

    @property
    def data(self) -> dict[str, str]:
        """The `name` and `sha256` of the data set; empty where the environment does not say both."""
        data = self.environment.get("data") or {}
        return data if all(isinstance(data.get(key), str) for key in ("name", "sha256")) else {}


def read(folder: Path, decode: Callable[[Any], Config]) -> Records[Config]:
    """Return what a run folder holds, as far as it can be read; never raises for a damaged or older record.

    Args:
        folder: the run folder.
        decode: from the JSON of config.json to a config; what it raises as UserError becomes a problem. This room
            knows files, not what a config means, so the caller brings the decoder.
    """
    problems: list[str] = []
    config = None
    summary = forms.kept(read_json(folder / SUMMARY, problems), forms.SUMMARY, folder / SUMMARY, problems)
    place = folder / ENVIRONMENT
    environment = forms.kept(read_json(place, problems), forms.ENVIRONMENT, place, problems)
    stored = read_json(folder / CONFIG, problems)
    if stored and stored.get("class") != WATCHED:
        try:
            config = decode(stored)
        except UserError as error:
            problems.append(f"{folder / CONFIG}: {error}{_written_by(environment)}")
    displays = read_json(folder / MEASURES, problems).get("displays", [])
    # A file that cannot be read was named already, and its digest differs for the same reason.
    problems += [text for name, text in seal.broken(folder, summary) if not any(str(name) in p for p in problems)]
    return Records(
        folder=folder,
        config=config,
        environment=environment,
        metrics=_read_metrics(folder / METRICS, problems),
        steps=_read_steps(folder / STEPS, problems),
        summary={key: value for key, value in summary.items() if key != seal.KEY},
        displays=tuple(displays) if isinstance(displays, list) else (),
        problems=tuple(problems),
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Return the JSON of config.json, empty where the folder holds no run.

    Raises:
        UserError: the folder holds other files of a run, but no config.json that can be read.
    """
    stored = read_json(folder / CONFIG)
    other = next((name for name in (CONFIG, METRICS, STEPS, CHECKPOINTS) if (folder / name).exists()), None)
    if not stored and other:
        raise UserError(
            f"{folder} holds {other} but no {CONFIG} that can be read; give --restart to delete it and begin again, "
            "or another --out."
        )
    return stored


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the object of summary.json, empty where it is missing or damaged."""
    return forms.kept(read_json(folder / SUMMARY), forms.SUMMARY, folder / SUMMARY, None)


def is_complete(folder: Path) -> bool:
    """Return whether the run ended by itself, finished or diverged."""
    return read_summary(folder).get("status") in ("finished", "diverged")


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Replace config.json."""
    write_json(folder / CONFIG, config)


def write_environment(folder: Path, environment: Mapping[str, Any]) -> None:
    """Replace environment.json."""
    write_json(folder / ENVIRONMENT, environment)


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Replace summary.json."""
    write_json(folder / SUMMARY, summary)


def write_sealed_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Replace summary.json, with the digests of the other files of a run that has ended."""
    write_json(folder / SUMMARY, seal.sealed(folder, summary))


def write_displays(folder: Path, displays: Sequence[Mapping[str, Any]]) -> None:
    """Replace measures.json: how the step measures are shown, so that a page needs neither their classes nor files."""
    write_json(folder / MEASURES, {"displays": list(displays)})


def append_metrics(folder: Path, row: Mapping[str, Any]) -> None:
    """Append the line of an epoch to metrics.jsonl."""
    # An append that is cut off damages its own line only, which readers leave out.
    with open(folder / METRICS, "a") as file:
        file.write(json.dumps(finite(row)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def write_metrics(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace metrics.jsonl."""
    text = "".join(json.dumps(finite(row)) + "\n" for row in rows)
    with replacing(folder / METRICS) as file:
        file.write(text.encode())


def write_steps(folder: Path, steps: Mapping[str, np.ndarray]) -> None:
    """Replace steps.npz."""
    # Without compression, which takes time during training and hardly shrinks noisy float32 values.
    write_arrays(folder / STEPS, steps, compressed=False)


def _written_by(environment: Mapping[str, Any]) -> str:
    version = environment.get("versions", {}).get("jaxcifar")
    return f" The record was written by jaxcifar {version}." if version else ""


def _read_metrics(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(read_lines(path, problems), 1):
        with suppress(ValueError):
            row = forms.parse(line)
            if forms.fits(row, forms.Numbers) and isinstance(row.get("epoch"), int):
                rows.append(row)
                continue
        problems.append(f"{path}, line {number} is cut off or damaged and was left out")
    return rows


def _read_steps(path: Path, problems: list[str]) -> dict[str, np.ndarray]:
    found = read_arrays(path, problems)
    # Kinds of NumPy: float, signed integer, unsigned integer, boolean.
    wrong = [name for name, array in found.items() if array.ndim != 1 or array.dtype.kind not in "fiub"]
    problems += [f"{path}: the array {name!r} is not one of numbers by step and was left out" for name in wrong]
    return {name: array for name, array in found.items() if name not in wrong}
