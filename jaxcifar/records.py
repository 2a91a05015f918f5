"""The run folder: its files written and read in one place.

config.json, environment.json, metrics.jsonl (an object per epoch), steps.npz (arrays with an entry per step),
summary.json. Every file but metrics.jsonl is replaced atomically; figures that are not finite are `null`.
"""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from jaxcifar.config.check import UserError
from jaxcifar.config.run import Run
from jaxcifar.config.serialize import differences, from_json, to_json

Status = Literal["finished", "diverged", "interrupted"]

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
STEPS = "steps.npz"
SUMMARY = "summary.json"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"


@dataclasses.dataclass(frozen=True)
class Records:
    """What one run left: its folder's files as values. Missing files are empty; `problems` says what was unreadable."""

    folder: Path
    config: Run | None
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    steps: dict[str, np.ndarray]
    summary: dict[str, Any]
    problems: tuple[str, ...] = ()

    @property
    def status(self) -> Status | None:
        """How the run ended, or None while it has not."""
        return self.summary.get("status", None)

    @property
    def data(self) -> dict[str, str]:
        """The `name` and `sha256` of the data set; empty where the environment does not say both."""
        data = self.environment.get("data")
        if not isinstance(data, dict):
            return {}
        return data if all(isinstance(data.get(key), str) for key in ("name", "sha256")) else {}


def read(folder: Path) -> Records:
    """Reads a run folder as far as it goes; never raises for a damaged or older record."""
    problems: list[str] = []
    config = None
    stored = _read_json(folder / CONFIG, problems)
    if stored:
        try:
            config = from_json(stored)
        except UserError as error:
            problems.append(f"{folder / CONFIG}: {error}")
    return Records(
        folder=folder,
        config=config,
        environment=_read_json(folder / ENVIRONMENT, problems),
        metrics=_read_metrics(folder, problems),
        steps=_read_steps(folder, problems),
        summary=_read_json(folder / SUMMARY, problems),
        problems=tuple(problems),
    )


def is_complete(folder: Path) -> bool:
    """Whether the run ended by itself, finished or diverged."""
    summary = _read_json(folder / SUMMARY, [])
    return "status" in summary and summary["status"] in ("finished", "diverged")


def begin(folder: Path, run: Run) -> None:
    """Writes config.json, or checks that the one there is equal, name aside.

    Raises:
        UserError: the folder holds a run of another config.
    """
    if not check_config(folder, run):
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(folder / CONFIG, to_json(run))


def check_config(folder: Path, run: Run) -> bool:
    """Whether the folder holds this run already, name aside; False where it holds none.

    Raises:
        UserError: it holds a run of another config, or one whose config cannot be read.
    """
    stored = _read_json(folder / CONFIG, [])
    if not stored:
        left = next((name for name in (CONFIG, METRICS, STEPS, CHECKPOINTS) if (folder / name).exists()), None)
        if left:
            raise UserError(
                f"{folder} holds {left} but no {CONFIG} that can be read; give --restart to delete it and begin anew, "
                "or another --out."
            )
        return False
    with suppress(UserError):
        # What an older version did not know yet stands at its default.
        stored = to_json(from_json(stored))
    changed = [line for line in differences(stored, to_json(run)) if not line.startswith(_NOT_THE_RUN)]
    if changed:
        raise UserError(
            f"{folder} holds a run of another config ({'; '.join(changed)}); "
            "give --restart to delete it and begin anew, or another --out."
        )
    return True


# The name, where the data lie and how often a checkpoint is written do not change what is computed.
_NOT_THE_RUN = ("name:", "data.dir:", "checkpoint.every_seconds:", "checkpoint.keep:")


def write_environment(folder: Path, environment: Mapping[str, Any]) -> None:
    """Replaces environment.json."""
    _write_json(folder / ENVIRONMENT, environment)


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Replaces summary.json."""
    _write_json(folder / SUMMARY, summary)


def append_metrics(folder: Path, row: Mapping[str, Any]) -> None:
    """Adds an epoch's line to metrics.jsonl."""
    with open(folder / METRICS, "a") as file:
        file.write(json.dumps(_finite(row)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def write_metrics(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replaces metrics.jsonl."""
    text = "".join(json.dumps(_finite(row)) + "\n" for row in rows)
    with replacing(folder / METRICS) as file:
        file.write(text.encode())


def npz(arrays: Mapping[str, Any], compressed: bool = False) -> bytes:
    """A .npz file's bytes, made in memory: on a full disk an unfinished archive would complain once more."""
    stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **stored)
    return buffer.getvalue()


def write_steps(folder: Path, steps: Mapping[str, np.ndarray]) -> None:
    """Replaces steps.npz."""
    with replacing(folder / STEPS) as file:
        file.write(npz(steps))


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the path's place once complete; on an error the old one stays."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; the kernel frees it when the process ends, however it ends.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    path = folder / LOCK
    created = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _take(path)
    except OSError as error:
        raise UserError(f"--out {str(folder)!r} cannot be written ({error.strerror}); give another folder.") from None
    with file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                for place in created:
                    place.rmdir()  # where nothing was written after all


def _take(path: Path) -> IO[str]:
    while True:
        file = open(path, "a+")  # noqa: SIM115 (held until the end of the caller's block)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise UserError(
                f"{path.parent} is in use by process {holder}; wait for it or give another --out."
            ) from None
        # Whoever held it before may have deleted it in between; then this is the lock of nothing.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
        file.close()


def _write_json(path: Path, value: Any) -> None:
    with replacing(path) as file:
        file.write((json.dumps(_finite(value), indent=2) + "\n").encode())


def _read_json(path: Path, problems: list[str]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return {}
    return value if isinstance(value, dict) else {}


def _read_metrics(folder: Path, problems: list[str]) -> list[dict[str, Any]]:
    path = folder / METRICS
    rows = []
    if path.is_file():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("epoch"), int):
                    rows.append(row)
                    continue
            problems.append(f"{path}, line {number} is cut off or damaged and was left out")
    return rows


def _read_steps(folder: Path, problems: list[str]) -> dict[str, np.ndarray]:
    path = folder / STEPS
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception as error:  # a damaged zip raises from several libraries
        problems.append(f"{path} cannot be read: {error}")
        return {}


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
