"""Comparisons as data, and which way their means point.

A claim's evidence holds its comparisons undecided: what a p value is worth depends on how many others a page has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np

from jaxcifar.claims.wording import Values, is_finite

Relation = Literal["greater", "smaller"]
Side = Literal["at least", "at most", "about"]


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


Comparison = Order | Equivalence | Level | Fact | Open


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


def pointing(comparisons: Sequence[Comparison]) -> str:
    """Return which way the means point, where no verdict may be drawn from them."""
    ways = {way for way in map(_points, comparisons) if way is not None}
    match sorted(ways):
        case [True]:
            return "The numbers point for the statement."
        case [False]:
            return "The numbers point against the statement."
        case []:
            return "The numbers point nowhere."
        case _:
            return "Some numbers point for the statement, others against it."


def _points(comparison: Comparison) -> bool | None:
    match comparison:
        case Order(a=a, b=b, negated=negated) if is_finite(a) and is_finite(b):
            difference = float(np.mean(a) - np.mean(b))
            if difference == 0:
                return True if negated else None
            return ((difference > 0) == (comparison.relation == "greater")) is not negated
        case Equivalence(a=a, b=b) if is_finite(a) and is_finite(b):
            return bool(abs(np.mean(a) - np.mean(b)) < comparison.within)
        case Level(values=values) if is_finite(values):
            return reached(comparison)
        case Fact(answer=answer):
            return answer
        case Order() | Equivalence() | Level() | Open():
            return None
        case _:
            assert_never(comparison)
