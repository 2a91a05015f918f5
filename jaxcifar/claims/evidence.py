"""The evidence for a claim: measured numbers, and comparisons of them that are not decided yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxcifar.claims.comparisons import Comparison
from jaxcifar.claims.statistics import standard_error
from jaxcifar.records.study import StudyResults


@dataclass(frozen=True)
class Number:
    """A measured quantity of one member: a value for each seed."""

    quantity: str
    label: str
    """The member's, for readers."""
    values: tuple[float, ...]
    unit: str = ""
    record: str = ""
    """What it is taken from, as in `Quantity`."""

    @property
    def text(self) -> str:
        """The mean and, where there are several seeds, its standard error."""
        unit = "%" if self.unit == "%" else f" {self.unit}" if self.unit else ""
        if not self.values:
            return "-"
        mean = float(np.mean(self.values))
        if not np.isfinite(mean):
            return "never" if self.unit == "epochs" else "not finite"
        error = standard_error(self.values) if len(self.values) > 1 else 0.0
        # Rounding alone leaves a spread of about 1e-16 between equal seeds, which is not an error to show.
        shown = f" ± {error:.2g}" if error > 1e-9 * abs(mean) else ""
        return f"{_short(mean)}{shown}{unit}"


@dataclass(frozen=True)
class Evidence:
    """The numbers and comparisons that a claim is judged by."""

    numbers: tuple[Number, ...]
    comparisons: tuple[Comparison, ...]
    untrained: bool = False
    """Counted from the networks themselves: decided before training, and whatever was trained."""


class Missing(Exception):
    """A member that a claim needs is not there, or has not come to its end."""


class Absent(Missing):
    """A member that a claim names is not there at all."""

    def __init__(self, member: str) -> None:
        super().__init__(f"The run {member} is not there.")
        self.member = member


Judge = Callable[[StudyResults], Evidence]
"""From a study's results to the evidence for a claim.

Raises:
    Missing: the records lack what the claim needs.
"""


def _short(value: float) -> str:
    """About four significant digits, without an exponent where it can be read."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return f"{value:.2e}"
