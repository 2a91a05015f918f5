"""Figures over steps, from records with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from synthetic import Member, study

from jaxcifar.config import VGG, Run, Words
from jaxcifar.measures import Beta, GradientDistance, NoiseFloor
from jaxcifar.report import series
from jaxcifar.report.figure import Figure
from jaxcifar.report.line_styles import line_styles


def probes(tmp_path: Path, **more: float) -> list[Figure]:
    measured = {"beta/same_batch": 10.0, "gradient_distance/same_batch/all": 0.5, **more}
    values = {name: np.full(60, value) for name, value in measured.items()}
    models = {"vgg-a": VGG(), "vgg-a-bn": VGG(norm="batch")}
    taken = (Beta(), GradientDistance(), NoiseFloor())
    runs = {name: Member(run=Run(model=model, probes=taken), steps=values) for name, model in models.items()}
    found = study(tmp_path, "beta_smoothness", runs)
    return series.figures(found, line_styles(found, Words(found.name)), {})


def dotted(figure: Figure) -> list[float]:
    """The heights of the dotted lines."""
    axis = Canvas().add_subplot()
    figure.panels[0].draw(axis)
    return [float(np.mean(line.get_ydata())) for line in axis.lines if line.get_linestyle() == ":" or _dots(line)]


def _dots(line) -> bool:
    _, dashes = line._unscaled_dash_pattern
    return bool(dashes) and dashes[0] <= 1


def test_the_noise_floor_is_drawn_beside_what_it_qualifies(tmp_path: Path):
    floors = {"noise_floor/beta": 1e-3, "noise_floor/distance": 1e-6}
    found = {figure.name: figure for figure in probes(tmp_path, **floors)}
    for name, floor in (("beta-same-batch", 1e-3), ("gradient-distance-same-batch-all", 1e-6)):
        assert [look.label for look in found[name].legend][-1] == "noise floor: rounding alone"
        assert dotted(found[name]) == pytest.approx([floor, floor])
    assert dotted(found["noise-floor-distance"]) == []


def test_without_a_noise_floor_none_is_drawn(tmp_path: Path):
    for figure in probes(tmp_path):
        assert "noise floor: rounding alone" not in [look.label for look in figure.legend]
        assert dotted(figure) == []
