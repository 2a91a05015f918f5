"""The claims of sections 1.4, 1.5 and 1.9: residual networks, their depth, their gradients."""

from __future__ import annotations

import itertools

import numpy as np

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Evidence, Missing, Number, claim
from jaxcifar.claims.comparisons import Decision, at_least, at_most, both, fact, greater, less
from jaxcifar.claims.quantities import STUDY_BATCH, over_seeds
from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults

TABLE_3 = {"resnet-18": 11.174, "resnet-34": 21.282, "resnet-50": 23.521, "resnet-101": 42.513, "resnet-152": 58.157}
UNIT = "Loss in the study's unit, our mean per image divided by 128."


def _member(study: StudyResults) -> str:
    return next(iter(study.members))


def _reaches(study: StudyResults, percent: float) -> Evidence:
    number = over_seeds(study, _member(study), quantities.best_accuracy, "best test accuracy", "%")
    return Evidence((number,), at_least(number.values, percent - 0.005, 0.5, "test accuracy"))


def _falls_to(study: StudyResults, loss: float) -> Evidence:
    least = over_seeds(study, _member(study), quantities.least("test_loss"), "least test loss", "nats")
    number = Number("in the study's unit", tuple(value / STUDY_BATCH for value in least.values))
    return Evidence((least, number), at_most(number.values, loss + 5e-5, 1e-4, "test loss"))


@claim("1.4", "ResNet reaches 83.31% in 20 epochs.", "Best test accuracy of 20 epochs is at least 83.31%.")
def reaches_8331(study: StudyResults) -> Evidence:
    return _reaches(study, 83.31)


@claim("1.4", "Its test loss falls to 0.0024 in 20 epochs.", f"Least test loss is at most 0.0024. {UNIT}")
def falls_to_24(study: StudyResults) -> Evidence:
    return _falls_to(study, 0.0024)


@claim("1.4", "ResNet reaches 96.68% in 200 epochs.", "Best test accuracy of 200 epochs is at least 96.68%.")
def reaches_9668(study: StudyResults) -> Evidence:
    return _reaches(study, 96.68)


@claim("1.4", "Its test loss falls to 0.0012 in 200 epochs.", f"Least test loss is at most 0.0012. {UNIT}")
def falls_to_12(study: StudyResults) -> Evidence:
    return _falls_to(study, 0.0012)


@claim(
    "1.5",
    "The networks have 11.174, 21.282, 23.521, 42.513 and 58.157 million parameters (Table 3).",
    "The parameters on record, rounded to thousands, are equal to the table's.",
)
def table_3(study: StudyResults) -> Evidence:
    numbers = tuple(over_seeds(study, name, quantities.parameters, name) for name in TABLE_3)
    equal = [round(n.values[0] / 1e6, 3) == TABLE_3[n.label] for n in numbers if np.isfinite(n.values[0])]
    if len(equal) < len(TABLE_3):
        raise Missing("A record lacks its number of parameters.")
    return Evidence(numbers, fact(all(equal), f"{sum(equal)} of {len(equal)} are equal"))


@claim(
    "1.5",
    "An epoch takes longer the deeper the network.",
    "Median seconds an epoch grow from each depth to the next.",
)
def epochs_grow_with_depth(study: StudyResults) -> Evidence:
    numbers = tuple(over_seeds(study, name, quantities.seconds_per_epoch, name, "s an epoch") for name in TABLE_3)
    seconds = [float(np.mean(number.values)) for number in numbers]
    grows = all(a < b for a, b in itertools.pairwise(seconds))
    return Evidence(numbers, fact(grows, "seconds of 18, 34, 50, 101, 152: " + ", ".join(f"{s:.3g}" for s in seconds)))


def _fastest(study: StudyResults, key: str, unit: str) -> Evidence:
    level = quantities.common_level([run for name in TABLE_3 for run in quantities.complete(study, name)], key)
    shown = f"{100 * level:.1f}%" if key.endswith("accuracy") else f"{level:.3g} {unit}"
    reach = quantities.epochs_to(key, level)
    numbers = tuple(over_seeds(study, name, reach, f"{name} to {shown}", "epochs") for name in TABLE_3)
    return Evidence(numbers, both(*(less(numbers[0].values, n.values, 1, n.label) for n in numbers[1:])))


@claim(
    "1.5",
    "ResNet-18 converges faster than the deeper ones in training.",
    "It needs the fewest epochs to the lowest train loss that all five reach.",
)
def shallow_trains_fastest(study: StudyResults) -> Evidence:
    return _fastest(study, "train_loss", "nats")


@claim(
    "1.5",
    "ResNet-18 converges faster than the deeper ones in test.",
    "It needs the fewest epochs to the highest test accuracy that all five reach.",
)
def shallow_tests_fastest(study: StudyResults) -> Evidence:
    return _fastest(study, "test_accuracy", "")


@claim(
    "1.5",
    "ResNet-50 fluctuates on the test set.",
    "Standard deviation of the change of test accuracy from epoch to epoch, over the last half, is above ResNet-18's.",
)
def resnet_50_fluctuates(study: StudyResults) -> Evidence:
    numbers = tuple(
        over_seeds(study, name, quantities.oscillation, name, "points") for name in ("resnet-50", "resnet-18")
    )
    return Evidence(numbers, greater(numbers[0].values, numbers[1].values, 0.5, "fluctuation"))


@claim(
    "1.9",
    "Without skip connections gradients shrink on their way to the first layer.",
    "Norm of the gradient of the first convolution over that of the last one, at initialisation: below 0.1 in the "
    "plain network, and below the residual network's, at every depth.",
)
def gradients_vanish(study: StudyResults) -> Evidence:
    return _gradients(study, first=True)


@claim(
    "1.9",
    "During training, too, gradients shrink without skip connections.",
    "The same ratio at the last snapshot of the run.",
)
def gradients_vanish_in_training(study: StudyResults) -> Evidence:
    return _gradients(study, first=False)


def _gradients(study: StudyResults, first: bool) -> Evidence:
    depths = [name.removeprefix("plain-") for name in study.members if name.startswith("plain-")]
    numbers, decisions = [], []
    for depth in depths:
        plain, residual = (_ratio(study, f"{kind}-{depth}", first) for kind in ("plain", "resnet"))
        numbers += [plain, residual]
        decisions += [at_most(plain.values, 0.1, 0.0, f"plain-{depth}"), _smaller(plain, residual)]
    if not decisions:
        raise Missing("No plain network is there.")
    return Evidence(tuple(numbers), both(*decisions))


def _smaller(plain: Number, residual: Number) -> Decision:
    return less(np.log10(plain.values).tolist(), np.log10(residual.values).tolist(), 0.0, f"log10, {plain.label}")


def _ratio(study: StudyResults, member: str, first: bool) -> Number:
    values = []
    for run in quantities.complete(study, member):
        measured = pictures.read_gradients(run.folder)
        if not measured:
            raise Missing(f"The gradients of {member}, seed {run.seed} have not been measured.")
        norms = measured[min(measured) if first else max(measured)]
        names = [name for name in norms if "conv" in name and "shortcut" not in name]
        values.append(norms[names[0]] / norms[names[-1]])
    return Number(member, tuple(values))
