"""A judged claim: its numbers, its verdict, and how each of its comparisons was decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from jaxcifar.claims.decisions import Answer
from jaxcifar.claims.evidence import Number
from jaxcifar.claims.wording import amount
from jaxcifar.records import forms


@dataclass(frozen=True)
class Judged:
    """A claim, judged on the records of one data set."""

    statement: str
    definition: str
    """The statement in numbers."""
    numbers: tuple[Number, ...]
    seeds: int
    data: str
    verdict: Answer
    reasons: tuple[str, ...]
    """How each comparison that counts was decided, or what would decide it."""
    scaled: bool = False
    size: str = ""
    """The study's size for readers; empty for the full one."""
    tests: tuple[dict[str, Any], ...] = ()
    """The comparisons with their values for each seed, p values before and after adjustment, and answers, as JSON."""

    @property
    def decides(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    @property
    def smallest(self) -> str:
        """The smallest differences that count, of one arm from another, in words."""
        compared = [test for test in self.tests if test.get("kind") in ("Order", "Equivalence")]
        found = [(float(test.get("by") or test.get("within") or 0), bool(test.get("log"))) for test in compared]
        return " or ".join(dict.fromkeys(self._amount(by, log) for by, log in found if by))

    def _amount(self, by: float, log: bool) -> str:
        """A difference in the unit of the numbers, or a factor."""
        units = {number.unit for number in self.numbers}
        unit = units.pop() if len(units) == 1 else ""
        own = "percentage point" + "s" * (by != 1) if unit == "%" else "epoch" if unit == "epochs" and by == 1 else unit
        return f"{amount(by, log, sign=False)} {'' if log else own}".rstrip()

    @property
    def answer(self) -> str:
        """The verdict, of "no difference" with what is excluded, and in how many comparisons if not in all."""
        if self.verdict != "no difference":
            return self.verdict
        # Tests of earlier versions, or none, as read from a file, say nothing of what is excluded.
        orders = [test for test in self.tests if test.get("answer") == self.verdict and "by" in test]
        limits = dict.fromkeys(self._amount(test["by"], bool(test.get("log"))) for test in orders)
        some = f" in {len(orders)} of {len(self.tests)} comparisons" if 0 < len(orders) < len(self.tests) else ""
        return " larger than ".join(filter(None, (self.verdict, " or ".join(limits)))) + some

    @property
    def others(self) -> tuple[str, ...]:
        """The comparisons that did not decide, each with its own answer."""
        told = [(str(test.get("how", "")), test.get("answer")) for test in self.tests]
        return tuple(f"{how}: {answer}" for how, answer in told if how and how not in self.reasons)

    @property
    def basis(self) -> str:
        """How many seeds the numbers have: `5 seeds`, `10 to 20 seeds`."""
        counts = sorted({len(number.values) for number in self.numbers} or {self.seeds})
        return f"{' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seed{'' if counts == [1] else 's'}"

    @property
    def label(self) -> str:
        """The verdict as it is shown."""
        if self.verdict == "not decided":
            return f"{self.verdict} (scaled)" if self.scaled else self.verdict
        return f"{self.answer} at {self.size}" if self.size else self.answer

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Judged:
        """Return what `to_json` gave; a value that was not finite comes back as NaN.

        Raises:
            LookupError, TypeError: the value is of another form.
        """
        numbers = []
        for row in value["numbers"]:
            values = tuple(float("nan") if item is None else float(item) for item in row["values"])
            numbers.append(Number(**{**row, "values": values}))
        own = {"numbers": tuple(numbers), "reasons": tuple(value["reasons"]), "tests": tuple(value.get("tests", ()))}
        found = cls(**{**value, **own})
        # A file may hold any JSON; a wrong type would otherwise fail much later, in a table or the page.
        for made in (found, *numbers):
            forms.check(made)
        return found
