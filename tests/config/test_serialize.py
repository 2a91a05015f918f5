"""Configs as JSON: every class of every union, records of older versions, and classes that are not known."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest

from jaxcifar import cli, config, records
from jaxcifar.config import CNN, SGD, VGG, Adam, Run, UserError
from jaxcifar.config.serialize import classes
from jaxcifar.config.stored import begin_records, read_records
from jaxcifar.runner import export

RESULTS = Path(__file__).parents[2] / "docs" / "results"
OLD_RUN = {
    "class": "Run",
    "name": "old",
    "model": {"class": "VGG", "form": "light", "batch_norm": True, "noise": True, "dropout": 0.25},
    "optimizer": {"class": "Adam", "learning_rate": 0.002, "schedule": {"class": "Schedule", "kind": "constant"}},
    "loss": {"class": "Loss", "kind": "cross_entropy", "label_smoothing": 0.1},
    "average": {"class": "Average", "kind": "none", "decay": 0.999, "every": 1},
    "epochs": 3,
}
OLD_SCHEDULE = {"class": "Schedule", "warmup": 1.5, "step_epochs": 7.0, "step_factor": 0.5, "final_factor": 0.2}


def old(**parts: object) -> Run:
    return config.from_json(json.loads(json.dumps({**OLD_RUN, **parts})))


@pytest.mark.parametrize(
    ("path", "union"),
    [
        ("model", config.Model),
        ("optimizer", config.Optimizer),
        ("optimizer.schedule", config.Schedule),
        ("loss", config.Loss),
        ("average", config.Average),
    ],
)
def test_every_class_of_a_union_survives_json(path: str, union):
    for cls in get_args(union):
        run = config.apply_changes(Run(), {path: cls()})
        assert config.from_json(json.loads(json.dumps(config.to_json(run)))) == run


@dataclass(frozen=True)
class Lion:
    """A class that nothing but a union names."""

    beta: float = 0.9


@dataclass(frozen=True)
class Experiment:
    """A config with a union of its own."""

    optimizer: Lion | Adam = field(default_factory=Lion)
    several: tuple[Lion | CNN, ...] = ()


def test_a_class_is_known_because_a_union_names_it():
    assert {"Lion", "Adam", "CNN", "Constant", "Cosine"} <= set(classes(Experiment))
    given = Experiment(Lion(0.5), (CNN(), Lion()))
    assert config.from_json(config.to_json(given), Experiment) == given
    with pytest.raises(UserError, match="has the class 'Lion', which this version does not know"):
        config.from_json(config.to_json(given.optimizer))


def test_a_run_of_the_first_version():
    assert old() == Run(
        name="old",
        model=VGG(form="light", norm="batch", noise=True, dropout=0.25),
        optimizer=Adam(learning_rate=0.002),
        loss=config.CrossEntropy(label_smoothing=0.1),
        epochs=3,
    )


@pytest.mark.parametrize(
    ("kind", "loss"),
    [("mse", config.MSE()), ("smooth_l1", config.SmoothL1()), ("bce_with_logits", config.BCEWithLogits())],
)
def test_losses_of_the_first_version(kind: str, loss: config.Loss):
    assert old(loss={"class": "Loss", "kind": kind, "label_smoothing": 0.0}).loss == loss


@pytest.mark.parametrize(
    ("kind", "schedule"),
    [
        ("constant", config.Constant(warmup=1.5)),
        ("step", config.StepDecay(warmup=1.5, epochs=7.0, factor=0.5)),
        ("cosine", config.Cosine(warmup=1.5, final_factor=0.2)),
        ("triangular", config.Triangular(warmup=1.5, final_factor=0.2)),
    ],
)
def test_schedules_of_the_first_version(kind: str, schedule: config.Schedule):
    assert old(optimizer={"class": "SGD", "schedule": {**OLD_SCHEDULE, "kind": kind}}).optimizer == SGD(
        schedule=schedule
    )


@pytest.mark.parametrize(
    ("kind", "average"),
    [("ema", config.EMA(0.9, 4)), ("lookahead", config.Lookahead(0.9, 4)), ("none", config.NoAverage())],
)
def test_averages_of_the_first_version(kind: str, average: config.Average):
    assert old(average={"class": "Average", "kind": kind, "decay": 0.9, "every": 4}).average == average


def test_the_shipped_records_are_read():
    folders = [path.parent for path in RESULTS.rglob("config.json")]
    assert len(folders) > 20
    found = [read_records(folder) for folder in folders]
    assert [record.folder for record in found if record.config is None] == []
    for record in found:
        stored = json.loads((record.folder / "config.json").read_text())
        assert record.config
        if "batch_norm" in stored["model"]:
            assert (getattr(record.config.model, "norm", None) == "batch") is stored["model"]["batch_norm"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"no_such_field": 1}, "the field 'no_such_field' of Run, which this version does not know"),
        ({"optimizer": {"class": "Lion"}}, "the class 'Lion', which this version does not know"),
        ({"loss": {"class": "Loss", "kind": "hinge"}}, "the class 'Loss', which this version does not know"),
        ({"class": "Data"}, "the field"),
    ],
)
def test_a_record_of_a_newer_version_is_told(tmp_path: Path, change, says: str, capsys: pytest.CaptureFixture[str]):
    begin_records(tmp_path, Run())
    records.write_environment(tmp_path, {"versions": {"jaxcifar": "9.1.0"}})
    path = tmp_path / records.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    (problem,) = read_records(tmp_path).problems
    assert says in problem
    with pytest.raises(UserError, match=re.escape(str(path))):
        begin_records(tmp_path, Run())
    assert problem.startswith(str(path))
    assert "written by jaxcifar 9.1.0" in problem
    assert cli.main(["landscape", str(tmp_path), "--measure", "trace"]) == 2
    assert problem in capsys.readouterr().err
    with pytest.raises(UserError) as caught:
        export.read(tmp_path, [], print)
    assert str(caught.value) == problem


def test_a_config_that_is_not_a_runs_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="is of CNN; it must be of Run"):
        config.from_json(config.to_json(CNN()))
    assert config.from_json(config.to_json(dataclasses.replace(Run(), epochs=2))).epochs == 2
