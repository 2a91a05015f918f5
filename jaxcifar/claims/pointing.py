"""Which way the means of comparisons point, where no verdict may be drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from jaxcifar.claims.comparisons import Comparison, Equivalence, Fact, Level, Open, Order, reached
from jaxcifar.claims.wording import is_finite


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
        case Order(a=a, b=b) if is_finite(a) and is_finite(b):
            return (bool(np.mean(a) > np.mean(b)) == (comparison.relation == "greater")) is not comparison.negated
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
