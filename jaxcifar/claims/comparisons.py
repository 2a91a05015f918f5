"""Comparisons as data, and how a page decides them: tests first, then one adjustment over all of a page.

A claim's evidence holds its comparisons undecided: what a p value is worth depends on how many others a page has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

import numpy as np

from jaxcifar.claims.statistics import LEVEL, Difference, adjusted, against_level, welch
from jaxcifar.claims.wording import SAME, SEEDS, Values, amount, is_finite, tested, too_few

Relation = Literal["greater", "smaller"]
Side = Literal["at least", "at most", "about"]
Answer = Literal["holds", "does not hold", "no difference", "not decided"]


@dataclass(frozen=True)
class Order:
    """Whether one arm is greater, or smaller, than another."""

    what: str
    """What is compared, for the explanation."""
    relation: Relation
    a: Values
    b: Values
    by: float
    """The smallest difference that counts, in the unit of the values: below it, two arms are equal for readers."""
    log: bool = False
    """The values are logarithms to base 10, so that differences are factors."""
    resolution: float = 0.0
    """The step in which the quantity is recorded, such as 1 for a number of epochs."""
    negated: bool = False
    """The claim is that it is *not* smaller (or greater): equality is a yes too."""


@dataclass(frozen=True)
class Equivalence:
    """Whether two arms differ by less than `within`."""

    what: str
    a: Values
    b: Values
    within: float
    log: bool = False


@dataclass(frozen=True)
class Level:
    """Whether a mean is at least, at most, or about a stated number."""

    what: str
    side: Side
    values: Values
    level: float
    by: float
    """Four deviations between seeds, or more: one seed decides from this distance on; "about" allows this much."""


@dataclass(frozen=True)
class Fact:
    """What one run settles."""

    what: str
    answer: bool


@dataclass(frozen=True)
class Open:
    """A comparison that the records cannot decide, with the reason."""

    why: str


MOST_TIMES = 50
"""The greatest multiple of the seeds that is looked at for one that would decide."""

Comparison = Order | Equivalence | Level | Fact | Open


@dataclass(frozen=True)
class Decision:
    """The result of a comparison, with the numbers that led to it."""

    answer: Answer
    how: str
    p: float = math.nan
    """Two-sided p value of no difference, of a mean at the level, or, where the claim is that two arms or a mean and a
    level differ by less than a margin, of a difference within it; NaN where nothing was tested."""
    p_adjusted: float = math.nan
    p_equal: float = math.nan
    """p value of a difference of the smallest size that counts, or more; NaN where that was not tested."""
    p_equal_adjusted: float = math.nan


def decide_all(comparisons: Sequence[Comparison]) -> list[Decision]:
    """Decide each comparison of a page.

    Differences and levels form one family of tests, equivalences another; each is adjusted for its number, so that a
    page errs in at most 5% of cases where there is no effect at all. The answer to an `Order` is

    - **no difference** larger than `by`, if the two one-sided tests show that;
    - **holds**, if the difference is significant and at least `by`;
    - **does not hold**, if it is significant in the other direction;
    - **not decided** otherwise.
    """
    tests = [_difference(comparison) for comparison in comparisons]
    found = [(index, test) for index, test in enumerate(tests) if test is not None]
    # The two families have opposite null hypotheses: no difference, and a difference of the margin or more.
    # So each family has an error rate of its own.
    raw = {index: test.p_beyond(_claimed_margin(comparisons[index])) for index, test in found}
    p_values = dict(zip(raw, adjusted(list(raw.values())), strict=True))
    margins = {index: _margin(comparisons[index]) for index, _ in found}
    # No data can show that two means are exactly equal, so a margin of 0 is not tested.
    equal = [(index, test.p_equivalent(margins[index])) for index, test in found if margins[index] > 0]
    p_equal = dict(zip((index for index, _ in equal), adjusted([p for _, p in equal]), strict=True))
    raw_equal = dict(equal)
    decisions = []
    for index, comparison in enumerate(comparisons):
        p, p_same = p_values.get(index, math.nan), p_equal.get(index, math.nan)
        numbers = {
            "p": raw.get(index, math.nan),
            "p_adjusted": p,
            "p_equal": raw_equal.get(index, math.nan),
            "p_equal_adjusted": p_same,
        }
        decision = replace(_decide(comparison, test := tests[index], p, p_same), **numbers)
        if decision.answer == "not decided" and test is not None:
            decision = replace(decision, how=f"{decision.how}; {_outlook(comparison, test, decision)}")
        decisions.append(decision)
    return decisions


def _outlook(comparison: Comparison, test: Difference, decision: Decision) -> str:
    """How many more seeds would decide a comparison, if they had the same means and deviations.

    The adjustment is taken to multiply their p values as it does those of today.
    """
    burden, burden_equal = decision.p_adjusted / decision.p, decision.p_equal_adjusted / decision.p_equal
    margin = _margin(comparison)
    for times in np.geomspace(1.1, MOST_TIMES, 60):
        more = test.with_seeds(float(times))
        p, p_equal = burden * more.p_beyond(_claimed_margin(comparison)), burden_equal * more.p_equivalent(margin)
        if _decide(comparison, more, p, p_equal).answer != "not decided":
            return f"about {_seeds(comparison, times)} like these would decide"
    return f"not even {_seeds(comparison, MOST_TIMES)} like these would decide"


def _seeds(comparison: Comparison, times: float) -> str:
    counts = {len(values) for values in vars(comparison).values() if isinstance(values, tuple)}
    return f"{math.ceil(times * counts.pop())} seeds" if len(counts) == 1 else f"{times:.2g} times as many seeds"


def all_of(decisions: Sequence[Decision]) -> tuple[Answer, tuple[str, ...]]:
    """Return the answer to a claim that needs all of these, and the reasons that count for it.

    It does not hold if one does not; it is open if one is; it shows no difference if one shows none.
    """
    answers = {decision.answer for decision in decisions}
    ranked: tuple[Answer, ...] = ("does not hold", "not decided", "no difference")
    found: list[Answer] = [rank for rank in ranked if rank in answers]
    answer: Answer = found[0] if found else "holds"
    shown = [d for d in decisions if d.answer == answer] if answer != "holds" else decisions
    return answer, tuple(decision.how for decision in shown)


def reached(level: Level) -> bool:
    """Return whether the mean is where the claim puts it."""
    distance = float(np.mean(level.values)) - level.level
    match level.side:
        case "at least":
            return distance >= 0
        case "at most":
            return distance <= 0
        case "about":
            return abs(distance) < level.by
        case _:
            assert_never(level.side)


def _difference(comparison: Comparison) -> Difference | None:
    """The test of a comparison; None where it is not tested: for one seed, and where no value varies between seeds."""
    match comparison:
        case Order(a=a, b=b, resolution=resolution) if _enough(a, b):
            test = welch(a, b, resolution)
        case Equivalence(a=a, b=b) if _enough(a, b):
            test = welch(a, b)
        case Level(values=values, level=level) if _enough(values):
            test = against_level(values, level)
        case Order() | Equivalence() | Level() | Fact() | Open():
            return None
        case _:
            assert_never(comparison)
    # Two seeds that are equal by chance are no certainty.
    return test if test.error > 0 else None


def _enough(*arms: Values) -> bool:
    return all(len(values) > 1 and is_finite(values) for values in arms)


def _margin(comparison: Comparison) -> float:
    match comparison:
        case Order(by=by):
            return by
        case Equivalence(within=within):
            return within
        case Level(by=by, side="about"):
            return by
        case Level() | Fact() | Open():
            return 0.0
        case _:
            assert_never(comparison)


def _claimed_margin(comparison: Comparison) -> float:
    """The difference that a claim of equality allows; 0 for other claims."""
    return 0.0 if isinstance(comparison, Order) else _margin(comparison)


def _decide(comparison: Comparison, test: Difference | None, p: float, p_equal: float) -> Decision:
    match comparison:
        case Order():
            return _order(comparison, test, p, p_equal)
        case Equivalence():
            return _equivalence(comparison, test, p, p_equal)
        case Level():
            return _level(comparison, test, p, p_equal)
        case Fact(what=what, answer=answer):
            return Decision("holds" if answer else "does not hold", what)
        case Open(why=why):
            return Decision("not decided", why)
        case _:
            assert_never(comparison)


def _order(order: Order, test: Difference | None, p: float, p_equal: float) -> Decision:
    if test is None:
        return Decision("not decided", too_few(order.what, order.a, order.b, order.log))
    text = f"{order.what}: {amount(test.value, order.log)} ({tested(order.a, order.b, p)})"
    # Equivalence is asked first: a significant difference may still be too small to count.
    if p_equal < LEVEL:
        limit = amount(order.by, order.log, sign=False)
        how = f"{text}; no difference larger than {limit}, p = {p_equal:.2g}"
        return Decision("holds" if order.negated else "no difference", how)
    if p < LEVEL:
        found = (test.value > 0) == (order.relation == "greater")
        # There is a difference, but its true size may lie on either side of `by`.
        if found and abs(test.value) < order.by:
            limit = amount(order.by, order.log, sign=False)
            return Decision("not decided", f"{text}; smaller than {limit}")
        # A negated claim holds where the difference is significant the other way.
        return Decision("holds" if found is not order.negated else "does not hold", text)
    return Decision("not decided", text)


def _equivalence(pair: Equivalence, test: Difference | None, p: float, p_equal: float) -> Decision:
    if test is None:
        return Decision("not decided", too_few(pair.what, pair.a, pair.b, pair.log))
    limit = amount(pair.within, pair.log, sign=False)
    text = f"{pair.what}: {amount(test.value, pair.log)}, alike within {limit}"
    if p_equal < LEVEL:
        return Decision("holds", f"{text} (two one-sided t-tests, p = {p_equal:.2g})")
    if p < LEVEL:
        return Decision("does not hold", f"{text} ({tested(pair.a, pair.b, p)})")
    return Decision("not decided", text)


def _level(level: Level, test: Difference | None, p: float, p_equal: float) -> Decision:
    if not is_finite(level.values):
        return Decision("not decided", f"{level.what}: not finite")
    distance = float(np.mean(level.values)) - level.level
    text = f"{level.what}: {np.mean(level.values):.4g} against {level.level:.4g}"
    if level.side == "about":
        if p_equal < LEVEL:
            return Decision("holds", f"{text}, within {level.by:g} (two one-sided t-tests, p = {p_equal:.2g})")
        if p < LEVEL:
            return Decision("does not hold", f"{text}, more than {level.by:g} away (t-test, p = {p:.2g})")
        text = f"{text}, within {level.by:g}"
        return Decision("not decided", text if test else f"{text}; {SAME if len(level.values) > 1 else SEEDS}")
    answer: Answer = "holds" if reached(level) else "does not hold"
    if test is None:
        if len(level.values) > 1:
            return Decision("not decided", f"{text}; {SAME}")
        # One seed has no spread of its own; chance does not explain a distance of more than four deviations.
        if abs(distance) > level.by:
            return Decision(answer, f"{text}, one seed, more than four seed deviations ({level.by:g}) away")
        return Decision("not decided", f"{text} is within four seed deviations ({level.by:g}) of one seed; {SEEDS}")
    if p < LEVEL:
        return Decision(answer, f"{text} (t-test, {len(level.values)} seeds, adjusted p = {p:.2g})")
    return Decision("not decided", f"{text} (t-test, adjusted p = {p:.2g})")
