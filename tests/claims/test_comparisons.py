"""Comparisons over seeds, against known values of the t-distribution, and over a whole page by simulation."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from jaxcifar.claims.comparisons import Comparison, Equivalence, Fact, Level, Open, Order, pointing
from jaxcifar.claims.decisions import Answer, Decision, all_of, decide_all
from jaxcifar.claims.statistics import standard_error


def decide(comparison: Comparison) -> Decision:
    """As if it were the only one of a page."""
    (found,) = decide_all([comparison])
    return found


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        ([3.0], [1.0], "not decided"),  # one seed never decides a comparison
        ([1.0, 1.1, 1.2], [0.5, 0.6, 0.7], "holds"),
        ([0.5, 0.6, 0.7], [1.0, 1.1, 1.2], "does not hold"),
        ([1.0, 2.0, 3.0], [1.1, 1.9, 2.7], "not decided"),
        ([1.0, 1.01, 1.02], [1.0, 1.01, 1.02], "no difference"),
        ([1.05, 1.06, 1.07], [1.0, 1.01, 1.02], "no difference"),  # significant, but too small to count
        ([math.inf, math.inf], [5.0, 6.0], "not decided"),
        ([], [1.0, 2.0], "not decided"),
        ([math.nan, 1.0], [1.0, 2.0], "not decided"),
    ],
)
def test_order(a: list[float], b: list[float], answer: Answer):
    opposite = {"holds": "does not hold", "does not hold": "holds"}
    assert decide(Order("x", "greater", tuple(a), tuple(b), 0.3)).answer == answer
    assert decide(Order("x", "smaller", tuple(a), tuple(b), 0.3)).answer == opposite.get(answer, answer)


def test_the_p_value_is_welchs():
    # Two samples of three, means 1 apart, standard deviations 1: t = 1.2247 with 4 degrees of freedom, p = 0.288.
    assert "p = 0.29" in decide(Order("x", "greater", (2.0, 3.0, 4.0), (1.0, 2.0, 3.0), 0.1)).how


def test_factors_are_shown_of_logarithms():
    found = decide(Order("β", "smaller", (0.0, 0.01, -0.01), (1.0, 1.01, 0.99), math.log10(2), log=True))
    assert found.answer == "holds"
    assert found.how.startswith("β: a factor of 0.1 (Welch's t, 3 and 3 seeds, adjusted p = ")


def test_what_is_not_smaller_may_be_equal():
    def not_smaller(a: float) -> Answer:
        values = (a, a + 0.01, a - 0.01)
        return decide(Order("x", "smaller", values, (1.0, 1.01, 0.99), 0.2, negated=True)).answer

    assert [not_smaller(a) for a in (1.0, 2.0, 0.5)] == ["holds", "holds", "does not hold"]


def test_equivalence():
    def alike(a: list[float], b: list[float]) -> Answer:
        return decide(Equivalence("x", tuple(a), tuple(b), 1.0)).answer

    assert alike([1.0], [1.0]) == "not decided"
    assert alike([1.0, 1.01, 1.02], [1.1, 1.11, 1.12]) == "holds"
    assert alike([1.0, 1.01, 1.02], [3.1, 3.11, 3.12]) == "does not hold"
    assert alike([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]) == "not decided"
    # There is a difference, but it may be below the margin of 1.
    assert alike([1.0, 1.1, 0.9], [2.05, 2.15, 1.95]) == "not decided"


def test_levels():
    def reaches(values: list[float]) -> Answer:
        return decide(Level("x", "at least", tuple(values), 70.5, 1.2)).answer

    assert reaches([72.0]) == "holds"
    assert reaches([71.0]) == reaches([70.0]) == "not decided"
    assert reaches([69.0]) == "does not hold"
    assert reaches([71.0, 71.01, 71.02]) == "holds"
    assert reaches([70.0, 70.01, 70.02]) == "does not hold"
    assert reaches([70.51, 65.0, 76.0]) == "not decided"
    assert decide(Level("x", "at most", (0.1, 0.11), 0.2, 0.05)).answer == "holds"
    assert decide(Level("x", "at most", (math.inf,), 0.2, 0.05)).answer == "not decided"
    assert decide(Level("x", "about", (64.0, 64.5, 63.8), 64, 2)).answer == "holds"
    assert decide(Level("x", "about", (70.9, 71.0, 71.1), 64, 2)).answer == "does not hold"
    assert decide(Level("x", "about", (66.0, 66.1, 66.2), 64, 2)).answer == "not decided"


def test_all_of():
    yes, no, unknown = decide_all([Fact("yes", True), Fact("no", False), Open("why")])
    none = Decision("no difference", "none")
    assert all_of([yes, yes]) == ("holds", ("yes", "yes"))
    assert all_of([yes, no, unknown, none]) == ("does not hold", ("no",))
    assert all_of([yes, unknown, none]) == ("not decided", ("why",))
    assert all_of([yes, none]) == ("no difference", ("none",))


def test_pointing():
    up, down = (Order("x", relation, (2.0,), (1.0,), 0.1) for relation in ("greater", "smaller"))
    assert pointing([up]) == "The numbers point for the statement."
    assert pointing([down]) == "The numbers point against the statement."
    assert pointing([up, down]) == "Some numbers point for the statement, others against it."
    assert pointing([Open("why")]) == "The numbers point nowhere."


SEEDS, DEVIATION = 5, 1.0
"""Five seeds for each arm, the number of the size for two cores; effects are given in deviations between seeds."""


def page(random: np.random.Generator, effects: list[float], by: float) -> list[Answer]:
    """The answers of a page whose comparisons have these true effects."""
    arms = [(random.normal(e, DEVIATION, SEEDS), random.normal(0, DEVIATION, SEEDS)) for e in effects]
    return [d.answer for d in decide_all([Order("x", "greater", tuple(a), tuple(b), by) for a, b in arms])]


def test_without_any_effect_few_pages_say_anything_wrong():
    random = np.random.default_rng(0)
    wrong = sum(bool({"holds", "does not hold"} & {*page(random, [0.0] * 45, by=1.0)}) for _ in range(400))
    assert wrong <= 29  # 5% of 400 are 20, plus two deviations of a binomial


def test_effects_of_the_claimed_size_are_decided():
    """Half of a page's comparisons have an effect of 3 seed deviations; each is decided in at least 80% of pages."""
    random = np.random.default_rng(1)
    found = np.array([page(random, [3.0] * 22 + [0.0] * 23, by=1.0)[:22] for _ in range(100)])
    assert (found == "holds").mean(axis=0).min() > 0.8
    assert not (found == "does not hold").any()


def test_a_sure_difference_that_is_too_small_does_not_hold_yet():
    a, b = (0.62, 0.64, 0.60), (1.00, 1.01, 0.99)
    small = Order("β", "smaller", a, b, by=0.3)
    (decision,) = decide_all([small])
    assert decision.answer == "holds"
    (decision,) = decide_all([dataclasses.replace(small, by=0.39)])
    assert decision.answer == "not decided"
    assert "smaller than 0.39; about 16 seeds in all would decide" in decision.how
    (decision,) = decide_all([dataclasses.replace(small, by=0.3801)])
    assert "smaller than 0.38; not even 150 seeds in all would decide" in decision.how
    (decision,) = decide_all([dataclasses.replace(small, by=0.39, relation="greater")])
    assert decision.answer == "does not hold"
    (decision,) = decide_all([dataclasses.replace(small, by=0.39, negated=True)])
    assert decision.answer == "not decided"


@pytest.mark.parametrize(
    "comparison",
    [
        Order("x", "greater", (1.0, 2.0, 3.0), (1.1, 1.3, 1.2), 0.1),
        Order("x", "smaller", (1.0, 2.0, 3.0), (1.1, 1.9, 2.7), 0.5),
        Equivalence("x", (1.0, 2.0, 3.0), (1.1, 1.9, 2.8), 1.0),
        Level("x", "about", (70.1, 72.0, 71.5), 71.0, 1.0),
        Level("x", "at least", (70.1, 72.0, 71.5), 71.0, 1.0),
    ],
    ids=repr,
)
def test_the_number_of_seeds_that_would_decide(comparison: Comparison):
    """With as many seeds as told on the whole page it is decided, with half of them not."""
    page = [comparison, *(Order("y", "greater", (i + 1.0, 2.0, 3.0), (1.0, 2.0, 3.5), 0.1) for i in range(3))]
    found = decide_all(page)[0]
    seeds = re.search(r"about (\d+) seeds in all would decide, if they were like these", found.how)
    assert found.answer == "not decided"
    assert seeds
    times = int(seeds[1]) / 3
    assert _with_seeds(page, math.ceil(1.2 * times)).answer != "not decided"
    assert _with_seeds(page, math.floor(times / 2)).answer == "not decided"


def test_an_adjustment_that_ends_at_1_says_nothing_of_more_seeds():
    """Adjusted it is about three times its p value today, but 21 times with more seeds."""
    clear = Order("y", "greater", (10.0, 11.0, 12.0), (0.0, 1.0, 2.0), 0.1)
    page = [Order("x", "greater", (0.0, 2.0, 1.1), (1.0, 0.0, 2.0), 0.4), *[clear] * 20]
    found = decide_all(page)[0]
    assert found.p_equal_adjusted == pytest.approx(1, abs=0.01)
    seeds = re.search(r"about (\d+) seeds in all", found.how)
    assert seeds
    assert _with_seeds(page, math.ceil(1.2 * int(seeds[1]) / 3)).answer != "not decided"
    assert _with_seeds(page, math.floor(int(seeds[1]) / 6)).answer == "not decided"


def _with_seeds(page: Sequence[Comparison], times: int) -> Decision:
    """How the first comparison is decided with every seed of the page repeated."""

    def repeated(comparison: Comparison) -> Comparison:
        values = {name: value * times for name, value in vars(comparison).items() if isinstance(value, tuple)}
        return dataclasses.replace(comparison, **values)

    return decide_all([repeated(comparison) for comparison in page])[0]


def test_arms_of_unequal_numbers_of_seeds_need_some_times_as_many():
    found = decide(Order("x", "greater", (1.0, 2.0, 3.0, 2.0), (1.1, 1.3, 1.2), 0.1))
    assert re.search(r"about [0-9.]+ times as many seeds would decide, if they were like these", found.how)


@pytest.mark.parametrize("seeds", [2, 3, 7])
def test_seeds_that_are_all_equal_are_no_certainty(seeds: int):
    """The mean of three times 0.7 is not 0.7, which leaves a variance of 1e-32."""
    assert decide(Order("x", "greater", (0.7,) * seeds, (0.5,) * seeds, 0.05)).answer == "not decided"
    assert decide(Level("x", "at least", (0.1,) * seeds, 0.05, 0.5)).answer == "not decided"
    assert standard_error((0.1,) * seeds) == 0
