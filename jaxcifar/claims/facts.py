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
from jaxcifar.records import pictures
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


def table_says(
    form: str, key: str, stated: Mapping[int, float], *, unit: str, digits: int = 0, within: float = 0.0
) -> Judge:
    """Judge whether the full residual networks have the numbers that a table states, by depth; a plain fact.

    They are counted from the networks themselves and need no training, whatever size the study was run at.

    Args:
        form: `cifar` or `imagenet`.
        key: `parameters` or `multiply_adds`.
        stated: depth -> the table's number.
        unit: `million` or `billion`, of which the numbers are multiples.
        digits: number of decimals to which both are rounded, where `within` is 0.
        within: the share by which they may differ.
    """
    of = {"million": 1e6, "billion": 1e9}[unit]

    def judge(study: StudyResults) -> Evidence:
        table = pictures.read_architecture(study.folder).get(form, {})
        try:
            found = {depth: float(table[str(depth)][key]) / of for depth in stated}
        except (LookupError, TypeError, ValueError):
            raise Missing(f"The table of {key.replace('_', '-')} has not been computed.") from None
        name = key.replace("_", "-")
        numbers = tuple(Number(name, f"ResNet-{depth}", (value,), unit) for depth, value in found.items())
        equal = [
            abs(found[depth] - value) <= within * value if within else round(found[depth], digits) == value
            for depth, value in stated.items()
        ]
        return Evidence(numbers, (Fact(f"{sum(equal)} of {len(equal)} agree", all(equal)),))

    return judge


def every_run(quantity: Quantity, members: Sequence[str]) -> Judge:
    """Judge whether a quantity that is 0 or 1 is 1 in every run of the members; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        numbers = tuple(number(study, quantity, name) for name in members)
        values = [value for n in numbers for value in n.values]
        return Evidence(numbers, (Fact(f"{sum(values):.0f} of {len(values)} runs {quantity.name}", all(values)),))

    return judge
