"""Loggers of other tools: one hook gets every row of metrics.jsonl; their packages are imported only when asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Protocol, assert_never

from flax.traverse_util import flatten_dict

from jaxcifar.config import Run, UserError, to_json
from jaxcifar.errors import check_choice

Log = Literal["tensorboard", "wandb", "mlflow"]
PACKAGES: Mapping[Log, str] = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}
PROJECT = "jaxcifar"


class Logger(Protocol):
    """What gets the rows of one run."""

    def row(self, row: Mapping[str, Any]) -> None:
        """Take an epoch's row; figures that are not finite are left out."""

    def close(self) -> None:
        """Write what is left."""


def check_installed(log: Log) -> None:
    """Raise UserError if the logger is unknown or its package is missing."""
    check_choice("--log", log, Log)
    if importlib.util.find_spec(PACKAGES[log]) is None:
        raise UserError(
            f"--log {log} needs {PACKAGES[log]}, which is not installed; install it by pip install "
            f"'jaxcifar[{log}]', or leave --log out."
        )


def opened(log: Log, run: Run, folder: Path, name: str) -> Logger:
    """Return the logger of one run.

    Args:
        log: which one.
        run: its config, which wandb and mlflow keep.
        folder: the run's; TensorBoard's and wandb's files go to a subfolder, mlflow's to where its own variables say.
        name: of the run, for readers.

    Raises:
        UserError: the tool cannot start; the sentence says what it says.
    """
    try:
        return _opened(log, run, folder, name)
    except Exception as error:  # other tools raise errors of their own
        why = " ".join(str(error).split())
        raise UserError(
            f"--log {log} cannot start ({type(error).__name__}: {why}); mend it, or leave --log out."
        ) from error


def _opened(log: Log, run: Run, folder: Path, name: str) -> Logger:
    match log:
        case "tensorboard":
            return _TensorBoard(folder)
        case "wandb":
            return _Wandb(run, folder, name)
        case "mlflow":
            return _MLflow(run, name)
        case unknown:
            assert_never(unknown)


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a row that are numbers, without its place."""
    found = {key: value for key, value in row.items() if key not in ("epoch", "step")}
    return {key: float(value) for key, value in found.items() if isinstance(value, int | float) and isfinite(value)}


class _TensorBoard:
    def __init__(self, folder: Path):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))
        self.close: Callable[[], None] = self._writer.close

    def row(self, row: Mapping[str, Any]) -> None:
        for key, value in _numbers(row).items():
            self._writer.add_scalar(key, value, row["step"])
        self._writer.flush()


class _Wandb:
    def __init__(self, run: Run, folder: Path, name: str):
        import wandb  # pyright: ignore[reportMissingImports]

        folder.mkdir(parents=True, exist_ok=True)
        # `create_new`, because the members of a group log at once and none may end the run of another.
        self._run: Any = wandb.init(
            project=PROJECT, name=name, dir=str(folder), config=to_json(run), reinit="create_new"
        )
        self.close: Callable[[], None] = self._run.finish

    def row(self, row: Mapping[str, Any]) -> None:
        self._run.log({**_numbers(row), "epoch": row["epoch"]}, step=row["step"])


class _MLflow:
    def __init__(self, run: Run, name: str):
        from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]

        # The client, because mlflow's simple functions have one active run, but the members of a group log at once.
        self._client: Any = MlflowClient()
        known = self._client.get_experiment_by_name(PROJECT)
        experiment = known.experiment_id if known else self._client.create_experiment(PROJECT)
        self._id = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in flatten_dict(to_json(run), sep=".").items():
            self._client.log_param(self._id, key, value)

    def row(self, row: Mapping[str, Any]) -> None:
        for key, value in _numbers(row).items():
            self._client.log_metric(self._id, key, value, step=row["step"])

    def close(self) -> None:
        self._client.set_terminated(self._id)
