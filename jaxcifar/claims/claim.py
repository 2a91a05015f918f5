"""A claim of the study, its definition in numbers, and the verdict that the records allow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxcifar.records.study import StudyResults

Verdict = Literal["holds", "does not hold", "not decided"]

_VERDICTS: dict[bool | None, Verdict] = {True: "holds", False: "does not hold", None: "not decided"}

# What a flag may change without making it another study.
HARMLESS = ("seed", "precision", "data.dir", "data.source", "checkpoint.every_seconds", "checkpoint.keep")


@dataclass(frozen=True)
class Number:
    """A measured quantity of one member: a value for each seed."""

    label: str
    values: tuple[float, ...]
    unit: str = ""

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
        # What rounding alone leaves is no error.
        shown = f" ± {error:.2g}" if error > 1e-9 * abs(mean) else ""
        return f"{_short(mean)}{shown}{unit}"


@dataclass(frozen=True)
class Decision:
    """What a comparison says: True, False, or None where the records leave it open; and how that came about."""

    answer: bool | None
    how: str


@dataclass(frozen=True)
class Evidence:
    """What a claim rests on."""

    numbers: tuple[Number, ...]
    decision: Decision


@dataclass(frozen=True)
class Claim:
    """A statement of the study, judged."""

    study: str
    """The study's section, e.g. `1.2`."""
    statement: str
    definition: str
    """The statement in numbers."""
    numbers: tuple[Number, ...]
    seeds: int
    data: str
    verdict: Verdict
    decides: str
    """How it was decided, or what would decide it."""
    scaled: bool = False

    @property
    def label(self) -> str:
        """The verdict as it is shown."""
        return f"{self.verdict} (scaled)" if self.scaled and self.verdict == "not decided" else self.verdict


class Missing(Exception):
    """A member that a claim needs is not there, or has not come to its end."""


Judge = Callable[[StudyResults], Evidence]


def claim(section: str, statement: str, definition: str) -> Callable[[Judge], Callable[[StudyResults], Claim]]:
    """Makes a claim of a function from a study's results to the evidence.

    The verdict stays open where members are missing, where the run was scaled or changed by flags, and on data other
    than CIFAR-10; the numbers are shown all the same.
    """

    def decorate(judge: Judge) -> Callable[[StudyResults], Claim]:
        @functools.wraps(judge)
        def judged(study: StudyResults) -> Claim:
            numbers: tuple[Number, ...] = ()
            try:
                evidence = judge(study)
                numbers, decision = evidence.numbers, evidence.decision
            except Missing as missing:
                decision = Decision(None, str(missing))
            reason = _undecidable(study)
            if reason:
                decision = Decision(None, reason)
            seeds = min((len(number.values) for number in numbers), default=0)
            verdict = _VERDICTS[decision.answer]
            return Claim(
                section, statement, definition, numbers, seeds, study.data, verdict, decision.how, study.is_scaled
            )

        return judged

    return decorate


def _undecidable(study: StudyResults) -> str | None:
    """Why no verdict is drawn from these records at all."""
    changed = [path for path in study.changed if path not in HARMLESS]
    if study.is_scaled:
        return "The runs are scaled: fewer images or epochs than the study's. Run it without --scale to decide."
    if changed:
        flags = ", ".join(f"--{path.replace('_', '-')}" for path in changed)
        return f"The runs were changed by {flags}; run the study as it stands to decide."
    if not study.data.startswith("cifar10"):
        return f"The images are {study.data}, not CIFAR-10; run it on CIFAR-10 to decide."
    return None


def standard_error(values: tuple[float, ...]) -> float:
    """Of the mean over seeds."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _short(value: float) -> str:
    """About four significant digits, without an exponent where it can be read."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return f"{value:.2e}"
