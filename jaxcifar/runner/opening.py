"""Write the files that must exist before training: each study's manifest, with the place of each duplicate's run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxcifar import records
from jaxcifar.config import Checkpoint, Run, UserError, to_json
from jaxcifar.config.stored import begin_records
from jaxcifar.records import manifest
from jaxcifar.records.files import finite
from jaxcifar.records.manifest import Invocation
from jaxcifar.runner.plan import Planned, PlannedStudy
from jaxcifar.runner.worker import Worker
from jaxcifar.training.cost import cost_of


def write(out: Path, planned: Sequence[PlannedStudy], invocation: Invocation, worker: Worker) -> None:
    """Write the manifests and links of a plan where they are missing or differ.

    Args:
        out: the folder of the paper, or of the study.
        planned: the studies.
        invocation: how the user started it.
        worker: this process; no two write at once.

    Raises:
        UserError: another process trains a study of this folder with other settings, or the folder is of another study.
    """
    values = {out / study.folder: _manifest(study, invocation) for study in planned}
    for folder, value in values.items():
        _refuse_other(folder, value)
    # Processes that come later find all written, and need not wait for the lock.
    if all(manifest.read(folder) == value for folder, value in values.items()) and _are_linked(out, planned):
        return
    with worker.planning():
        changed = [place for place, value in values.items() if (old := manifest.read(place)) and _differ(old, value)]
        if changed and (other := worker.other()) is not None:
            raise UserError(
                f"{changed[0]} is being trained by {other} with other runs, other settings or another --scale; give "
                "the same command, or another --out."
            )
        for folder, value in values.items():
            manifest.write(folder, value)
        _link(out, planned)


def _refuse_other(folder: Path, value: Mapping[str, Any]) -> None:
    """Raise UserError if the folder holds another study, or if a single run and a study would share it."""
    old = manifest.read(folder) or {}
    single = [row["folder"] == "." for row in (*old.get("runs", []), *value["runs"])]
    if old and old.get("study") != value["study"]:
        held = f"the study {old.get('study')!r}"
    elif any(single) and not all(single):
        held = f"{'a single run' if single[0] else 'a study'} of {value['study']!r}"
    elif not any(single) and (folder / records.CONFIG).exists():
        held = "a single run"
    else:
        return
    raise UserError(f"{folder} holds {held}, which a report would mix with what is asked for now; give another --out.")


def _manifest(planned: PlannedStudy, invocation: Invocation) -> dict[str, Any]:
    name = planned.study.name if planned.folder.parts else invocation.name or planned.study.name
    rows = [_row(item) for item in planned.runs]
    value = manifest.value(name, planned.study.alone, rows, invocation, planned.study.size)
    return {**value, "configs": _digest([item.run for item in planned.runs])}


def _digest(runs: Sequence[Run]) -> str:
    """The SHA-256 of all settings that `check_records` compares, before any run has a config.json."""
    plain = [
        replace(
            run.trained(),
            checkpoint=Checkpoint(snapshots=run.checkpoint.snapshots),
            probes=run.step_measures,
            evaluate_train=run.evaluate_train,
        )
        for run in runs
    ]
    return hashlib.sha256(json.dumps(finite(to_json(plain))).encode()).hexdigest()


def _row(item: Planned) -> dict[str, Any]:
    cost = cost_of(item.run)
    row = {
        "member": item.member,
        "seed": item.run.seed,
        "folder": item.folder.as_posix(),
        "network": type(item.run.model).__name__,
        "epochs": item.run.epochs,
        "steps": cost.steps,
        "flops": cost.flops,
    }
    return row if item.same_as is None else {**row, "same_as": item.same_as.as_posix()}


def _differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two manifests plan other runs; where a duplicate is trained depends on what has ended."""
    # Earlier versions did not store `configs`.
    plans = [
        (
            value.get("scale"),
            [{**row, "same_as": None} for row in value.get("runs", [])],
            value.get("configs", new["configs"]),
        )
        for value in (old, new)
    ]
    return plans[0] != plans[1]


def _links(out: Path, planned: Sequence[PlannedStudy]) -> list[tuple[Path, Planned, str]]:
    """The folder of each duplicate run, and from there that of the equal run."""
    return [
        (folder := out / study.folder / item.folder, item, os.path.relpath(out / item.same_as, folder))
        for study in planned
        for item in study.runs
        if item.same_as is not None
    ]


def _are_linked(out: Path, planned: Sequence[PlannedStudy]) -> bool:
    return all(records.read_summary(folder) == {"same_as": target} for folder, _, target in _links(out, planned))


def _link(out: Path, planned: Sequence[PlannedStudy]) -> None:
    for folder, item, target in _links(out, planned):
        begin_records(folder, item.run)
        records.write_summary(folder, {"same_as": target})
