"""The claims of section 2.1: VGG-A, light, dropout, BatchNorm."""

from __future__ import annotations

import math

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Evidence, Number, claim
from jaxcifar.claims.comparisons import alike, at_least, at_most, both, greater, less
from jaxcifar.claims.quantities import ACCURACY_MARGIN, over_seeds
from jaxcifar.records.study import StudyResults

CHANCE = math.log(10)
LATE = 5


def _accuracies(study: StudyResults, names: tuple[str, ...]) -> list[Number]:
    return [over_seeds(study, name, quantities.best_accuracy, name, "%") for name in names]


@claim(
    "2.1",
    "VGG-A-light performs more poorly than the others.",
    "Its best test accuracy (Adam) is below that of VGG-A, with dropout, with BatchNorm and with both.",
)
def light_is_poorer(study: StudyResults) -> Evidence:
    names = ("vgg-a-light", "vgg-a", "vgg-a-dropout", "vgg-a-bn", "vgg-a-bn-dropout")
    light, *others = _accuracies(study, names)
    poorer = (less(light.values, o.values, ACCURACY_MARGIN, f"light against {o.label}") for o in others)
    return Evidence((light, *others), both(*poorer))


@claim(
    "2.1",
    "Without dropout VGG-A's test loss begins to rise.",
    "Mean test loss of the last three epochs is at least 1.1 times the least.",
)
def test_loss_rises(study: StudyResults) -> Evidence:
    number = over_seeds(study, "vgg-a", quantities.rise("test_loss"), "last over least test loss")
    return Evidence((number,), at_least(number.values, 1.1, 0.02, "rise"))


@claim(
    "2.1",
    "With dropout VGG-A's test loss remains stable.",
    "Mean test loss of the last three epochs is at most 1.1 times the least.",
)
def dropout_keeps_stable(study: StudyResults) -> Evidence:
    number = over_seeds(study, "vgg-a-dropout", quantities.rise("test_loss"), "last over least test loss")
    return Evidence((number,), at_most(number.values, 1.1, 0.02, "rise"))


@claim(
    "2.1",
    "With SGD, VGG-A does not converge, while VGG-A-light and VGG-A with BatchNorm do.",
    "Last train loss is at least 0.95 ln 10 = 2.187 (what guessing gives, less 5%) for VGG-A, and at most that for the "
    "other two.",
)
def sgd_fails_without_batch_norm(study: StudyResults) -> Evidence:
    names = ("vgg-a-sgd", "vgg-a-light-sgd", "vgg-a-bn-sgd")
    plain, *others = (over_seeds(study, name, quantities.last("train_loss"), name, "nats") for name in names)
    stays = at_least(plain.values, 0.95 * CHANCE, 0.0, plain.label)
    learn = (at_most(number.values, 0.95 * CHANCE, 0.0, number.label) for number in others)
    return Evidence((plain, *others), both(stays, *learn))


@claim(
    "2.1",
    "With Adam, VGG-A begins to converge.",
    "Its last train loss is at most half of ln 10 = 1.151.",
)
def adam_converges(study: StudyResults) -> Evidence:
    number = over_seeds(study, "vgg-a", quantities.last("train_loss"), "vgg-a", "nats")
    return Evidence((number,), at_most(number.values, 0.5 * CHANCE, 0.05, "train loss"))


def _faster(study: StudyResults, key: str) -> Evidence:
    names = ("vgg-a-bn", "vgg-a")
    level = quantities.common_level([run for name in names for run in quantities.complete(study, name)], key)
    shown = f"{100 * level:.1f}%" if key.endswith("accuracy") else f"{level:.3g} nats"
    reach = quantities.epochs_to(key, level)
    ours, plain = (over_seeds(study, name, reach, f"{name} to {shown}", "epochs") for name in names)
    return Evidence((ours, plain), less(ours.values, plain.values, 1, "epochs"))


@claim(
    "2.1",
    "With BatchNorm, training converges faster.",
    "VGG-A with BatchNorm needs fewer epochs to the lowest train loss that both reach.",
)
def batch_norm_trains_faster(study: StudyResults) -> Evidence:
    return _faster(study, "train_loss")


@claim(
    "2.1",
    "With BatchNorm, the test accuracy, too, converges faster.",
    "VGG-A with BatchNorm needs fewer epochs to the highest test accuracy that both reach.",
)
def batch_norm_tests_faster(study: StudyResults) -> Evidence:
    return _faster(study, "test_accuracy")


@claim(
    "2.1",
    "VGG-A with BatchNorm outperforms VGG-A, light and dropout without doubt.",
    "Its best test accuracy (Adam) is above each of theirs.",
)
def batch_norm_is_best(study: StudyResults) -> Evidence:
    ours, *others = _accuracies(study, ("vgg-a-bn", "vgg-a", "vgg-a-light", "vgg-a-dropout"))
    above = (greater(ours.values, o.values, ACCURACY_MARGIN, f"against {o.label}") for o in others)
    return Evidence((ours, *others), both(*above))


@claim(
    "2.1",
    "As epochs increase, the test loss of VGG-A with BatchNorm overfits.",
    "Mean test loss of the last three epochs is at least 1.1 times the least.",
)
def batch_norm_overfits(study: StudyResults) -> Evidence:
    number = over_seeds(study, "vgg-a-bn", quantities.rise("test_loss"), "last over least test loss")
    return Evidence((number,), at_least(number.values, 1.1, 0.02, "rise"))


@claim(
    "2.1",
    "With dropout, the late test loss of VGG-A with BatchNorm falls.",
    "Mean test loss of the last five epochs is lower with dropout than without.",
)
def dropout_lowers_late_loss(study: StudyResults) -> Evidence:
    late = quantities.last("test_loss", LATE)
    dropout, plain = (over_seeds(study, name, late, name, "nats") for name in ("vgg-a-bn-dropout", "vgg-a-bn"))
    return Evidence((dropout, plain), less(dropout.values, plain.values, 0.02, "late test loss"))


@claim(
    "2.1",
    "With and without dropout, the accuracies of VGG-A with BatchNorm tend to become the same.",
    "Mean test accuracies of the last five epochs differ by at most 1 point.",
)
def accuracies_become_the_same(study: StudyResults) -> Evidence:
    late = quantities.last("test_accuracy", LATE)
    dropout, plain = (over_seeds(study, name, late, name, "%") for name in ("vgg-a-bn-dropout", "vgg-a-bn"))
    return Evidence((dropout, plain), alike(dropout.values, plain.values, ACCURACY_MARGIN, "late test accuracy"))
