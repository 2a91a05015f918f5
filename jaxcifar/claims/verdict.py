"""From a study's claims and results to verdicts: the one place where evidence is decided."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxcifar.claims.comparisons import Comparison, pointing
from jaxcifar.claims.decisions import Answer, Decision, all_of, decide_all
from jaxcifar.claims.evidence import Absent, Evidence, Missing, Number
from jaxcifar.claims.judged import Judged
from jaxcifar.config import Claim, Study, UserError, shipped, to_json
from jaxcifar.config.serialize import changes
from jaxcifar.records.files import finite
from jaxcifar.records.study import Result, StudyResults

_BROKEN = "The claim could not be judged"

HARMLESS = ("name", "seed", "precision", "measure_precision", "data.dir", "data.source", "checkpoint", "probes")
"""What may differ without making it another study: it does not change what is trained, or no more than a seed does. Of
the study's own probes and snapshots none may be missing."""


FITTED = ("model.image", "model.classes", "data.train_size", "data.test_size", "data.mean", "data.deviation")
"""What `data.fit` fills in for images of the user's own."""


def judge(study: Study, results: StudyResults) -> list[Judged]:
    """Return the verdict on each claim of a study, as if it were the only one of its page."""
    return judge_page([(study, results)])[0]


def judge_page(sources: Sequence[tuple[Study, StudyResults]]) -> list[list[Judged]]:
    """Return the verdicts on the claims of every study of a page; their tests are adjusted for one another.

    A verdict stays open where members are missing, where the runs are not the study's own, and on other images; the
    numbers that are there are shown all the same. A claim whose judge raises is not decided and says why.
    """
    sources = [(study, with_absent(study, results)) for study, results in sources]
    found = [[_evidence(claim, results) for claim in study.claims] for study, results in sources]
    reasons = [
        [None if _is_untrained(evidence) else reason for evidence, reason in zip(row, _reasons(*source), strict=True)]
        for row, source in zip(found, sources, strict=True)
    ]
    # Only comparisons that can be decided count in the number of tests.
    counted = [
        evidence.comparisons
        for row, why in zip(found, reasons, strict=True)
        for evidence, reason in zip(row, why, strict=True)
        if isinstance(evidence, Evidence) and not reason
    ]
    # The claims below take their decisions in the order in which `counted` lists the comparisons.
    decisions = iter(decide_all([comparison for comparisons in counted for comparison in comparisons]))
    return [
        [
            _judged(claim, evidence, reason, study, results, decisions)
            for claim, evidence, reason in zip(study.claims, row, why, strict=True)
        ]
        for (study, results), row, why in zip(sources, found, reasons, strict=True)
    ]


def with_absent(study: Study, results: StudyResults) -> StudyResults:
    """Return the results with the members that a study of fewer variants or rates, under the same name, never had."""
    absent = tuple(member.name for member in study.members() if member.name not in results.members)
    return dataclasses.replace(results, absent=absent)


def _evidence(claim: Claim, study: StudyResults) -> Evidence | str:
    """The judge's evidence, or why there is none; a user's judge that raises must not hide the other claims."""
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


def _is_untrained(found: Evidence | str) -> bool:
    return isinstance(found, Evidence) and found.untrained


def _judged(
    claim: Claim,
    found: Evidence | str,
    reason: str | None,
    study: Study,
    results: StudyResults,
    decisions: Iterator[Decision],
) -> Judged:
    """The verdict; it takes as many of the page's decisions as the claim has comparisons."""
    answer: Answer = "not decided"
    numbers: tuple[Number, ...] = ()
    tests: tuple[dict[str, Any], ...] = ()
    if isinstance(found, str):
        # A broken judge is told in any case, because other runs would not mend it.
        reasons = (found,) if reason is None or found.startswith(_BROKEN) else (reason,)
    else:
        numbers = found.numbers
        if reason:
            reasons = (reason, pointing(found.comparisons))
        else:
            decided = [next(decisions) for _ in found.comparisons]
            answer, reasons = all_of(decided)
            tests = tuple(_as_json(*pair) for pair in zip(found.comparisons, decided, strict=True))
    return Judged(
        statement=claim.statement,
        definition=claim.definition,
        numbers=numbers,
        seeds=min((len(number.values) for number in numbers), default=0),
        data=results.data,
        verdict=answer,
        reasons=reasons,
        scaled=results.is_scaled and not _is_untrained(found),
        size="" if _is_untrained(found) else study.size_title,
        tests=tests,
    )


def _as_json(comparison: Comparison, decision: Decision) -> dict[str, Any]:
    """A comparison and its decision as plain JSON values; what is not finite is null."""
    return finite({"kind": type(comparison).__name__, **asdict(comparison), **asdict(decision)})


def _reasons(study: Study, results: StudyResults) -> list[str | None]:
    """For each claim why no verdict is drawn on it, whatever the numbers are."""
    reason = _undecidable(study, results)
    # An edited copy of a shipped file keeps its name and its claims, but no longer trains what they are on.
    original = shipped.find(study.name)
    if reason or original is None or results.size not in ("", *original.sizes):
        return [reason] * len(study.claims)
    original = original.sized(results.size) if results.size else original
    changed, theirs = _changes(original, results), {claim.statement for claim in original.claims}
    edited = f"The runs are not those of the shipped {study.name}: {'; '.join(changed)}. Run that one to decide."
    return [edited if changed and claim.statement in theirs else None for claim in study.claims]


def _undecidable(study: Study, results: StudyResults) -> str | None:
    """Why no verdict is drawn from these records at all."""
    if results.is_scaled:
        fewer = "The runs are scaled: fewer images or epochs than the study's."
        return f"{fewer} Run it without --scale, and without flags that lower them, to decide."
    changed = _changes(study, results)
    if changed:
        return f"The runs are not the study's: {'; '.join(changed)}. Run the study as it is to decide."
    lost = [run.folder for run in results.runs if run.records is not None and run.config is None]
    if lost:
        return f"The config of {lost[0]} cannot be read, so that run may not be the study's; train it again to decide."
    if not results.has_own_data:
        return f"The images are {results.data}, not the study's; run it on {results.wanted.name} to decide."
    return None


def _changes(study: Study, results: StudyResults) -> list[str]:
    """The fields in which recorded configs differ from the study's own, each once."""
    own = {member.name: member.run for member in study.members()}
    own_images = not study.base.data.has_cifar_form
    found = []
    for run in results.runs:
        if run.config is not None and run.member in own:
            expected = dataclasses.replace(own[run.member], seed=run.seed)
            found += [
                f"{path} is {_short(after)} instead of {_short(before)}"
                for path, before, after in changes(to_json(expected), to_json(run.config))
                if not _is_harmless(path, before, own_images)
            ]
            found += [f"probes lack {probe}" for probe in expected.probes if probe not in run.config.probes]
    return list(dict.fromkeys(found))


def _is_harmless(path: str, before: Any, own_images: bool) -> bool:
    """Whether the study's value, `before`, may have become another one."""
    # What a study has on record besides what it asks for takes nothing from it.
    if path in ("checkpoint.snapshots", "evaluate_train"):
        return not before
    # Images of the user's own decide what a study leaves open.
    filled = path.startswith("model.") or before is None
    return path.startswith(HARMLESS) or (own_images and filled and path.startswith(FITTED))


def _short(value: Any) -> str:
    return str(value["class"]) if isinstance(value, dict) else repr(value)


def check_claims(study: Study) -> None:
    """Raise UserError if a claim of a study names a member that the study does not have."""
    members = [member.name for member in study.members()]
    planned = tuple(Result(name, seed, Path(name), None) for name in members for seed in study.seeds)
    results = StudyResults(study.name, Path(), "unknown", planned, size=study.size)
    for claim in study.claims:
        try:
            claim.judge(results)
        except Absent as absent:
            raise UserError(
                f"The study {study.name!r} has the claim {claim.statement!r} on {absent.member!r}, which is not "
                f"among its members; they are {', '.join(members)}."
            ) from None
        except Exception:
            continue


def untrained(study: Study, folder: Path) -> list[Judged]:
    """Return the verdicts that need no training, from a folder with the table of the networks."""
    nothing = StudyResults(study.name, folder, "unknown", ())
    return [judged for judged in judge(study, nothing) if judged.verdict != "not decided"]
