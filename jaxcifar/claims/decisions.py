"""How a page decides its comparisons: tests first, then one adjustment over all of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

import numpy as np

from jaxcifar.claims.comparisons import Comparison, Equivalence, Fact, Level, Open, Order, reached
from jaxcifar.claims.statistics import LEVEL, Difference, adjusted, against_level, welch
from jaxcifar.claims.wording import SAME, SEEDS, Values, amount, is_finite, tested, too_few

Answer = Literal["holds", "does not hold", "no difference", "not decided"]
MORE = np.geomspace(1.1, 50, 40)
"""The multiples of today's seeds among which the first that decides is looked for."""


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
    """Return one decision for each comparison.

    Differences and levels form one family of tests, equivalences another; each is adjusted for its number, so that a
    page errs in at most 5% of cases where there is no effect at all. The answer to an `Order` is

    - **no difference** larger than `by`, if the two one-sided tests show that;
    - **holds**, if the difference is significant and at least `by`;
    - **does not hold**, if it is significant in the other direction;
    - **not decided** otherwise.
    """
    tests = [_difference(comparison) for comparison in comparisons]
    decisions = _decide_page(comparisons, tests)
    undecided = [i for i, test in enumerate(tests) if test is not None and decisions[i].answer == "not decided"]
    times = _times_needed(comparisons, tests, undecided)
    for i in undecided:
        decisions[i] = replace(decisions[i], how=f"{decisions[i].how}; {_outlook(comparisons[i], times.get(i))}")
    return decisions


def _times_needed(
    comparisons: Sequence[Comparison], tests: Sequence[Difference | None], undecided: Sequence[int]
) -> dict[int, float]:
    """From a comparison's index to the multiple of seeds that would decide it; one without such a multiple is left out.

    All comparisons of the page get that multiple of seeds, with the means and deviations of today.
    """
    found: dict[int, float] = {}
    for times in MORE if undecided else ():
        projected = _decide_page(comparisons, [test and test.with_seeds(float(times)) for test in tests])
        decided = [i for i in undecided if projected[i].answer != "not decided"]
        found = {**dict.fromkeys(decided, float(times)), **found}
        if len(found) == len(undecided):
            break
    return found


def _outlook(comparison: Comparison, times: float | None) -> str:
    """How many seeds would decide a comparison; a seed that diverged is none."""
    enough, factor = ("about", times) if times else ("not even", float(MORE[-1]))
    counts = {len(values) for values in vars(comparison).values() if isinstance(values, tuple)}
    if len(counts) == 1:
        return f"{enough} {math.ceil(factor * counts.pop())} seeds in all would decide, if they were like these"
    return f"{enough} {factor:.2g} times as many seeds would decide, if they were like these"


def _decide_page(comparisons: Sequence[Comparison], tests: Sequence[Difference | None]) -> list[Decision]:
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
        decisions.append(replace(_decide(comparison, tests[index], p, p_same), **numbers))
    return decisions


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
    # Two seeds that are equal by chance are no certainty, and of some numbers the squares are not finite.
    return test if test.error > 0 and math.isfinite(test.error) and math.isfinite(test.freedom) else None


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
        # Without a spread of their own, chance does not explain a distance of more than four deviations.
        seeds = f"{len(level.values)} equal seeds" if len(level.values) > 1 else "one seed"
        if abs(distance) > level.by:
            return Decision(answer, f"{text}, {seeds}, more than four seed deviations ({level.by:g}) away")
        if len(level.values) > 1:
            return Decision("not decided", f"{text}; {SAME}")
        return Decision("not decided", f"{text} is within four seed deviations ({level.by:g}) of one seed; {SEEDS}")
    if p < LEVEL:
        return Decision(answer, f"{text} (t-test, {len(level.values)} seeds, adjusted p = {p:.2g})")
    return Decision("not decided", f"{text} (t-test, adjusted p = {p:.2g})")
