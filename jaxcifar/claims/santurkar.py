"""The readings of Santurkar et al. 2018 (arXiv 1805.11604) that our probes repeat; beyond the study."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Decision, Evidence, Missing, Number, claim
from jaxcifar.claims.comparisons import at_least, both, greater, less
from jaxcifar.records.study import Result, StudyResults

NETWORKS = (("VGG-A", "vgg-a", "vgg-a-bn"), ("linear", "linear-25", "linear-25-bn"))
"""A network, its member without and its member with BatchNorm."""
EARLY = 0.1
"""The share of the steps that is early in training."""
ORDERS = 1.5
"""Orders of magnitude that are nearly two: nearer to two than to one."""
PREDICTIVENESS = "gradient_direction/distance_high"

Summary = Callable[[Result], float]


def _median(name: str, share: float = 1.0) -> Summary:
    """Median of a probe over the first share of the steps."""

    def summary(run: Result) -> float:
        values = run.step_values(name)
        values = values[: max(1, round(len(values) * share))]
        values = values[np.isfinite(values)]
        if not len(values):
            raise Missing(f"{run.member}, seed {run.seed} has no {name} on record.")
        return float(np.median(values))

    return summary


def _pair(study: StudyResults, network: tuple[str, str, str], summary: Summary, label: str) -> tuple[Number, Number]:
    """A figure of a network with and without BatchNorm, by seed."""
    name, without, with_ = network
    return (
        quantities.over_seeds(study, with_, summary, f"{label}, {name} with BatchNorm"),
        quantities.over_seeds(study, without, summary, f"{label}, {name} without"),
    )


def _compare(study: StudyResults, compare: Callable[..., Decision], summary: Summary, label: str) -> Evidence:
    """Whether a positive figure is less, or greater, with BatchNorm, by its logarithm, on both networks."""
    numbers, decisions = [], []
    for network in NETWORKS:
        pair = _pair(study, network, summary, label)
        logs = [np.log10(number.values).tolist() for number in pair]
        numbers += pair
        decisions.append(compare(*logs, 0.05, f"log10, {network[0]}"))
    return Evidence(tuple(numbers), both(*decisions))


@claim(
    "2+",
    "Early in training, gradients are nearly two orders of magnitude more predictive with BatchNorm.",
    "Greatest distance of the gradient along its own direction to the one at the start, α up to 4 times the rate: its "
    "median over the first tenth of the steps of VGG-A is at least 10^1.5 times greater without BatchNorm.",
)
def predictiveness(study: StudyResults) -> Evidence:
    with_, without = _pair(study, NETWORKS[0], _median(PREDICTIVENESS, EARLY), "gradient distance")
    if len(with_.values) != len(without.values):
        raise Missing("The two arms have different seeds.")
    orders = tuple(float(np.log10(b / a)) for a, b in zip(with_.values, without.values, strict=True))
    ratio = Number("orders of magnitude", orders)
    return Evidence((with_, without, ratio), at_least(orders, ORDERS, 0.25, "log10 of the ratio"))


@claim(
    "2+",
    "The loss varies less along the gradient with BatchNorm.",
    "Greatest less least loss for α from half to four times the rate, median over all measured steps, is smaller with "
    "BatchNorm on both networks.",
)
def loss_varies_less(study: StudyResults) -> Evidence:
    def width(run: Result) -> float:
        high, low = (run.step_values(f"gradient_direction/loss_{end}") for end in ("high", "low"))
        widths = (high - low)[np.isfinite(high)] if len(high) else high
        if not len(widths):
            raise Missing(f"{run.member}, seed {run.seed} has no gradient_direction on record.")
        return float(np.median(widths))

    return _compare(study, less, width, "width")


@claim(
    "2+",
    "The effective β along the gradient is smaller with BatchNorm.",
    "Greatest gradient distance over the way, median over all measured steps, is smaller with BatchNorm on both "
    "networks.",
)
def effective_beta(study: StudyResults) -> Evidence:
    return _compare(study, less, _median("gradient_direction/beta"), "effective β")


@claim(
    "2+",
    "BatchNorm does not reduce the internal covariate shift.",
    "Distance of a layer's gradients before and after the layers below it have taken their step: the geometric mean "
    "over layers of its median over steps is greater with BatchNorm on both networks.",
)
def covariate_shift(study: StudyResults) -> Evidence:
    return _compare(study, greater, _shift, "covariate shift")


def _shift(run: Result) -> float:
    """Geometric mean over layers, the first left out, of the median distance over steps."""
    prefix = "covariate_shift/distance/"
    steps = run.records.steps if run.records else {}
    medians = [float(np.nanmedian(values)) for name, values in steps.items() if name.startswith(prefix)]
    positive = [value for value in medians if value > 0]
    if not positive:
        raise Missing(f"{run.member}, seed {run.seed} has no covariate_shift on record.")
    return float(10 ** np.mean(np.log10(positive)))


@claim(
    "2+",
    "Noise after BatchNorm, which unsettles the distributions of activations, leaves training faster than without.",
    "Train loss, mean over all epochs, is lower with noisy BatchNorm than without BatchNorm.",
)
def noise_is_harmless(study: StudyResults) -> Evidence:
    loss = quantities.mean_over_epochs("train_loss")
    numbers = [
        quantities.over_seeds(study, member, loss, label, "nats")
        for member, label in (
            ("vgg-a-noisy-bn", "mean loss, noisy BatchNorm"),
            ("vgg-a", "without BatchNorm"),
            ("vgg-a-bn", "with BatchNorm"),
        )
    ]
    return Evidence(tuple(numbers), less(numbers[0].values, numbers[1].values, 0.02, "mean loss"))
