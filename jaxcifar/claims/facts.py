"""Judges whose answer is a plain fact of the records, and ratios of members."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcifar.claims.comparisons import Fact, Level
from jaxcifar.claims.evidence import Evidence, Judge, Missing, Number
from jaxcifar.claims.numbers import number
from jaxcifar.claims.quantities import Quantity
from jaxcifar.records.study import StudyResults


def ratio(quantity: Quantity, a: str, b: str, *, least: float, most: float = math.inf) -> Judge:
    """Judge whether the mean of one member lies between `least` and `most` times that of another; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        pair = number(study, quantity, a), number(study, quantity, b)
        found = float(np.mean(pair[0].values) / np.mean(pair[1].values))
        text = f"{pair[0].label} has {found:.2f} times the {quantity.name} of {pair[1].label}"
        return Evidence(pair, (Fact(text, least <= found <= most),))

    return judge


def orders_of_magnitude(quantity: Quantity, a: str, b: str, *, least: float, by: float) -> Judge:
    """Judge whether a quantity of one member is 10^least times that of another or more, seed by seed."""

    def judge(study: StudyResults) -> Evidence:
        pair = number(study, quantity, a), number(study, quantity, b)
        if len(pair[0].values) != len(pair[1].values):
            raise Missing("The two arms have different seeds.")
        orders = tuple(float(np.log10(x / y)) for x, y in zip(*(n.values for n in pair), strict=True))
        shown = Number("orders of magnitude", f"{pair[0].label} over {pair[1].label}", orders)
        return Evidence((*pair, shown), (Level("log10 of the ratio", "at least", orders, least, by),))

    return judge


def grows(quantity: Quantity, members: Sequence[str]) -> Judge:
    """Judge whether the mean of a quantity grows from each member to the next; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        numbers = tuple(number(study, quantity, name) for name in members)
        means = [float(np.mean(n.values)) for n in numbers]
        text = f"{quantity.name}, in order: " + ", ".join(f"{value:.3g}" for value in means)
        return Evidence(numbers, (Fact(text, all(a < b for a, b in itertools.pairwise(means))),))

    return judge


def equal_to(quantity: Quantity, stated: Mapping[str, float], *, digits: int) -> Judge:
    """Judge whether a quantity of each member, rounded to some digits, is the stated one; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        numbers = tuple(number(study, quantity, name) for name in stated)
        if not all(np.isfinite(n.values[0]) for n in numbers):
            raise Missing(f"A record lacks its {quantity.name}.")
        equal = [round(n.values[0], digits) == value for n, value in zip(numbers, stated.values(), strict=True)]
        return Evidence(numbers, (Fact(f"{sum(equal)} of {len(equal)} are equal", all(equal)),))

    return judge


def every_run(quantity: Quantity, members: Sequence[str]) -> Judge:
    """Judge whether a quantity that is 0 or 1 is 1 in every run of the members; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        numbers = tuple(number(study, quantity, name) for name in members)
        values = [value for n in numbers for value in n.values]
        return Evidence(numbers, (Fact(f"{sum(values):.0f} of {len(values)} runs {quantity.name}", all(values)),))

    return judge
