"""The config of a run in its folder: written, compared and read back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxcifar import records
from jaxcifar.config.run import Run
from jaxcifar.config.serialize import differences, from_json, to_json
from jaxcifar.errors import UserError
from jaxcifar.measures import SNAPSHOT_MEASURES
from jaxcifar.records import study

NOT_COMPARED = ("name:", "data.dir:", "checkpoint.every_seconds:", "checkpoint.keep:")
"""The name, the place of the data and how often a checkpoint is written do not change what is computed."""


def read_records(folder: Path) -> records.Records[Run]:
    """Return what a run folder holds, with its config as a `Run`; see `records.read`."""
    return records.read(folder, from_json)


def read_run(folder: Path) -> Run:
    """Return the config of a run folder.

    Raises:
        UserError: the folder holds no run, or one whose config cannot be read; the sentence says why.
    """
    path = folder / records.CONFIG
    if not path.is_file():
        # Of a member, a study or a paper, and no deeper: the folder may be anybody's home.
        files = [file for depth in (1, 2, 3) for file in folder.glob("*/" * depth + records.CONFIG)]
        below = sorted(str(file.parent.relative_to(folder)) for file in files)
        several = (
            f"{len(below)} run{'s are' if len(below) > 1 else ' is'} in it, such as {below[0]!r}: " if below else ""
        )
        way_out = f"{several}give the folder that holds the run's {records.CONFIG}."
        raise UserError(f"{str(folder)!r} is not a run folder; {way_out}")
    if (records.read_config(folder) or {}).get("class") == records.WATCHED:
        raise UserError(f"{folder} is of a watched loop, which keeps no network; `jaxcifar report {folder}` shows it.")
    found = read_records(folder)
    if found.config is None:
        raise UserError(next((text for text in found.problems if str(path) in text), f"{path} does not hold a config."))
    return found.config


def read_studies(folder: Path) -> list[study.StudyResults]:
    """Return every study below a folder, its configs as `Run`; see `records.study.read_studies`."""
    return study.read_studies(folder, from_json)


def begin_records(folder: Path, run: Run) -> None:
    """Write config.json, or check that the one which is there is equal, apart from the name.

    Raises:
        UserError: the folder holds a run of another config.
    """
    if not check_records(folder, run):
        records.write_config(folder, to_json(run))


def check_records(folder: Path, run: Run) -> bool:
    """Return whether the folder holds this run already, apart from the name; False where it holds none.

    Raises:
        UserError: it holds a run of another config, or one whose config cannot be read.
    """
    stored = records.read_config(folder)
    if not stored:
        return False
    with suppress(UserError):
        # A record of an older version takes the default of every field that the version did not have.
        stored = to_json(from_json(stored))
    free = {cls.__name__ for cls in (*SNAPSHOT_MEASURES, *map(type, run.snapshot_measures))}
    pair = (_without(stored, free), _without(to_json(run), free))
    # Older records say nothing of the code of a user's own measure.
    told = [line for line in differences(*pair) if ".source_sha256: None -> " not in line or "probes." not in line]
    changed = [line for line in told if not line.startswith(NOT_COMPARED)]
    if changed:
        raise UserError(
            f"{folder / records.CONFIG} is of a run with another config ({'; '.join(changed)}); "
            "give --restart to delete that run and begin again, or another --out."
        )
    return True


def _without(stored: dict[str, Any], classes: set[str]) -> dict[str, Any]:
    """Return the JSON of a run without its snapshot measures, which are taken after training and do not change it."""
    return {**stored, "probes": [probe for probe in stored.get("probes", []) if probe.get("class") not in classes]}
