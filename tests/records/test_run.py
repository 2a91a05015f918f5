"""The run folder: what is written is read, damage is reported, two processes never share it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jaxcifar import records
from jaxcifar.config import CNN, Run, UserError
from jaxcifar.config.stored import begin_records, check_records, read_records


def test_written_is_read(tmp_path: Path):
    run = Run(epochs=3)
    begin_records(tmp_path, run)
    records.write_environment(tmp_path, {"data": {"name": "shapes"}})
    records.append_metrics(tmp_path, {"epoch": 1, "train_loss": float("nan"), "seconds": np.float32(0.5)})
    records.write_steps(tmp_path, {"loss": np.arange(3.0), "beta/same_batch": np.ones(3)})
    records.write_summary(tmp_path, {"status": "finished", "best": {"test_loss": float("inf")}})
    found = read_records(tmp_path)
    assert found.config == run
    assert found.metrics == [{"epoch": 1, "train_loss": None, "seconds": 0.5}]
    assert found.summary == {"status": "finished", "best": {"test_loss": None}}
    assert found.status == "finished"
    assert list(found.steps) == ["loss", "beta/same_batch"]
    np.testing.assert_array_equal(found.steps["loss"], [0, 1, 2])
    assert found.problems == ()
    assert records.is_complete(tmp_path)


def test_damage_is_reported_and_the_rest_is_read(tmp_path: Path):
    begin_records(tmp_path, Run())
    records.append_metrics(tmp_path, {"epoch": 1})
    with open(tmp_path / records.METRICS, "a") as file:
        file.write('{"epoch": 2, "tra')
    (tmp_path / records.STEPS).write_bytes(b"PK no archive")
    (tmp_path / records.SUMMARY).write_text('{"status"')
    stored = json.loads((tmp_path / records.CONFIG).read_text())
    (tmp_path / records.CONFIG).write_text(json.dumps({**stored, "no_such_field": 1}))
    found = read_records(tmp_path)
    assert found.metrics == [{"epoch": 1}]
    assert (found.config, found.steps, found.summary, found.status) == (None, {}, {}, None)
    assert [name for name in (records.CONFIG, "line 2", records.STEPS, records.SUMMARY)
            if not any(name in problem for problem in found.problems)] == []  # fmt: skip
    assert not records.is_complete(tmp_path)


def test_an_empty_folder_is_empty_records(tmp_path: Path):
    found = read_records(tmp_path)
    assert (found.config, found.metrics, found.status, found.problems) == (None, [], None, ())


def test_a_config_of_an_older_version_is_the_same_with_new_fields_at_their_defaults(tmp_path: Path):
    begin_records(tmp_path, Run())
    stored = json.loads((tmp_path / records.CONFIG).read_text())
    del stored["model"]["norm"]
    (tmp_path / records.CONFIG).write_text(json.dumps(stored))
    assert check_records(tmp_path, Run())
    with pytest.raises(UserError, match="norm: 'none' -> 'batch'"):
        check_records(tmp_path, Run(model=CNN(norm="batch")))


def test_a_changed_config_is_refused_with_the_difference(tmp_path: Path):
    begin_records(tmp_path, Run())
    begin_records(tmp_path, Run(name="another name"))
    with pytest.raises(UserError, match=r"epochs: 20 -> 3.*--restart"):
        begin_records(tmp_path, Run(epochs=3))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write():
        with records.replacing(path) as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
