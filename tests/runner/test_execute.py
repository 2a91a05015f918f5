"""Training a paper: folders, runs that train once, slices, what stands in the manifest."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcifar import records
from jaxcifar.config import CNN, Data, Paper, Precision, Run, Study, UserError, Variant, load, shipped
from jaxcifar.config.stored import read_records
from jaxcifar.records.manifest import Invocation
from jaxcifar.runner import speed
from jaxcifar.runner.execute import execute, foretold
from jaxcifar.runner.plan import make_plan
from jaxcifar.runner.speed import Rate


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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder without any speed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "jaxcifar"


def store_speed(seconds_per_step: float) -> None:
    speed._store("float32", {"CNN": Rate(seconds_per_step, 0.0, 0.0)})


def test_a_paper_in_slices(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]):
    store_speed(1000.0)
    execute(paper(), tmp_path, max_minutes=1.0)
    assert "3 runs were not started because the time limit would be exceeded" in capsys.readouterr().err
    assert not list(tmp_path.rglob(records.METRICS))

    store_speed(0.01)
    command = Invocation("python scripts/run.py --config p.py")
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
    argv += ["--coordinator", "a:1", "--processes=2", "--process", "1", "--connect-seconds", "9", "--worker", "1/2"]
    command = Invocation.of(argv, 1.0, "c", ("jaxcifar", "run")).command
    assert command == "jaxcifar run --config c.py --epochs 2 --only a,b"


@pytest.mark.slow
def test_the_speed_is_kept_and_that_of_another_device_or_version_is_not(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(speed, "BUSY", 2.0)  # other tests run beside this one
    plan = make_plan(paper())
    assert speed.of_plan(plan, measure=False) is None
    said: list[str] = []
    found = speed.of_plan(plan, said.append)
    assert said == ["Timing a few steps of CNN on this device, once; the speed is kept for later plans."]
    assert found is not None
    assert speed.of_plan(plan, said.append) == found
    assert len(said) == 1

    store_speed(1.0)
    found = speed.of_plan(plan, measure=False)
    assert found is not None
    assert found.seconds([paper().studies[0].base]) == 2.0
    (file,) = cache.glob("speed-*.json")
    stored = json.loads(file.read_text())
    file.write_text(json.dumps({**stored, "device": "another"}))
    assert speed.of_plan(plan, measure=False) is None
    file.write_text(json.dumps({**stored, "versions": {**stored["versions"], "jax": "0.1"}}))
    assert speed.of_plan(plan, measure=False) is None
    del stored["versions"]
    file.write_text(json.dumps(stored))
    assert speed.of_plan(plan, measure=False) is None
    file.write_text("{")
    assert speed.of_plan(plan, measure=False) is None


def test_a_speed_that_was_measured_beside_busy_processes_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch):
    def measured(kind: str, precision: Precision) -> Rate:
        time.sleep(1.0)
        return Rate(1.0, 0.0, 0.0)

    monkeypatch.setattr(speed, "_measured", measured)
    monkeypatch.setattr(speed, "BUSY", 1e-3)  # there may be many cores
    said: list[str] = []
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert speed.of_plan(make_plan(paper()), said.append) is not None
    finally:
        busy.kill()
        busy.wait()
    assert re.fullmatch(
        r"Other processes used \d+% of the cores meanwhile; .* so the speed is not kept after all\.", said[1]
    )
    assert not list(cache.glob("speed-*.json"))


def test_a_long_study_is_told_of_its_small_size():
    study = load(shipped.path("losses"))
    assert isinstance(study, Study)
    told = foretold(make_plan(study), 38 * 3600)
    assert told.startswith("About 38 h 00 min on this device; `--size cpu` takes about ")
    assert foretold(make_plan(study), 3600) == "About 1 h 00 min on this device."
    assert "--size" not in foretold(make_plan(study.sized("cpu")), 38 * 3600)


def test_a_restart_that_cannot_begin_deletes_nothing(tmp_path: Path):
    run = Run(
        model=CNN(widths=(2,), head=(4,)),
        data=Data(source="shapes", train_size=64, test_size=20),
        batch_size=32,
        epochs=1,
    )
    execute(run, tmp_path)
    with pytest.raises(UserError, match="nothere"):
        execute(dataclasses.replace(run, init_from=str(tmp_path.parent / "nothere")), tmp_path, restart=True)
    assert records.is_complete(tmp_path)


def test_a_folder_of_one_study_takes_no_other(small_run: Run, tmp_path: Path):
    run = dataclasses.replace(small_run, epochs=1)
    study = Study("small", run, seeds=(0, 1))
    single, several = tmp_path / "single", tmp_path / "several"
    execute(run, single)
    execute(study, several)
    for config, out, says in (
        (study, single, "holds a single run of 'small'"),
        (run, several, "holds a study of 'small'"),
        (dataclasses.replace(study, name="other"), several, "holds the study 'small'"),
    ):
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
        with pytest.raises(UserError, match=f"{says}, which a report would mix with what is asked for now"):
            execute(config, out)
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    assert len(execute(dataclasses.replace(study, seeds=(0, 1, 2)), several)) == 3
