"""Reading what is there: aliases, mixed data, damaged and older records, folders that hold nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic import Member, study, write_run, write_study

from jaxcifar import records
from jaxcifar.config import Run, UserError
from jaxcifar.config.stored import read_studies


def test_members_seeds_and_order(tmp_path: Path):
    found = study(tmp_path, "s", {"b": Member(spread=(0.0, 0.1)), "a": Member()})
    assert [(name, [run.seed for run in runs]) for name, runs in found.members.items()] == [("b", [0, 1]), ("a", [0])]
    assert (found.name, found.data, found.scale, found.problems) == ("s", "cifar10-jpeg", 1.0, ())
    assert found.runs[1].column("test_accuracy").tolist() == pytest.approx([0.8] * 6, abs=0.002)
    assert found.runs[1].step_values("absent").size == 0


def test_a_run_that_another_stands_for(tmp_path: Path):
    write_study(tmp_path, "one", {"a": Member(test_accuracy=0.5), "c": Member()})
    folder = write_study(tmp_path, "two", {"b": Member()})
    alias = folder / "b" / "seed-0"
    for name in (records.METRICS, records.STEPS, records.ENVIRONMENT):
        (alias / name).unlink()
    records.write_summary(alias, {"same_as": "../../../one/a/seed-0"})
    one, two = read_studies(tmp_path)
    (run,) = two.runs
    assert (run.same_as, run.status, run.column("test_accuracy")[0]) == ("one/a", "finished", 0.5)
    assert run.config is not None
    assert run.config.name == "b"
    assert two.data == one.data

    (only,) = read_studies(folder)
    assert only.runs[0].status == "finished"
    (tmp_path / "one" / "a" / "seed-0" / "config.json").unlink()
    two = read_studies(tmp_path)[1]
    assert two.runs[0].status == "missing"
    assert "which is not here" in two.problems[0]


def test_a_begun_run_that_became_a_duplicate_counts_as_the_equal_run_once_that_has_ended(tmp_path: Path):
    one = write_study(tmp_path, "one", {"a": Member(test_accuracy=0.5, status="interrupted")})
    alias = write_study(tmp_path, "two", {"b": Member()}) / "b" / "seed-0"
    records.write_summary(alias, {"same_as": "../../../one/a/seed-0"})
    (run,) = read_studies(tmp_path)[1].runs
    assert (run.same_as, run.status, run.column("test_accuracy")[0]) == (None, "begun", 0.7)
    records.write_summary(one / "a" / "seed-0", {"status": "finished"})
    (run,) = read_studies(tmp_path)[1].runs
    assert (run.same_as, run.status, run.column("test_accuracy")[0]) == ("one/a", "finished", 0.5)

    shutil.copytree(one / "a" / "seed-0", tmp_path.parent / f"{tmp_path.name}-outside" / "seed-0")
    records.write_summary(alias, {"same_as": f"../../../../{tmp_path.name}-outside/seed-0"})
    (run,) = read_studies(tmp_path)[1].runs
    assert (run.same_as, run.status) == (None, "begun")


def test_data_sets_are_kept_apart(tmp_path: Path):
    folder = write_study(tmp_path, "s", {"a": Member(), "b": Member(data="shapes")})
    first, second = read_studies(folder)
    assert [(s.data, [run.member for run in s.runs]) for s in (first, second)] == [
        ("cifar10-jpeg", ["a"]),
        ("shapes", ["b"]),
    ]
    assert "mixes the data sets cifar10-jpeg and shapes" in first.problems[0]


def test_missing_and_unfinished_runs(tmp_path: Path):
    folder = write_study(tmp_path, "s", {"a": Member(status=None), "b": Member(status="interrupted"), "c": Member()})
    for path in (folder / "c" / "seed-0").iterdir():
        path.unlink()
    (found,) = read_studies(folder)
    assert [run.status for run in found.runs] == ["begun", "interrupted", "missing"]
    assert found.missing == list(found.runs)


def test_damaged_and_older_records_are_read_as_far_as_they_go(tmp_path: Path):
    folder = write_study(tmp_path, "s", {"a": Member()}, manifest=False)
    run = folder / "a" / "seed-0"
    lines = (run / records.METRICS).read_text().splitlines()
    older = {key: value for key, value in json.loads(lines[0]).items() if key != "seconds"}
    (run / records.METRICS).write_text("\n".join([json.dumps(older), *lines[1:3], "[1]", lines[3][:20]]))
    (run / records.STEPS).write_bytes(b"PK no zip")
    (run / records.CONFIG).write_text(json.dumps({"class": "Run", "colour": "red"}))
    (run / records.ENVIRONMENT).write_text(json.dumps({"data": None}))
    (found,) = read_studies(folder)
    (result,) = found.runs
    assert (found.name, result.member, found.data) == ("s", "a", "unknown")
    assert result.column("test_accuracy").size == 3
    assert list(result.column("seconds"))[1:3] == [10.0, 10.0]
    assert len(found.problems) == 4
    assert any("line 5 is cut off" in problem for problem in found.problems)


def test_a_single_runs_folder(tmp_path: Path):
    write_run(tmp_path / "run", "vgg-a", Member())
    (found,) = read_studies(tmp_path / "run")
    assert [(run.member, run.status) for run in found.runs] == [("vgg-a", "finished")]


def test_folders_without_records(tmp_path: Path):
    with pytest.raises(UserError, match="There is no folder"):
        read_studies(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no records of this program"):
        read_studies(tmp_path)
    (tmp_path / "config.json").write_text('{"theme": "dark"}')
    (tmp_path / "study.json").write_text("[]")
    with pytest.raises(UserError, match="holds no records of this program"):
        read_studies(tmp_path)


def test_foreign_files_are_passed_over(tmp_path: Path):
    folder = write_study(tmp_path, "s", {"a": Member()})
    (folder / "notes.txt").write_text("x")
    (folder / "other").mkdir()
    (folder / "other" / "config.json").write_text("{broken")
    (found,) = read_studies(folder)
    assert [run.member for run in found.runs] == ["a"]
    assert "config.json" in " ".join(found.problems)


def test_a_reduced_run_is_scaled(tmp_path: Path):
    assert not study(tmp_path / "a", "s", {"a": Member(run=Run())}).is_scaled
    assert study(tmp_path / "b", "s", {"a": Member()}, scale=0.5).is_scaled
