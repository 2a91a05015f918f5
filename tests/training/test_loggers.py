"""Every row of metrics.jsonl reaches the loggers of other tools, whose packages are imported only when asked for."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

import jaxcifar
from jaxcifar.config import UserError
from jaxcifar.training import loggers


def _expected(records, key):
    return {row["step"]: pytest.approx(row[key], rel=1e-6) for row in records.metrics}


def test_tensorboard(small_run, tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401
    from tensorboardX.proto.event_pb2 import Event

    records = jaxcifar.train(small_run, tmp_path, log="tensorboard")
    raw = next((tmp_path / "tensorboard").glob("events.*")).read_bytes()
    found: dict[str, dict[int, float]] = {}
    # TFRecord: length (8 bytes), its checksum (4), the event, its checksum (4).
    while raw:
        size = int.from_bytes(raw[:8], "little")
        event = Event.FromString(raw[12 : 12 + size])
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value.simple_value
        raw = raw[16 + size :]
    for key in ("train_loss", "test_accuracy", "learning_rate"):
        assert found[key] == _expected(records, key)


def test_figures_that_are_not_finite_are_left_out():
    row = {"epoch": 1, "step": 2, "train_loss": float("inf"), "test_loss": float("nan"), "seconds": 3, "note": "x"}
    assert loggers._numbers(row) == {"seconds": 3.0}


def test_wandb_offline(small_run, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    jaxcifar.train(small_run, tmp_path, log="wandb")
    stored = next(tmp_path.glob("wandb/offline-run-*/run-*.wandb")).read_bytes()
    assert stored.count(b"test_accuracy") >= 2
    assert b"learning_rate" in stored


def test_mlflow_in_files(small_run, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    records = jaxcifar.train(small_run, tmp_path / "run", log="mlflow")
    from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]

    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("jaxcifar").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.class"] == "SGD"
    history = client.get_metric_history(run.info.run_id, "test_loss")
    assert {metric.step: metric.value for metric in history} == _expected(records, "test_loss")


def test_nothing_is_imported_unless_asked_for():
    code = "import sys, jaxcifar; jaxcifar.train; print(sorted({'tensorboardX', 'wandb', 'mlflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_or_unknown_logger_is_told_before_training(small_run, tmp_path, monkeypatch):
    monkeypatch.setitem(loggers.PACKAGES, "wandb", "a_package_that_is_not_there")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="--log wandb needs a_package_that_is_not_there"):
        jaxcifar.train(small_run, tmp_path / "run", log="wandb")
    with pytest.raises(UserError, match="--log is 'printer'; allowed are tensorboard, wandb, mlflow"):
        jaxcifar.train(dataclasses.replace(small_run), tmp_path / "run", log="printer")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
