"""study.json: which runs a study has, so that a report knows what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxcifar.records import seal
from jaxcifar.records.run import CONFIG, read_summary

FILE = "study.json"
OF_ONE_PROCESS = (
    *("--out", "--data.dir", "--worker", "--max-minutes"),
    *("--coordinator", "--processes", "--process", "--connect-seconds"),
)
"""Flags with a value that the command which repeats a study does not have."""


@dataclass(frozen=True)
class Invocation:
    """How the user started a study, for captions and claims."""

    command: str = ""
    """The command that repeats it."""
    scale: float = 1.0
    name: str = ""
    """Of a single run's config file, under which its records stand as a study; empty for a study, which has its own."""

    @classmethod
    def of(cls, argv: Sequence[str], scale: float, name: str, program: Sequence[str]) -> Invocation:
        """Return it for a command, such as `jaxcifar run`, and its arguments, without those of one process."""
        kept, skip = [], False
        for token in argv:
            if skip:
                skip = False
                continue
            flag, equals, _ = token.partition("=")
            if flag in OF_ONE_PROCESS:
                # `--out DIR` has its value in the next argument, `--out=DIR` in the same one.
                skip = not equals
            elif flag not in ("--restart", "--wait"):
                kept.append(token)
        return cls(shlex.join([*program, *kept]), scale, name)


def value(
    study: str, alone: bool, rows: Sequence[Mapping[str, Any]], invocation: Invocation, size: str = ""
) -> dict[str, Any]:
    """Return the manifest of a study.

    Args:
        study: its name.
        alone: whether its members are compared by seconds.
        rows: one for each run: member, seed, folder, network, epochs, steps, flops, and `same_as` where an equal run is
            trained instead.
        invocation: how the user started it.
        size: name of the study's size, empty for the full one.
    """
    return {
        "study": study,
        "command": invocation.command,
        "scale": invocation.scale,
        **({"size": size} if size else {}),
        "alone": alone,
        "runs": [dict(row) for row in rows],
    }


def write(folder: Path, value: Mapping[str, Any]) -> None:
    """Replace the manifest of the study in a folder, if it changed."""
    if read(folder) != value:
        seal.write(folder / FILE, value)


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest of the study in a folder, empty where it is missing or damaged."""
    problems: list[str] = []
    value = seal.read(folder / FILE, problems)
    # A damaged manifest counts as missing, so that `write` replaces it.
    return {} if problems else value


def run_folders(folder: Path) -> list[Path]:
    """Return the run folders, relative to the study's, that its manifest names; none without a readable manifest."""
    rows = seal.read(folder / FILE).get("runs", [])
    with suppress(LookupError, TypeError):
        paths = [Path(row["folder"]) for row in rows]
        # The file may have been edited: no path may lead out of the study's folder.
        return [path for path in paths if not path.is_absolute() and ".." not in path.parts]
    return []


def measured(folder: Path) -> list[Path]:
    """Return the folders in which to measure: those of a study's runs that were trained, else the given one."""
    if (folder / CONFIG).exists():
        return [folder]
    runs = [folder / path for path in run_folders(folder)]
    return [run for run in runs if (run / CONFIG).is_file() and "same_as" not in read_summary(run)] or [folder]
