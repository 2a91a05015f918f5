"""Curves over epochs where another run diverged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Canvas
from synthetic import Member, study

from jaxcifar.config import Words
from jaxcifar.report import epochs
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
    usual = np.array([2.0, 1.5, 1.2, 1.0, 0.9, 0.8])
    scales = []
    for first in (3.0, 9000.0):
        members = {"a": Member(train_loss=usual), "b": Member(train_loss=np.array([first, 2.0, 1.9, 1.8, 1.7, 1.6]))}
        results = study(tmp_path / f"{first:g}", "wide", members)
        axis = Canvas().add_subplot()
        epochs.panels(results, line_styles(results, Words("wide")))[0].draw(axis)
        scales.append(axis.get_yscale())
    assert scales == ["linear", "log"]
