"""The table of results: columns that only some studies have."""

from __future__ import annotations

from pathlib import Path

from synthetic import Member as M
from synthetic import study

from jaxcifar.config import Words
from jaxcifar.report import tables


def test_averaged_weights_and_views_have_columns_in_per_cent(tmp_path: Path):
    found = study(tmp_path, "speedrun_94", {"speedrun-94": M(spread=(0.0, 0.01))})
    for run, accuracy in zip(found.runs, (0.5, 0.7), strict=True):
        assert run.records is not None
        run.records.metrics[-1]["test_accuracy_tta"] = accuracy
        run.records.summary["total_seconds"] = 3.0
    results = tables.results(found, Words("speedrun_94"))
    (row,) = results.rows
    cells = dict(zip(results.columns, row, strict=True))
    assert (cells["with tta"].text, cells["with tta"].value) == ("60.00%", 60.0)
    assert cells["with tta"].error
    assert cells["s in all"].text == "3"
    assert "with ema" not in cells


def test_seconds_on_a_shared_machine_are_not_shown(tmp_path: Path):
    found = study(tmp_path, "batch_size", {"batch-4": M(spread=(0.0, 0.0), seconds=7), "batch-128": M(seconds=3)})
    for run in found.runs:
        assert run.records is not None
        run.records.summary.update(total_seconds=5.0, processes_beside=2 if run.member == "batch-4" else 0)
    results = tables.results(found, Words("batch_size"))
    column = {name: results.columns.index(name) for name in ("s per epoch", "s in all", "train loss")}
    shared, own = results.rows
    assert [shared[column[name]].text for name in column] == ["-", "-", "0.600"]
    assert [own[column[name]].text for name in column] == ["3", "5", "0.600"]
    assert "shared neither a program nor the machine" in results.caption
