"""Comparisons over seeds, against known values of the t-distribution."""

from __future__ import annotations

import math

import pytest

from jaxcifar.claims.comparisons import Decision, Equivalence, Fact, Level, Order, all_of, decide


def greater(a: list[float], b: list[float], by: float) -> Decision:
    return decide(Order("x", "greater", tuple(a), tuple(b), by))


def alike(a: list[float], b: list[float], within: float) -> Decision:
    return decide(Equivalence("x", tuple(a), tuple(b), within))


def at_least(values: list[float], level: float, by: float) -> Decision:
    return decide(Level("x", "at least", tuple(values), level, by))


def at_most(values: list[float], level: float, by: float) -> Decision:
    return decide(Level("x", "at most", tuple(values), level, by))


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        ([3.0], [1.0], True),
        ([1.0], [3.0], False),
        ([1.0], [1.5], None),
        ([1.0, 1.1, 1.2], [0.5, 0.6, 0.7], True),
        ([0.5, 0.6, 0.7], [1.0, 1.1, 1.2], False),
        ([1.0, 2.0, 3.0], [1.1, 1.9, 2.7], None),
        ([1.0, 1.0], [0.9, 0.9], True),
        ([1.0, 1.0], [1.0, 1.0], None),
        ([math.inf], [5.0], True),
        ([5.0, 6.0], [math.inf, 5.0], False),
        ([math.inf], [math.inf], None),
        ([math.nan], [1.0], None),
    ],
)
def test_greater(a: list[float], b: list[float], answer: bool | None):
    assert greater(a, b, 1.0).answer is answer
    smaller = decide(Order("x", "smaller", tuple(a), tuple(b), 1.0))
    assert smaller.answer is (None if answer is None else not answer)


def test_the_p_value_is_welchs():
    # Two samples of three, means 1 apart, standard deviations 1: t = 1.2247 with 4 degrees of freedom, p = 0.1439.
    assert "p = 0.14" in greater([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], 0.1).how


def test_alike():
    assert alike([1.0], [1.5], 1.0).answer is True
    assert alike([1.0], [2.5], 1.0).answer is False
    assert alike([1.0, 1.01, 1.02], [1.1, 1.11, 1.12], 1.0).answer is True
    assert alike([1.0, 1.01, 1.02], [3.1, 3.11, 3.12], 1.0).answer is False
    assert alike([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], 1.0).answer is None
    assert alike([math.inf], [1.0], 1.0).answer is False


def test_levels():
    assert at_least([71.0], 70.5, 1.0).answer is True
    assert at_least([70.0], 70.5, 1.0).answer is None
    assert at_least([69.0], 70.5, 1.0).answer is False
    assert at_least([70.0, 70.01, 70.02], 70.5, 1.0).answer is False
    assert at_least([70.0, 71.0, 69.9], 70.5, 1.0).answer is None
    assert at_most([0.1], 0.2, 0.05).answer is True
    assert at_most([math.inf], 0.2, 0.05).answer is False
    assert at_most([0.3], 0.2, 0.05).how == "x: 0.3 against 0.2, one seed, margin 0.05"
    assert at_least([math.nan], 1.0, 1.0).answer is None


def test_all_of():
    yes, no, unknown = decide(Fact("yes", True)), decide(Fact("no", False)), greater([1.0], [1.1], 1.0)
    assert all_of([yes, yes]) == (True, ("yes", "yes"))
    assert all_of([yes, no, unknown]) == (False, ("no",))
    assert all_of([yes, unknown]) == (None, (unknown.how,))
