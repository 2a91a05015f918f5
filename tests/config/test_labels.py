"""Labels of a study's members from what tells their configs apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest

from jaxcifar import config
from jaxcifar.config import CNN, MSE, SGD, VGG, Adam, CrossEntropy, DeepLinear, ResNet, Run, WhitenedCNN, labels
from jaxcifar.measures import Beta
from jaxcifar.runner.plan import make_plan

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
BN = VGG(norm="batch")


def labelled(*runs: Run, **overrides: str) -> list[str]:
    return list(labels({f"m{index}": run for index, run in enumerate(runs)}, overrides).values())


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ((Run(model=VGG()), Run(model=BN)), ["VGG-A", "VGG-A + BatchNorm"]),
        (
            tuple(Run(model=m, optimizer=Adam(rate)) for m in (VGG(), BN) for rate in (1e-3, 2e-3)),
            [
                "VGG-A, rate 0.001",
                "VGG-A, rate 0.002",
                "VGG-A + BatchNorm, rate 0.001",
                "VGG-A + BatchNorm, rate 0.002",
            ],
        ),
        ((Run(optimizer=SGD(0.01)), Run(optimizer=Adam(0.001))), ["SGD", "Adam"]),
        (
            (Run(batch_size=4), Run(batch_size=256), Run(batch_size=256, optimizer=SGD(0.02))),
            ["batch 4, rate 0.01", "batch 256, rate 0.01", "batch 256, rate 0.02"],
        ),
        ((Run(model=ResNet(activation="leaky_relu")), Run(model=ResNet())), ["leaky ReLU", "ReLU"]),
        ((Run(loss=MSE()), Run(loss=CrossEntropy())), ["MSE", "cross-entropy"]),
        ((Run(), Run(loss=CrossEntropy(0.1))), ["without label smoothing", "label smoothing 0.1"]),
        ((Run(), Run(optimizer=SGD(schedule=config.Cosine()))), ["constant schedule", "cosine schedule"]),
        ((Run(), Run(average=config.EMA())), ["without averaging", "EMA"]),
        ((Run(), Run(data=config.Data(crop=4))), ["without crop", "crop 4"]),
        ((Run(model=ResNet(18)), Run(model=ResNet(18, skip=False))), ["ResNet-18", "plain-18"]),
        ((Run(model=BN),), ["VGG-A + BatchNorm"]),
        ((Run(), Run(probes=(Beta(),))), ["m0", "m1"]),
        ((), []),
    ],
)
def test_labels_say_what_differs(runs: tuple[Run, ...], expected: list[str]):
    assert labelled(*runs) == expected


def test_the_name_of_a_member_changes_nothing_unless_configs_are_equal():
    runs = {"vgg-a-bn": Run(model=VGG()), "vgg-a": Run(model=BN), "again": Run(model=BN)}
    assert labels(runs) == {"vgg-a-bn": "VGG-A", "vgg-a": "vgg-a", "again": "again"}


@dataclasses.dataclass(frozen=True)
class Lion(SGD):
    """An optimizer that only this file knows."""


@dataclasses.dataclass(frozen=True)
class Wide(CNN):
    """A network that only this file knows."""

    @property
    def title(self) -> str:
        return "a wide network"


def test_a_class_of_ones_own_is_labelled_by_itself():
    assert labelled(Run(optimizer=Lion()), Run(optimizer=SGD())) == ["Lion", "SGD"]
    assert labelled(Run(model=Wide()), Run(model=VGG())) == ["a wide network", "VGG-A"]


def test_a_study_may_give_its_own():
    assert labelled(Run(model=VGG()), Run(model=BN), m1="mine", other="not here") == ["VGG-A", "mine"]


def test_what_a_study_gives_itself_is_no_other_member_s():
    assert labelled(Run(batch_size=128), Run(batch_size=64), m1="batch 128") == ["m0", "batch 128"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_member_of_every_config_has_a_label_of_its_own(path: Path):
    for study in make_plan(config.load(path)):
        found = {item.member: item.label for item in study.runs}
        assert len({*found.values()} - {""}) == len(found)
        runs = {item.member: item.run for item in study.runs}
        own = labels(runs)
        renamed = labels({f"member {index}": run for index, run in enumerate(runs.values())})
        assert [*renamed.values()] == [*own.values()], "a label comes from configs, not from names"


@pytest.mark.parametrize("cls", get_args(config.Model))
def test_every_network_says_what_it_is(cls):
    model = cls()
    assert model.title
    assert model.timed_as in ("CNN", "VGG", "ResNet")
    if isinstance(model, WhitenedCNN):
        assert (model.norm_title, model.without_norm()) == ("BatchNorm", None)
        return
    if isinstance(model, config.Module):
        assert (model.norm_title, model.without_norm()) == ("", None)
        return
    with_norm = dataclasses.replace(model, norm="batch")
    assert with_norm.norm_title == "BatchNorm"
    assert with_norm.without_norm() == dataclasses.replace(model, norm="none")
    assert with_norm.without_norm().norm_title == ""
    assert with_norm.title != with_norm.without_norm().title


def test_titles():
    assert CNN().title == "CNN 64-128-256-128"
    assert ResNet(50, norm="none", dropout=0.1).title == "ResNet-50 without BatchNorm + dropout"
    assert VGG(norm="batch", noise=True, dropout=0.5).title == "VGG-A + noisy BatchNorm + dropout"
    assert VGG(norm="batch", noise=True).without_norm() == VGG()
    assert DeepLinear(norm="batch").title == "25-layer linear network + BatchNorm"
