"""Colours and dashes by what members are; rates in the order of numbers; the band of any network with a norm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flax import linen as nn
from synthetic import Member, study

from jaxcifar.config import CNN, SGD, VGG, Adam, DeepLinear, Module, ResNet, Run, Study, Variant, Words, shipped
from jaxcifar.config.model import Model
from jaxcifar.records.study import StudyResults
from jaxcifar.report.band import band_figures
from jaxcifar.report.figure import Figure, Panel, together
from jaxcifar.report.line_styles import by_rate, line_styles
from jaxcifar.report.style import LineStyle


def styled(tmp_path: Path, runs: dict[str, Run], words: Words | None = None) -> dict[str, tuple[str, str]]:
    found = study(tmp_path, "s", {name: Member(run=run) for name, run in runs.items()})
    return {member: (style.color, style.dash) for member, style in line_styles(found, words or Words("s")).items()}


@pytest.mark.parametrize(
    ("bare", "normed"),
    [
        (VGG(), VGG(norm="batch")),
        (ResNet(norm="none"), ResNet()),
        (CNN(), CNN(norm="batch")),
        (DeepLinear(), DeepLinear(norm="batch")),
    ],
)
def test_a_pair_is_vermillion_and_blue_for_every_network(tmp_path: Path, bare: Model, normed: Model):
    runs = {"x": Run(model=normed), "y": Run(model=bare), "z": Run(model=CNN(widths=(3,)))}
    assert styled(tmp_path, runs) == {"x": ("blue", "solid"), "y": ("vermillion", "solid"), "z": ("green", "solid")}


def test_a_network_keeps_its_colour_and_optimizers_differ_in_dashes(tmp_path: Path):
    runs = {
        "a": Run(model=VGG(), optimizer=Adam()),
        "b": Run(model=VGG(norm="batch"), optimizer=Adam()),
        "c": Run(model=VGG(), optimizer=SGD()),
        "d": Run(model=VGG(norm="batch"), optimizer=SGD()),
    }
    found = styled(tmp_path, runs)
    assert found["a"] == ("vermillion", "solid")
    assert found["c"] == ("vermillion", "dotted")
    assert found["b"][0] == found["d"][0] == "blue"


def test_a_network_without_precisions_stands_beside_one_with(tmp_path: Path):
    own = Run(model=Module(nn.Dense(10)))
    runs = {"own": own, "narrow": Run(model=CNN(), precision="bfloat16"), "wide": Run(model=CNN())}
    found = study(tmp_path, "s", {name: Member(run=run) for name, run in runs.items()})
    styles = line_styles(found, Words("s"))
    assert len({(look.color, look.dash) for look in styles.values()}) == 3


def test_a_variants_own_colour_and_dash_come_first(tmp_path: Path):
    mine = Study("s", Run(), (Variant("a", color="grey", dash="dashdot"), Variant("b", {"epochs": 3})))
    runs = {"a": Run(), "b": Run(epochs=3)}
    assert styled(tmp_path, runs, mine.words) == {"a": ("grey", "dashdot"), "b": ("blue", "solid")}


def test_the_same_network_has_the_same_colour_in_every_shipped_study(tmp_path: Path):
    colors: dict[Model, set[str]] = {}
    for each in shipped.sections(but="paper"):
        members = each.members()
        if len({member.run.model for member in members}) < 2:
            continue
        found = study(tmp_path / each.name, each.name, {member.name: Member(run=member.run) for member in members})
        for member in members:
            colors.setdefault(member.run.model, set()).add(line_styles(found, each.words)[member.name].color)
    assert {model for model, seen in colors.items() if len(seen) > 1} == set()


def rates(tmp_path: Path, model: Model, *, names: str = "{kind}-learning-rate-{rate:g}") -> StudyResults:
    members = {}
    for kind, network in (("plain", model.without_norm()), ("norm", model)):
        assert network is not None
        for rate in (1e-3, 2e-3, 1e-4):
            run = Run(model=network, optimizer=Adam(learning_rate=rate))
            members[names.format(kind=kind, rate=rate)] = Member(run=run, steps={"loss": np.full(60, 1 + 100 * rate)})
    return study(tmp_path, "s", members)


def test_rates_are_in_the_order_of_numbers_and_go_from_faint_to_full(tmp_path: Path):
    found = by_rate(rates(tmp_path, VGG(norm="batch")))
    order = ["1e-04", "0.001", "0.002"]
    assert list(found.members) == [
        f"{kind}-learning-rate-{float(rate):g}" for kind in ("plain", "norm") for rate in order
    ]
    styles: list[LineStyle] = [*line_styles(found, Words("s")).values()]
    assert [style.strength for style in styles] == [0.3, 0.65, 1.0] * 2


@pytest.mark.parametrize("model", [VGG(norm="batch"), ResNet(), CNN(norm="batch"), DeepLinear(norm="batch")])
def test_every_network_has_its_band(tmp_path: Path, model: Model):
    (figure,) = band_figures(rates(tmp_path, model), (1e-3, 2e-3), {})
    assert [style.label for style in figure.legend] == ["with BatchNorm", "without BatchNorm"]
    assert "learning rates 0.001, 0.002 at each" in figure.caption
    least, greatest = figure.rows[0][2:]
    assert (least, greatest) == pytest.approx((1.1, 1.2))


def test_bands_of_many_normalisations_each_stand_beside_that_without(tmp_path: Path):
    members = {}
    for norm in ("none", "batch", "group"):
        for rate in (1e-3, 2e-3):
            run = Run(model=VGG(norm=norm), optimizer=Adam(learning_rate=rate))
            losses = np.where(np.arange(60) == 20, 50.0 if norm == "group" else 1.0, 1 + 100 * rate)
            members[f"{norm}-learning-rate-{rate:g}"] = Member(run=run, steps={"loss": losses})
    (figure,) = band_figures(study(tmp_path, "s", members), (), {})
    assert [panel.title for panel in figure.panels] == [
        f"Train loss (nats per image), {norm}" for norm in ("BatchNorm", "GroupNorm")
    ]
    assert len(figure.legend) == 3
    canvas = together(figure)
    assert canvas.axes[0].get_ylim()[1] < 2
    assert canvas.axes[1].get_ylim() == pytest.approx((0, 4.8)), "a peak does not flatten the rest"
    assert [len(axis.lines) for axis in canvas.axes] == [4, 4], "two edges of either band"


def test_rates_that_go_from_faint_to_full_are_one_entry_of_a_saved_legend():
    looks = [LineStyle(f"VGG-A, rate {0.1 * n:g}, He", "blue", "dashed", n / 3) for n in (1, 2, 3)]
    looks += [LineStyle(f"CNN, rate {rate}", "green") for rate in (1, 2)]
    looks += [LineStyle(f"{name}, rate {n}", "brown", strength=n / 3) for n, name in enumerate("abc", 1)]
    canvas = together(Figure("f", "F", "", (Panel("p", lambda axis: None, "nothing"),), tuple(looks)))
    first = ["VGG-A, rate 0.1 to 0.3 (faint to full), He", "CNN, rate 1", "CNN, rate 2"]
    shown = [text.get_text() for text in canvas.legends[0].get_texts()]
    assert shown == [*first, "a, rate 1", "b, rate 2", "c, rate 3"], "those that differ in more stay apart"


def test_two_rates_of_one_network_are_no_band(tmp_path: Path):
    runs = {f"r{rate}": Run(model=CNN(), optimizer=Adam(learning_rate=rate)) for rate in (0.1, 0.01)}
    found = study(tmp_path, "s", {name: Member(run=run) for name, run in runs.items()})
    assert band_figures(found, (), {}) == []
