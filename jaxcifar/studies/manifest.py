"""study.json: which runs a study has, so that a report knows what is missing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxcifar import records
from jaxcifar.studies.plan import PlannedStudy
from jaxcifar.training.cost import cost_of

FILE = "study.json"


@dataclass(frozen=True)
class Invocation:
    """How the user started it: for the captions, and for what a claim must know."""

    command: str = ""
    """The command that repeats it."""
    changed: tuple[str, ...] = ()
    """Dotted paths of the fields that flags changed."""
    scale: float = 1.0
    name: str = ""
    """The config file's; it names the study where that is no part of a paper."""

    @classmethod
    def of(cls, argv: Sequence[str], changed: Sequence[str], scale: float, name: str) -> Invocation:
        """From the arguments of `jaxcifar run`, less those that name places on one's own machine."""
        kept, skip = [], False
        for token in argv:
            if skip:
                skip = False
                continue
            flag, equals, _ = token.partition("=")
            if flag in ("--out", "--data.dir"):
                skip = not equals
            elif flag != "--restart":
                kept.append(token)
        return cls(shlex.join(["python", "scripts/run.py", *kept]), tuple(changed), scale, name)


def write(folder: Path, planned: PlannedStudy, invocation: Invocation) -> None:
    """Replaces the study's manifest, if it changed."""
    value = {
        "study": planned.study.name if planned.folder.parts else invocation.name or planned.study.name,
        "command": invocation.command,
        "changed": list(invocation.changed),
        "scale": invocation.scale,
        "alone": planned.study.alone,
        "runs": _rows(planned),
    }
    text = json.dumps(value, indent=1) + "\n"
    path = folder / FILE
    if not path.is_file() or path.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        with records.replacing(path) as file:
            file.write(text.encode())


def _rows(planned: PlannedStudy) -> Sequence[dict[str, Any]]:
    rows = []
    for item in planned.runs:
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
        rows.append(row if item.same_as is None else {**row, "same_as": item.same_as.as_posix()})
    return rows
