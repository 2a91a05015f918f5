"""Tables on a terminal of 80 columns."""

from pathlib import Path

import pytest
from synthetic import Member, write_study

from jaxcifar.config import CNN, VGG, Run
from jaxcifar.config.stored import read_records
from jaxcifar.report.terminal import result_table

NAME = "vgg-a-light-bn-learning-rate-0.0001-and-a-few-words-more"


def test_runs_are_named_by_what_their_configs_tell_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "120")
    place = write_study(tmp_path, "pair", {"a": Member(run=Run(model=VGG())), "b": Member(run=Run(model=CNN()))})
    found = [read_records(place / member / "seed-0") for member in ("a", "b")]
    result_table(found)
    shown = capsys.readouterr().out
    assert "VGG-A, seed 0" in shown
    assert "CNN 64-128-256-128, seed 0" in shown
    result_table(found, {place: {"b": "the small one"}})
    shown = capsys.readouterr().out
    assert "VGG-A, seed 0" in shown
    assert "the small one, seed 0" in shown


def test_a_long_name_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COLUMNS", "80")
    write_study(tmp_path, "study", {NAME: Member(), "another of equal config": Member()})
    result_table([read_records(path.parent) for path in tmp_path.rglob("config.json")])
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    width = next(line for line in lines if line.startswith(" run")).index("epochs")
    assert f"{NAME},seed0" in "".join(line[:width] for line in lines).replace(" ", "")


def test_brackets_of_a_label_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    place = write_study(tmp_path, "pair", {"a": Member(run=Run(model=VGG())), "b": Member(run=Run(model=CNN()))})
    found = [read_records(place / member / "seed-0") for member in ("a", "b")]
    result_table(found, {place: {"a": "VGG [ours]", "b": "VGG [/ours]"}})
    shown = capsys.readouterr().out
    assert "VGG [ours], seed 0" in shown
    assert "VGG [/ours], seed 0" in shown
