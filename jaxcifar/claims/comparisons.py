"""Comparisons as data, and what each says: by a t-test with several seeds, by a stated difference with one.

A claim's evidence holds its comparisons undecided, so that a rule over all comparisons of a page has one place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np

from jaxcifar.claims.statistics import LEVEL, against_level, welch

Relation = Literal["greater", "smaller"]
Side = Literal["at least", "at most"]
SEEDS = "three seeds or more (--seeds 3) would decide"
Values = tuple[float, ...]
"""A value for each seed."""


@dataclass(frozen=True)
class Order:
    """Whether one arm is greater, or smaller, than another."""

    what: str
    """What is compared, for the explanation."""
    relation: Relation
    a: Values
    b: Values
    by: float
    """The smallest difference that counts, in the unit of the values: one seed decides nothing below it."""


@dataclass(frozen=True)
class Equivalence:
    """Whether two arms differ by at most `within`."""

    what: str
    a: Values
    b: Values
    within: float


@dataclass(frozen=True)
class Level:
    """Whether a mean is at least, or at most, a stated number."""

    what: str
    side: Side
    values: Values
    level: float
    by: float
    """The smallest distance that counts, as in `Order`."""


@dataclass(frozen=True)
class Fact:
    """What one run settles."""

    what: str
    answer: bool


Comparison = Order | Equivalence | Level | Fact


@dataclass(frozen=True)
class Decision:
    """What a comparison says: True, False, or None where the records leave it open; and how that came about."""

    answer: bool | None
    how: str


def decide(comparison: Comparison) -> Decision:
    """Return what the records say to a comparison."""
    match comparison:
        case Order():
            return _order(comparison)
        case Equivalence():
            return _equivalence(comparison)
        case Level():
            return _level(comparison)
        case Fact():
            return Decision(comparison.answer, comparison.what)
        case _:
            assert_never(comparison)


def all_of(decisions: Sequence[Decision]) -> tuple[bool | None, tuple[str, ...]]:
    """Return yes if all are, no if any is not, open otherwise; and the reasons that count for it."""
    answers = [decision.answer for decision in decisions]
    answer = False if False in answers else None if None in answers else True
    shown = [d for d in decisions if d.answer is answer] if answer is not True else decisions
    return answer, tuple(decision.how for decision in shown)


def _order(order: Order) -> Decision:
    decision = _greater(order)
    flip = order.relation == "smaller" and decision.answer is not None
    return Decision(not decision.answer if flip else decision.answer, decision.how)


def _greater(order: Order) -> Decision:
    """Whether a is above b: one-sided Welch's t at 5% with two seeds or more on both sides, else by `order.by`."""
    difference = _difference(order.a, order.b)
    text = f"{order.what}: difference {difference:+.3g}"
    if not math.isfinite(difference):
        return Decision(None if math.isnan(difference) else difference > 0, text)
    if min(len(order.a), len(order.b)) < 2:
        if abs(difference) >= order.by:
            return Decision(difference > 0, f"{text}, one seed, margin {order.by:g}")
        return Decision(None, f"{text} is within the margin {order.by:g} of one seed; {SEEDS}")
    p = welch(order.a, order.b).p_above(0.0)
    text = f"{text}, Welch's t, p = {min(p, 1 - p):.2g}"
    if min(p, 1 - p) < LEVEL:
        return Decision(p < LEVEL, text)
    return Decision(None, f"{text}; more seeds would decide")


def _equivalence(pair: Equivalence) -> Decision:
    """Two one-sided tests (Schuirmann 1987) at 5% for yes, Welch's t for no, with two seeds or more on both sides."""
    if not np.isfinite((*pair.a, *pair.b)).all():
        return Decision(False, f"{pair.what}: not finite")
    difference = _difference(pair.a, pair.b)
    text = f"{pair.what}: difference {difference:+.3g}, alike within {pair.within:g}"
    if min(len(pair.a), len(pair.b)) < 2:
        return Decision(abs(difference) <= pair.within, f"{text}, one seed")
    found = welch(pair.a, pair.b)
    if found.p_equivalent(pair.within) < LEVEL:
        return Decision(True, f"{text} by two one-sided t-tests at 5%")
    if abs(difference) > pair.within and found.p < 2 * LEVEL:
        return Decision(False, f"{text}, Welch's t, p = {found.p:.2g}")
    return Decision(None, f"{text}; more seeds would decide")


def _level(reached: Level) -> Decision:
    """Yes where the mean is on the right side; no by a one-sided t-test at 5%, or with one seed by `reached.by`."""
    sign = 1 if reached.side == "at least" else -1
    mean = float(np.mean(reached.values))
    short = sign * (reached.level - mean)
    text = f"{reached.what}: {mean:.4g} against {reached.level:.4g}"
    if math.isnan(mean) or short <= 0:
        return Decision(None if math.isnan(mean) else True, text)
    if len(reached.values) < 2:
        if short >= reached.by:
            return Decision(False, f"{text}, one seed, margin {reached.by:g}")
        return Decision(None, f"{text} is within the margin {reached.by:g} of one seed; {SEEDS}")
    found = against_level(reached.values, reached.level)
    p = found.p_below(0.0) if sign > 0 else found.p_above(0.0)
    if p < LEVEL:
        return Decision(False, f"{text}, t-test, p = {p:.2g}")
    return Decision(None, f"{text}; more seeds would decide")


def _difference(a: Values, b: Values) -> float:
    """The difference of means; infinite or NaN where a value is: a diverged loss, an accuracy never reached."""
    with np.errstate(invalid="ignore"):
        return float(np.mean(a) - np.mean(b))
