"""Curves over epochs where another run diverged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from synthetic import Member, study

from jaxcifar.config import CNN, BCEWithLogits, Run, Words
from jaxcifar.report import epochs, sections, tables
from jaxcifar.report.line_styles import line_styles


def test_a_loss_on_its_way_to_infinity_hides_no_other(tmp_path: Path):
    losses = np.r_[np.geomspace(2.3, 1e6, 10), np.inf]
    wild = Member(status="diverged", epochs=1, steps={"loss": losses})
    found = study(tmp_path, "losses", {"cross-entropy": Member(), "mse": wild})
    axis = Canvas().add_subplot()
    train_loss = epochs.panels(found, line_styles(found, Words(found.name)))[0]
    train_loss.draw(axis)
    assert any(line.get_marker() == "x" for line in axis.lines)
    assert axis.get_ylim()[1] < 10


def test_one_loss_far_above_all_others_flattens_no_line(tmp_path: Path):
    scales = []
    for last in (0.5, 0.005):
        members = {name: Member(train_loss=np.array([2.3, *[last] * 5])) for name in "ab"}
        results = study(tmp_path / f"{last:g}", "wide", members)
        axis = Canvas().add_subplot()
        epochs.panels(results, line_styles(results, Words("wide")))[0].draw(axis)
        scales.append(axis.get_yscale())
    assert scales == ["linear", "log"]


def test_where_a_loss_explodes_the_axis_ends_near_the_loss_of_guessing(tmp_path: Path):
    usual = Member(train_loss=np.array([2.0, 1.5, 1.2, 1.0, 0.9, 0.8]))
    wild = Member(train_loss=np.r_[1e9, np.full(5, 2.4)], test_loss=np.r_[np.full(5, 2.4), 1e8])
    results = study(tmp_path, "exploded", {"usual": usual, "wild": wild})
    words = Words("exploded")
    for panel in epochs.panels(results, line_styles(results, words))[:2]:
        axis = Canvas().add_subplot()
        panel.draw(axis)
        assert axis.get_ylim() == (0, pytest.approx(epochs.END * np.log(10)))
    assert "the axis ends at" in sections.curves(results, words, line_styles(results, words), {}).caption


def test_no_axis_is_cut_where_losses_of_ones_own_or_all_losses_would_leave_the_picture(tmp_path: Path):
    wild = np.r_[1e9, np.full(5, 60.0)]
    own = Member(train_loss=np.full(6, 40.0), run=Run(loss=lambda logits, labels: logits.sum(-1)))
    coins = Run(loss=BCEWithLogits(), model=CNN(classes=100))
    studies = [
        {"own": own, "wild": Member(train_loss=wild)},
        {"wild": Member(train_loss=wild), "own": own},
        {"only": Member(train_loss=wild)},
        {"coins": Member(train_loss=np.array([0.69, 0.3, 0.1, 0.08, 0.07, 0.06]), run=coins)},
    ]
    for index, members in enumerate(studies):
        results = study(tmp_path / str(index), "whole", members)
        words = Words("whole", log_loss=True)
        for log in (False, True):
            axis = Canvas().add_subplot()
            epochs.panels(results, line_styles(results, words), log=log)[0].draw(axis)
            low, high = axis.get_ylim()
            assert low < high
            assert max(line.get_ydata().max() for line in axis.lines) <= high


def test_crosses_stand_in_the_picture_where_the_run_itself_ended(tmp_path: Path):
    usual = Member(train_loss=np.array([2.3, 1.5, 1.2, 1.0, 0.9, 0.8]), spread=(0.0, 0.01))
    wild = Member(
        status="diverged", epochs=3, train_loss=np.array([2.3, 30.0, 60.0]), test_accuracy=np.array([0.2, 0.1, 0.1])
    )
    results = study(tmp_path, "crosses", {"usual": usual, "wild": wild})
    partly = [dataclasses.replace(run, member="usual", seed=9) for run in results.runs if run.member == "wild"]
    results = dataclasses.replace(results, runs=(*results.runs[:2], *partly))
    for index, panel in enumerate(epochs.panels(results, line_styles(results, Words("crosses")))):
        canvas = Canvas()
        axis = canvas.add_subplot()
        panel.draw(axis)
        (cross,) = (line for line in axis.lines if line.get_marker() == "x")
        assert cross.get_xdata()[0] == 3
        assert cross.get_ydata()[0] <= axis.get_ylim()[1]
        if index == 3:
            assert cross.get_ydata()[0] == pytest.approx(10)


@pytest.mark.parametrize("evaluated", [True, False])
def test_train_losses_are_drawn_in_the_mode_that_claims_are_judged_by(tmp_path: Path, evaluated: bool):
    members = {
        name: Member(train_loss=0.6, train_eval_loss=0.4, run=Run(evaluate_train=each))
        for name, each in (("a", True), ("b", evaluated))
    }
    results = study(tmp_path, "modes", members)
    words = Words("modes")
    panel = epochs.panels(results, line_styles(results, words))[0]
    axis = Canvas().add_subplot()
    panel.draw(axis)
    loss = 0.4 if evaluated else 0.6
    assert {line.get_ydata()[-1] for line in axis.lines} == {loss}
    assert panel.title.startswith("Train loss, evaluation mode (" if evaluated else "Train loss (")
    columns, rows = epochs.numbers(results)
    assert ("train_eval_loss" in columns) is evaluated
    assert rows[0][columns.index("train_loss")] == 0.6
    table = tables.results(results, words)
    assert table.rows[0][table.columns.index("train loss")].text == f"{loss:.3f}"
    assert ("evaluation mode" in table.caption) is evaluated
