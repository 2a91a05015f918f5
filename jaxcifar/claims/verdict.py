"""From a study's claims and results to verdicts: the one place where evidence is decided."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jaxcifar.claims.comparisons import all_of, decide
from jaxcifar.claims.evidence import Evidence, Missing, Number
from jaxcifar.config import Claim
from jaxcifar.records.study import StudyResults

Verdict = Literal["holds", "does not hold", "not decided"]

_VERDICTS: dict[bool | None, Verdict] = {True: "holds", False: "does not hold", None: "not decided"}

_BROKEN = "The claim could not be judged"

# What a flag may change without making it another study.
HARMLESS = ("seed", "precision", "data.dir", "data.source", "checkpoint.every_seconds", "checkpoint.keep")


@dataclass(frozen=True)
class Judged:
    """A claim, judged on the records of one data set."""

    statement: str
    definition: str
    """The statement in numbers."""
    numbers: tuple[Number, ...]
    seeds: int
    data: str
    verdict: Verdict
    reasons: tuple[str, ...]
    """How each comparison that counts was decided, or what would decide it."""
    scaled: bool = False

    @property
    def decides(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    @property
    def label(self) -> str:
        """The verdict as it is shown."""
        return f"{self.verdict} (scaled)" if self.scaled and self.verdict == "not decided" else self.verdict

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
        return cls(**{**value, "numbers": tuple(numbers), "reasons": tuple(value["reasons"])})


def judge(claims: Sequence[Claim], study: StudyResults) -> list[Judged]:
    """Return the verdict on each claim of a study.

    It stays open where members are missing, where the runs were scaled or changed by flags, and on other images than
    the study's; the numbers are shown all the same. A claim whose judge raises is not decided and says why.

    Args:
        claims: the study's.
        study: its results on one data set.
    """
    evidence = [_evidence(claim, study) for claim in claims]
    reason = _undecidable(study)
    return [_judged(claim, found, reason, study) for claim, found in zip(claims, evidence, strict=True)]


def _evidence(claim: Claim, study: StudyResults) -> Evidence | str:
    """What the judge found, or why it found nothing. A user's judge may raise anything; the others must be shown."""
    try:
        found = claim.judge(study)
    except Missing as missing:
        return str(missing)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}, line {place.lineno}"
        return f"{_BROKEN}: {type(error).__name__}: {error} ({where})."
    if not isinstance(found, Evidence):
        return f"{_BROKEN}: its judge returned {type(found).__name__}; it must return Evidence."
    return found if found.comparisons else "The claim compares nothing."


def _judged(claim: Claim, found: Evidence | str, reason: str | None, study: StudyResults) -> Judged:
    numbers = () if isinstance(found, str) else found.numbers
    if isinstance(found, str):
        answer, reasons = None, (found,)
    else:
        answer, reasons = all_of([decide(comparison) for comparison in found.comparisons])
    if reason and not _is_broken(found):
        answer, reasons = None, (reason,)
    return Judged(
        statement=claim.statement,
        definition=claim.definition,
        numbers=numbers,
        seeds=min((len(number.values) for number in numbers), default=0),
        data=study.data,
        verdict=_VERDICTS[answer],
        reasons=reasons,
        scaled=study.is_scaled,
    )


def _is_broken(found: Evidence | str) -> bool:
    return isinstance(found, str) and found.startswith(_BROKEN)


def _undecidable(study: StudyResults) -> str | None:
    """Why no verdict is drawn from these records at all."""
    changed = [path for path in study.changed if path not in HARMLESS]
    if study.is_scaled:
        return "The runs are scaled: fewer images or epochs than the study's. Run it without --scale to decide."
    if changed:
        flags = ", ".join(f"--{path.replace('_', '-')}" for path in changed)
        return f"The runs were changed by {flags}; run the study without them to decide."
    if not study.has_own_data:
        return f"The images are {study.data}, not the study's; run it on {study.wanted.name} to decide."
    return None
