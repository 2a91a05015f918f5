"""A plan over several processes: what process 0 tells the others of each program, and what they do."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import jaxcifar
from jaxcifar import data
from jaxcifar.config import Paper, Run, Study, UserError, to_json
from jaxcifar.data import Dataset
from jaxcifar.runner.deduplicate import plan
from jaxcifar.training import interrupt
from jaxcifar.training.loop import MakeGroup
from jaxcifar.training.processes import Follower, Leader
from jaxcifar.training.rendezvous import Place, joined
from jaxcifar.training.sharding import check_parts
from jaxcifar.training.shared_group import SharedGroup, follow_group


def met(
    place: Place | None,
    file: Path,
    flags: Sequence[str],
    config: Run | Study | Paper,
    seeds: int | range | None = None,
    scale: float = 1.0,
    only: Sequence[str] = (),
) -> AbstractContextManager[Leader | Follower | None]:
    """Meet the other processes, which must have the same code, config and flags; see `rendezvous.joined`.

    Args:
        place: which process this is; None for a run on one process.
        file: the config file.
        flags: the command line, without what may differ.
        config, seeds, scale, only: as `execute` has them.
    """

    def about() -> dict[str, str]:
        own = Path(jaxcifar.__file__).parent
        code = [path.read_bytes() for path in sorted(own.rglob("*.py"))]
        runs = [item.run for study in plan(config, None, seeds, scale, only) for item in study.runs]
        for run in runs:
            check_parts(run.batch_size, place.count if place else 1)
        stored = [to_json(run) for run in runs]
        for run in stored:
            del run["data"]["dir"]  # every machine may have its own copy; their fingerprints are compared
        return {
            "code of jaxcifar": f"{jaxcifar.__version__}, {_digest(*code)}",
            "flags": re.sub(r"--data\.dir[ =]\S+ ?", "", " ".join(flags)).strip() or "none",
            "settings or config files": _digest(file.read_bytes(), json.dumps(stored, default=str).encode()),
        }

    return joined(place, about)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def shared_group(leader: Leader, folders: Sequence[Path], dataset: Dataset) -> MakeGroup:
    """Tell the other processes which runs are trained next; return what makes their common group.

    Args:
        leader: the connections to the other processes.
        folders: the runs, by their folders below OUT.
        dataset: the images that this process has loaded.

    Raises:
        UserError: another process has no such data.
    """
    with leader.calling("runs", [folder.as_posix() for folder in folders], dataset.fingerprint):
        pass
    return partial(SharedGroup, leader)


def follow(
    follower: Follower,
    config: Run | Study | Paper,
    seeds: int | range | None = None,
    scale: float = 1.0,
    only: Sequence[str] = (),
) -> int:
    """Train what process 0 tells, until it ends; write and print nothing.

    Args:
        follower: this process.
        config, seeds, scale, only: as `execute` has them on process 0.

    Returns:
        The exit code of process 0.

    Raises:
        UserError: the data differ from those of process 0, or a process has ended.
    """
    planned = {
        study.folder / item.folder: item.run for study in plan(config, None, seeds, scale, only) for item in study.runs
    }
    load = functools.lru_cache(maxsize=1)(lambda wanted: data.load(wanted, lambda message: None))
    with interrupt.handling() as follower.stop:
        message = follower.hear()
        while True:
            match message:
                case ["runs", list(folders), str(fingerprint)]:
                    runs = [planned[Path(folder)] for folder in folders]
                    with follower.doing():
                        dataset = load(runs[0].data)
                        _check(dataset, fingerprint)
                    train = dataset.train_images, dataset.train_labels
                    message = follow_group(follower, runs, train, (dataset.test_images, dataset.test_labels))
                case ["end", int(code), _]:
                    return code
                case _:
                    raise UserError(f"Process 0 said {message!r}, which this version does not know.")


def _check(dataset: Dataset, fingerprint: str) -> None:
    if dataset.fingerprint != fingerprint:
        raise UserError(
            f"The data here, {dataset.name}, have the SHA-256 {dataset.fingerprint[:12]}, those of process 0 "
            f"{fingerprint[:12]}; give all processes the same data by --data.dir or $JAXCIFAR_DATA."
        )
