"""Verdicts that were decided apart, decided again as of one page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from jaxcifar.claims.comparisons import Comparison, Equivalence, Fact, Level, Open, Order
from jaxcifar.claims.decisions import all_of, decide_all
from jaxcifar.claims.judged import Judged
from jaxcifar.records.files import finite


def decided_together(claims: Sequence[Judged]) -> list[Judged]:
    """Return the claims with their comparisons adjusted for one another; one that has none to read stays as it is."""
    found = [_comparisons(claim) for claim in claims]
    decisions = iter(decide_all([comparison for comparisons in found for comparison in comparisons]))
    again = []
    for claim, comparisons in zip(claims, found, strict=True):
        decided = [next(decisions) for _ in comparisons]
        if decided:
            answer, reasons = all_of(decided)
            pairs = zip(claim.tests, decided, strict=True)
            tests = tuple(finite({**test, **dataclasses.asdict(decision)}) for test, decision in pairs)
            claim = dataclasses.replace(claim, verdict=answer, reasons=tuple(reasons), tests=tests)
        again.append(claim)
    return again


def _comparisons(claim: Judged) -> list[Comparison]:
    try:
        return [_comparison(test) for test in claim.tests]
    except (LookupError, TypeError):  # of a version that kept other fields, or of a damaged file
        return []


def _comparison(test: dict[str, Any]) -> Comparison:
    """The comparison that a stored test is of."""
    if test["kind"] == Fact.__name__:  # its own answer is stored as the decision's
        return Fact(test["what"], test["answer"] == "holds")
    kind = {each.__name__: each for each in (Order, Equivalence, Level, Open)}[test["kind"]]
    values = {field.name: test[field.name] for field in dataclasses.fields(kind)}
    # A value that was not finite is stored as null.
    lists = {
        name: tuple(math.nan if x is None else x for x in v)
        for name, v in values.items()
        if isinstance(v, list | tuple)
    }
    return kind(**{**values, **lists})
