"""The figures of the original paper's probes, from records with known answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from synthetic import Member as M
from synthetic import study

from jaxcifar.config import VGG, DeepLinear, Run, Words
from jaxcifar.measures import CovariateShift, GradientDirection
from jaxcifar.report import ranges
from jaxcifar.report.caption import labels
from jaxcifar.report.figure import together
from jaxcifar.report.line_styles import line_styles

STEPS = 60


def member(model, level: float, **changes) -> M:
    """Every tenth step measured, at one level; two layers and the output."""
    names = ("loss_low", "loss_high", "distance_low", "distance_high", "beta")
    values = {f"gradient_direction/{name}": level for name in names}
    values |= {f"covariate_shift/{what}/{layer}": level for what in ("distance", "cosine") for layer in LAYERS}
    steps = {name: np.where(np.arange(STEPS) % 10 == 0, value, np.nan) for name, value in values.items()}
    return M(run=Run(model=model, probes=(GradientDirection(), CovariateShift())), steps=steps, **changes)


LAYERS = ("linear2", "linear10", "output")


def figures(tmp_path: Path):
    found = study(
        tmp_path,
        "santurkar",
        {
            "vgg-a": member(VGG(), 3.0),
            "vgg-a-bn": member(VGG(norm="batch"), 2.0),
            "vgg-a-noisy-bn": member(VGG(norm="batch", noise=True), 1.0),
            "linear-25": member(DeepLinear(), 5.0),
        },
    )
    found = dataclasses.replace(found, labels=labels(found, {}))
    return found, ranges.figures(found, line_styles(found, Words(found.name)), {})


def test_both_networks_stand_side_by_side(tmp_path: Path):
    _, (along, shift) = figures(tmp_path)
    titles = [panel.title for panel in along.panels]
    assert titles[:2] == ["Loss (nats per image), VGG-A", "Loss (nats per image), 25-layer linear network"]
    assert len(titles) == 6
    assert [look.label for look in along.legend][:3] == ["VGG-A", "VGG-A + BatchNorm", "VGG-A + noisy BatchNorm"]
    assert "Median of the greatest: VGG-A 3, VGG-A + BatchNorm 2, VGG-A + noisy BatchNorm 1." in along.panels[0].alt
    assert shift.panels[0].title == "Distance, linear10, VGG-A"
    for figure in (along, shift):
        assert "BatchNorm in training mode" in figure.caption
        together(figure)
        assert {row[0] for row in figure.rows} == {"vgg-a", "vgg-a-bn", "vgg-a-noisy-bn", "linear-25"}


def test_a_diverged_seed_does_not_cut_the_others_short(tmp_path: Path):
    runs = {"linear-25": member(DeepLinear(), 2.0, spread=(0.0, 0.0, 0.0))}
    found = study(tmp_path, "santurkar", runs)
    records = found.runs[2].records
    assert records is not None
    records.steps["gradient_direction/beta"] = 1e9 * records.steps["gradient_direction/beta"][:11]
    x, lines = ranges._seed_lines(found.runs, "gradient_direction/beta")
    assert x.tolist() == [1, 11, 21, 31, 41, 51]
    assert lines.shape == (3, 6)
    np.testing.assert_allclose(np.nanmedian(lines, axis=0), 2.0)
