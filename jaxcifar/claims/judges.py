"""Judges of claims, to be put together in a study file: each looks at named members and returns its evidence.

Every judge raises `Missing` where a member that it names is not there, or has not come to its end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from jaxcifar.claims.bands import Band
from jaxcifar.claims.comparisons import Comparison, Equivalence, Level, Order, Relation, Side
from jaxcifar.claims.evidence import Absent, Evidence, Judge, Missing, Number
from jaxcifar.claims.members import check_members, check_whole, complete, norm_pairs
from jaxcifar.claims.numbers import Measured, On, against, compared, number_of, numbers, on, scaled, titled
from jaxcifar.claims.quantities import least
from jaxcifar.config import Claim
from jaxcifar.errors import UserError, check_number
from jaxcifar.records.study import StudyResults

Names = str | Sequence[str]


def compare(
    quantity: On,
    *,
    smaller: Names = (),
    greater: Names = (),
    than: Names,
    by: float,
    shown: Names = (),
    negated: bool = False,
) -> Judge:
    """Judge whether a quantity of some members is smaller, or greater, than that of each of the others.

    Args:
        quantity: what is compared.
        smaller: the members that should have less; give these or `greater`.
        greater: the members that should have more.
        than: the members that they are compared with.
        by: the smallest difference that counts, in the quantity's unit; a factor where the quantity has `log`.
        shown: members whose numbers are shown, but not compared.
        negated: the claim is that it is *not* smaller, or greater: equality is a yes too.

    Raises:
        UserError: both of `smaller` and `greater` are given, or neither.
    """
    if bool(smaller) is bool(greater):
        raise UserError(f"compare(…) got smaller={smaller!r} and greater={greater!r}; give exactly one of the two.")
    check_number("by", by, 0)

    def judge(study: StudyResults) -> Evidence:
        first, second = _names(smaller or greater), _names(than)
        measured, found = numbers(study, quantity, (*first, *second, *_names(shown)))
        ours, others = found[: len(first)], found[len(first) : len(first) + len(second)]
        relation: Relation = "smaller" if smaller else "greater"
        orders = [_order(measured, relation, a, b, by, negated) for a in ours for b in others]
        return Evidence(found, tuple(orders))

    return judge


def alike(quantity: On, a: str, b: str, *, within: float) -> Judge:
    """Judge whether a quantity of two members differs by at most `within`."""
    check_number("within", within, 0, above=True)

    def judge(study: StudyResults) -> Evidence:
        measured, pair = numbers(study, quantity, (a, b))
        first, second = (compared(measured, each) for each in pair)
        return Evidence(
            pair, (Equivalence(against(measured, *pair), first, second, scaled(measured, within), measured.log),)
        )

    return judge


def at_least(quantity: On, level: float, *, by: float, of: Names | None = None) -> Judge:
    """Judge whether the mean of a quantity reaches a level, for some members or for a study's only one.

    Args:
        quantity: what is compared.
        level: in the quantity's unit.
        by: four deviations between seeds: one seed decides nothing below this distance.
        of: the members; the only one of the study where None.
    """
    return _reaches(quantity, "at least", level, by, of)


def at_most(quantity: On, level: float, *, by: float, of: Names | None = None) -> Judge:
    """Judge whether the mean of a quantity is at or below a level; arguments as in `at_least`."""
    return _reaches(quantity, "at most", level, by, of)


def above(quantity: On, level: float, *, by: float, of: str) -> Judge:
    """Judge whether the mean of a quantity of one member is above a level; arguments as in `at_least`."""
    return _reaches(quantity, "at least", level, by, of)


def about(quantity: On, level: float, *, within: float, of: Names | None = None) -> Judge:
    """Judge whether the mean of a quantity differs from a level by less than `within`."""
    return _reaches(quantity, "about", level, within, of)


def lowered_by_norm(quantity: On, *, by: float, among: Names = ()) -> Judge:
    """Judge whether a quantity is smaller with normalisation than without, for every network and setting.

    Args:
        quantity: what is compared.
        by: the smallest difference that counts, as in `compare`.
        among: the members that count, each at all its learning rates; all where empty, and then none may be missing.
    """
    return _by_norm(quantity, "smaller", by, among)


def raised_by_norm(quantity: On, *, by: float, among: Names = ()) -> Judge:
    """Judge whether a quantity is greater with normalisation than without; arguments as in `lowered_by_norm`."""
    return _by_norm(quantity, "greater", by, among)


def not_lowered_by_norm(quantity: On, *, by: float, among: Names = ()) -> Judge:
    """Judge whether normalisation does not lower a quantity: equality within `by` is a yes too."""
    return _by_norm(quantity, "smaller", by, among, negated=True)


def show(quantity: On, *members: str) -> Judge:
    """Show numbers that decide nothing; those of the study's only member where none is named."""

    def judge(study: StudyResults) -> Evidence:
        return Evidence(numbers(study, quantity, members or _only(study))[1], ())

    return judge


def loss_in_any_batch(statement: str, level: float) -> tuple[Claim, ...]:
    """Return a claim on the least test loss for each batch size that the study, which states none, may have had.

    Args:
        statement: without its full stop.
        level: what the least test loss reaches, in the study's unit: the sum of the batches' means over the number of
            images, which is a mean per image divided by the batch size.
    """
    loss = least("test_loss")
    return tuple(
        Claim(
            f"{statement}, if the study's batch was {batch}.",
            f"Least test loss is at most {level}. The study adds up the means of the batches and divides by the number "
            f"of images, which is our mean per image divided by {batch}.",
            # The level is rounded to four digits; four deviations between seeds are 0.05 nats per image.
            both(show(loss), at_most(loss.divided(batch, f"least test loss / {batch}"), level + 5e-5, by=0.05 / batch)),
        )
        for batch in (100, 128, 200, 256)
    )


def both(*judges: Judge) -> Judge:
    """Judge whether all of these hold, two or more; a number that several of them need is shown once."""

    def judge(study: StudyResults) -> Evidence:
        found: list[Evidence] = []
        first: Missing | None = None
        for each in judges:
            try:
                found.append(each(study))
            except Absent:
                raise
            except Missing as missing:
                first = first or missing
        if first is not None:
            raise first
        # A dictionary keeps the order of the numbers, which a set does not.
        shown = dict.fromkeys(each for evidence in found for each in evidence.numbers)
        comparisons: list[Comparison] = [c for evidence in found for c in evidence.comparisons]
        return Evidence(tuple(shown), tuple(comparisons))

    return judge


def _reaches(quantity: On, side: Side, level: float, by: float, of: Names | None) -> Judge:
    check_number("the level of a claim", level, -math.inf)
    check_number("by" if side != "about" else "within", by, 0)

    def judge(study: StudyResults) -> Evidence:
        _, found = numbers(study, quantity, _only(study) if of is None else _names(of))
        return Evidence(found, tuple(Level(titled(each), side, each.values, level, by) for each in found))

    return judge


def _by_norm(quantity: On, relation: Relation, by: float, among: Names, negated: bool = False) -> Judge:
    check_number("by", by, 0)

    def judge(study: StudyResults) -> Evidence:
        shown: list[Number] = []
        orders: list[Order] = []
        check_members(study, _names(among))
        if not among:
            check_whole(study)
        runs = tuple(run for name in _names(among) for run in complete(study, name))
        # The quantity depends on all runs of the study, so that a common level is the same whatever `among` is.
        measured, chosen = on(quantity, study), dataclasses.replace(study, runs=runs) if among else study
        for pair in norm_pairs(chosen, over_rates=isinstance(measured, Band)):
            ours, others = (number_of(study, measured, arm) for arm in (pair.with_norm, pair.without))
            shown += [ours, others]
            orders.append(_order(measured, relation, ours, others, by, negated))
        return Evidence(tuple(dict.fromkeys(shown)), tuple(orders))

    return judge


def _order(quantity: Measured, relation: Relation, a: Number, b: Number, by: float, negated: bool) -> Order:
    what, values = against(quantity, a, b), (compared(quantity, a), compared(quantity, b))
    return Order(what, relation, *values, scaled(quantity, by), quantity.log, quantity.resolution, negated)


def _only(study: StudyResults) -> Sequence[str]:
    if len(study.members) != 1:
        raise Missing(f"The claim names no member, and the study has {len(study.members)}; say which by `of`.")
    return [*study.members]


def _names(names: Names) -> Sequence[str]:
    return [names] if isinstance(names, str) else names
