"""Measured numbers of named members, with the labels that readers see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from jaxcifar.claims.bands import Band
from jaxcifar.claims.evidence import Number
from jaxcifar.claims.members import complete
from jaxcifar.claims.quantities import Quantity
from jaxcifar.records.study import Result, StudyResults

Measured = Quantity | Band
On = Measured | Callable[[StudyResults], Measured]
"""A quantity, or one that depends on what the study's runs have reached."""


def on(quantity: On, study: StudyResults) -> Measured:
    """Return the quantity for a study's runs."""
    return quantity if isinstance(quantity, Quantity | Band) else quantity(study)


def number(study: StudyResults, quantity: Measured, member: str) -> Number:
    """Return a member's number.

    Raises:
        Missing: the member is not there, or has not come to its end.
    """
    return number_of(study, quantity, complete(study, member))


def number_of(study: StudyResults, quantity: Measured, runs: Sequence[Result]) -> Number:
    """Return the number of some runs under the label that they share."""
    return Number(quantity.name, _label(study, runs), quantity.values(runs), quantity.unit)


def compared(quantity: Measured, number: Number) -> tuple[float, ...]:
    """Return the values on the scale on which the quantity is compared."""
    if not quantity.log:
        return number.values
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(np.log10(number.values).tolist())


def against(quantity: Measured, a: Number, b: Number) -> str:
    """Return what a comparison of two numbers is about."""
    return f"{'log10 of ' if quantity.log else ''}{quantity.name}, {a.label} against {b.label}"


def titled(number: Number) -> str:
    """Return what a number is about."""
    return f"{number.quantity}, {number.label}"


def _label(study: StudyResults, runs: Sequence[Result]) -> str:
    """Of several learning rates: what comes before the rate."""
    labels = list(dict.fromkeys(study.label(run.member) for run in runs))
    return labels[0] if len(labels) == 1 else re.sub(r"(, rate |-learning-rate-).*$", "", labels[0])
