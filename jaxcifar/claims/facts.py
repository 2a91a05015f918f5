"""Judges of ratios of members, and those whose answer is a plain fact of the records."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcifar.claims.comparisons import Fact, Level, Order, Relation
from jaxcifar.claims.evidence import Evidence, Judge, Missing, Number
from jaxcifar.claims.members import complete, ended_well
from jaxcifar.claims.numbers import check_factor, numbers
from jaxcifar.claims.quantities import Quantity
from jaxcifar.errors import check_number
from jaxcifar.records import pictures
from jaxcifar.records.study import StudyResults


def ratio(quantity: Quantity, a: str, b: str, *, least: float, most: float = math.inf) -> Judge:
    """Judge whether a positive quantity of one member lies between `least` and `most` times that of another."""
    check_number("least of ratio(…)", least, 0, above=True)

    def judge(study: StudyResults) -> Evidence:
        _, pair = numbers(study, quantity, (a, b))
        limits: list[tuple[Relation, float]] = [("greater", least)]
        if math.isfinite(most):
            limits.append(("smaller", most))
        return Evidence(pair, tuple(_factor(relation, pair[0], pair[1], limit) for relation, limit in limits))

    return judge


def _factor(relation: Relation, a: Number, b: Number, factor: float, by: float = 1.0) -> Order:
    """Whether a is greater, or smaller, than a multiple of b, by a factor of `by` at least."""
    logs = tuple(np.log10(a.values).tolist()), tuple(np.log10(np.multiply(factor, b.values)).tolist())
    against = b.label if factor == 1 else f"{factor:g} times that of {b.label}"
    return Order(f"{a.quantity}, {a.label} against {against}", relation, *logs, math.log10(by), log=True)


def orders_of_magnitude(quantity: Quantity, a: str, b: str, *, least: float, by: float) -> Judge:
    """Judge whether a quantity of one member is 10^least times that of another or more, seed by seed."""

    def judge(study: StudyResults) -> Evidence:
        _, pair = numbers(study, quantity, (a, b))
        first, second = ({run.seed: quantity.of(run) for run in ended_well(complete(study, name))} for name in (a, b))
        orders = tuple(float(np.log10(first[seed] / second[seed])) for seed in first if seed in second)
        if not orders:
            raise Missing("The two arms have no seed in common.")
        shown = Number("orders of magnitude", f"{pair[0].label} over {pair[1].label}", orders)
        return Evidence((*pair, shown), (Level("log10 of the ratio", "at least", orders, least, by),))

    return judge


def grows(quantity: Quantity, members: Sequence[str], *, by: float) -> Judge:
    """Judge whether a positive quantity grows from each member to the next, by a factor of `by` at least."""
    check_factor("by of grows(…)", by)

    def judge(study: StudyResults) -> Evidence:
        _, found = numbers(study, quantity, members)
        return Evidence(found, tuple(_factor("greater", b, a, 1, by) for a, b in itertools.pairwise(found)))

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
        shown = tuple(Number(name, f"ResNet-{depth}", (value,), unit) for depth, value in found.items())
        equal = [
            abs(found[depth] - value) <= within * value if within else round(found[depth], digits) == value
            for depth, value in stated.items()
        ]
        return Evidence(shown, (Fact(f"{sum(equal)} of {len(equal)} agree", all(equal)),), untrained=True)

    return judge


def every_run(quantity: Quantity, members: Sequence[str]) -> Judge:
    """Judge whether a quantity that is 0 or 1 is 1 in every run of the members; a plain fact."""

    def judge(study: StudyResults) -> Evidence:
        _, found = numbers(study, quantity, members)
        # A run that diverged has no value, and is not one of which it is true.
        total = sum(len(complete(study, name)) for name in members)
        true = sum(value == 1 for each in found for value in each.values)
        return Evidence(found, (Fact(f"{true} of {total} runs {quantity.name}", true == total),))

    return judge
