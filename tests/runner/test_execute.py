"""Training a paper: folders, runs that train once, slices, what stands in the manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxcifar import records
from jaxcifar.config import CNN, Data, Paper, Run, Study, UserError, Variant
from jaxcifar.config.stored import read_records
from jaxcifar.records.manifest import Invocation
from jaxcifar.runner import speed
from jaxcifar.runner.execute import execute
from jaxcifar.runner.speed import Rate, Speed


def paper() -> Paper:
    base = Run(
        model=CNN(widths=(2,), head=(4,)),
        data=Data(source="shapes", train_size=64, test_size=20),
        epochs=1,
        batch_size=32,
    )
    one = Study("one", base, (Variant("a"),), sweep={"optimizer.learning_rate": (0.1, 0.2)})
    two = Study("two", base, (Variant("slow", {"optimizer.learning_rate": 0.1}), Variant("long", {"epochs": 2})))
    return Paper("p", (one, two))


def store_speed(folder: Path, seconds_per_step: float) -> None:
    speed.store(Speed(speed._device(), {"CNN": Rate(seconds_per_step, 0.0, 0.0)}), folder)


def test_a_paper_in_slices(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store_speed(tmp_path, 1000.0)
    execute(paper(), tmp_path, max_minutes=1.0)
    assert "3 runs were not started because the time limit would be exceeded" in capsys.readouterr().err
    assert not list(tmp_path.rglob(records.METRICS))

    store_speed(tmp_path, 0.01)
    command = Invocation("python scripts/run.py --config p.py", ("epochs",))
    folders = execute(paper(), tmp_path, only=("one",), max_minutes=5.0, invocation=command)
    assert [folder.relative_to(tmp_path).as_posix() for folder in folders] == [
        "one/a-learning-rate-0.1/seed-0",
        "one/a-learning-rate-0.2/seed-0",
    ]
    assert not list((tmp_path / "two").rglob(records.METRICS))
    before = (folders[0] / records.METRICS).read_bytes()

    folders = execute(paper(), tmp_path)
    assert [read_records(folder).status for folder in folders] == ["finished"] * 4
    assert folders[2] == folders[0]
    assert (folders[0] / records.METRICS).read_bytes() == before
    alias = read_records(tmp_path / "two/slow/seed-0")
    assert alias.summary == {"same_as": "../../../one/a-learning-rate-0.1/seed-0"}
    assert alias.config is not None
    manifest = json.loads((tmp_path / "two" / "study.json").read_text())
    rows = [(row["member"], row["steps"], row.get("same_as")) for row in manifest["runs"]]
    assert rows == [("slow", 2, "one/a-learning-rate-0.1/seed-0"), ("long", 4, None)]


def test_limits_out_of_range(tmp_path: Path):
    with pytest.raises(UserError, match="--max-minutes is -1"):
        execute(paper(), tmp_path, max_minutes=-1)


def test_the_command_leaves_out_places_on_ones_own_machine():
    argv = ["--config", "c.py", "--out", "/x", "--data.dir=/y", "--restart", "--epochs", "2", "--only", "a,b"]
    command = Invocation.of(argv, ("epochs",), 1.0, "c").command
    assert command == "python scripts/run.py --config c.py --epochs 2 --only a,b"


def test_the_speed_of_another_device_is_not_used(tmp_path: Path):
    store_speed(tmp_path, 1.0)
    found = speed.known(tmp_path)
    assert found is not None
    assert found.seconds([paper().studies[0].base]) == 2.0
    stored = json.loads((tmp_path / speed.FILE).read_text())
    (tmp_path / speed.FILE).write_text(json.dumps({**stored, "device": "another"}))
    assert speed.known(tmp_path) is None
    (tmp_path / speed.FILE).write_text("{")
    assert speed.known(tmp_path) is None
