"""Figures over steps, from records with known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from synthetic import Member, study

from jaxcifar.config import CNN, VGG, Adam, DeepLinear, Model, ResNet, Run, Words
from jaxcifar.measures import Beta, GradientDistance, NoiseFloor, StepReliability
from jaxcifar.report import series
from jaxcifar.report.figure import Figure
from jaxcifar.report.line_styles import line_styles


def probes(tmp_path: Path, **more: float) -> list[Figure]:
    measured = {"beta/same_batch": 10.0, "gradient_distance/same_batch/all": 0.5, **more}
    values = {name: np.full(60, value) for name, value in measured.items()}
    models = {"vgg-a": VGG(), "vgg-a-bn": VGG(norm="batch")}
    taken = (Beta(), GradientDistance(), NoiseFloor())
    runs = {name: Member(run=Run(model=model, probes=taken), steps=values) for name, model in models.items()}
    found = study(tmp_path, "gradients", runs)
    return series.figures(found, line_styles(found, Words(found.name)), {})


def dotted(figure: Figure) -> list[float]:
    """The heights of the dotted lines."""
    axis = Canvas().add_subplot()
    figure.panels[0].draw(axis)
    return [
        float(np.mean(np.asarray(line.get_ydata())))
        for line in axis.lines
        if line.get_linestyle() == ":" or _dots(line)
    ]


def _dots(line) -> bool:
    _, dashes = line._unscaled_dash_pattern
    return bool(dashes) and dashes[0] <= 1


def test_the_noise_floor_is_drawn_beside_what_it_qualifies(tmp_path: Path):
    floors = {"noise_floor/beta": 0.3, "noise_floor/distance": 0.01}
    found = {figure.name: figure for figure in probes(tmp_path, **floors)}
    for name, floor in (("beta-same-batch", 0.3), ("gradient-distance-same-batch-all", 0.01)):
        assert [look.label for look in found[name].legend][-1] == "noise floor: rounding alone"
        assert dotted(found[name]) == pytest.approx([floor, floor])
    assert dotted(found["noise-floor-distance"]) == []


def test_a_noise_floor_far_below_is_said_and_not_drawn(tmp_path: Path):
    found = {figure.name: figure for figure in probes(tmp_path, **{"noise_floor/beta": 1e-3})}
    figure = found["beta-same-batch"]
    assert "Rounding alone gives 0.001 (median), below the picture." in figure.caption
    assert "noise floor: rounding alone" not in [look.label for look in figure.legend]
    assert dotted(figure) == []


def test_without_a_noise_floor_none_is_drawn(tmp_path: Path):
    for figure in probes(tmp_path):
        assert "noise floor: rounding alone" not in [look.label for look in figure.legend]
        assert dotted(figure) == []


@pytest.mark.parametrize("model", [VGG(norm="batch"), ResNet(), CNN(norm="batch"), DeepLinear(norm="batch")])
def test_every_network_is_drawn_with_and_without_batch_norm_over_its_rates(model: Model, tmp_path: Path):
    members = {
        f"{kind}-{rate:g}": Run(model=network, optimizer=Adam(learning_rate=rate), probes=(Beta(),))
        for kind, network in (("plain", model.without_norm()), ("norm", model))
        for rate in (1e-3, 1e-2)
        if network
    }
    steps = {"beta/same_batch": np.full(60, 3.0)}
    found = study(tmp_path, "s", {name: Member(run=run, steps=steps) for name, run in members.items()})
    (figure,) = series.figures(found, line_styles(found, Words("s")), {})
    assert [look.label for look in figure.legend] == ["without BatchNorm", "with BatchNorm"]


def test_batch_norm_with_noise_is_not_drawn_as_batch_norm(tmp_path: Path):
    models = {"a": VGG(), "b": VGG(norm="batch"), "c": VGG(norm="batch", noise=True)}
    steps = {"beta/same_batch": np.full(60, 3.0)}
    runs = {name: Member(run=Run(model=model, probes=(Beta(),)), steps=steps) for name, model in models.items()}
    found = study(tmp_path, "s", runs)
    (figure,) = series.figures(found, line_styles(found, Words("s")), {})
    assert [look.label for look in figure.legend] == ["a", "b", "c", "2(1+μ)/η: stable below, at each rate"]


def test_the_largest_so_far_is_the_member_s_line_drawn_thin(tmp_path: Path):
    values = np.r_[np.full(30, 3.0), 7.0, np.full(29, 2.0)]
    member = Member(run=Run(model=VGG(), probes=(Beta(),)), steps={"beta/same_batch": values})
    found = study(tmp_path, "s", {"a": member})
    (figure,) = series.figures(found, line_styles(found, Words("s")), {})
    (panel,) = figure.panels
    assert panel.title.endswith("; thin: the largest so far")
    axis = Canvas().add_subplot()
    panel.draw(axis)
    (largest,) = (line for line in axis.lines if line.get_linewidth() == 0.8 and len(np.unique(line.get_ydata())) == 2)
    (mean,) = (line for line in axis.lines if line.get_linewidth() == 1.5)
    assert mean.get_linestyle() == largest.get_linestyle()
    assert (largest.get_ydata()[0], largest.get_ydata()[-1]) == (3, 7)
    assert mean.get_ydata()[-1] < 3


def test_arrays_that_are_not_drawn_are_in_the_csv(tmp_path: Path):
    layers = {"conv": ["conv"]}
    (kappa, *_) = StepReliability().displays(layers)
    steps = {name: np.full(60, 1.0) for name in kappa.arrays}
    found = study(tmp_path, "s", {"a": Member(run=Run(model=VGG(), probes=(StepReliability(),)), steps=steps)})
    (figure,) = series.figures(found, line_styles(found, Words("s")), {})
    assert {row[figure.columns.index("measure")] for row in figure.rows} == set(kappa.arrays)
    assert len(kappa.arrays) > 1
