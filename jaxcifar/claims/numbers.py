"""Measured numbers of named members, with the labels that readers see."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from jaxcifar.claims.bands import Band, last_loss
from jaxcifar.claims.evidence import Missing, Number
from jaxcifar.claims.members import LOSS_UNIT, by_seed, check_members, complete, ended_well, learning_rate, loss_unit
from jaxcifar.claims.quantities import Quantity
from jaxcifar.claims.seconds import timed
from jaxcifar.errors import UserError
from jaxcifar.records.study import Result, StudyResults

PLATEAU = 0.95
"""A run whose last train loss is above this share of what guessing gives does not train."""
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


def numbers(study: StudyResults, quantity: On, members: Sequence[str]) -> tuple[Measured, tuple[Number, ...]]:
    """Return the quantity for a study's runs, and the numbers of several members.

    Raises:
        Absent: one of the members is not there, whatever the others lack.
        Missing: as `number`.
    """
    check_members(study, members)
    measured = on(quantity, study)
    return measured, tuple(number(study, measured, name) for name in members)


def number_of(study: StudyResults, quantity: Measured, runs: Sequence[Result]) -> Number:
    """Return the number of some runs under the label that they share.

    A seed that diverged enters no number; the label says how many did. Nor do seconds that cannot be compared.

    Raises:
        Missing: the quantity is one of smoothness and the runs do not train (of a band, two or more rates of a seed),
            or of seconds and none has its own.
    """
    label = _label(study, runs)
    if isinstance(quantity, Quantity) and (twice := [found for found in by_seed(runs).values() if len(found) > 1]):
        raise Missing(
            f"{label} has {len(twice[0])} runs of seed {twice[0][0].seed}, such as at several learning rates, which "
            "are no seeds; name one of the members."
        )
    if isinstance(quantity, Band) and quantity.rates is not None:
        # A rate outside the band may diverge, or stay on the plateau, without taking its seed out of the band.
        runs = [run for run in runs if learning_rate(run) in quantity.rates]
    if quantity.seconds:
        runs = _timed(study, runs, label)
    kept = list(runs) if quantity.of_diverged else ended_well(runs)
    if quantity.smoothness:
        _check_trained(_all_but_one(kept) if isinstance(quantity, Band) else kept, label, quantity.share)
    lost = len(by_seed(runs)) - len(by_seed(kept))
    note = f" ({lost} of {len(by_seed(runs))} seeds diverged)" if lost else ""
    own = loss_unit(runs)
    unit = quantity.unit.replace(LOSS_UNIT, own) if own or LOSS_UNIT not in quantity.unit else ""
    return Number(quantity.name, label + note, quantity.values(kept) if kept else (), unit, quantity.record)


def _timed(study: StudyResults, runs: Sequence[Result], label: str) -> list[Result]:
    """The runs whose seconds can be compared."""
    found = timed(study, runs)
    if runs and not found:
        raise Missing(
            f"{label} has no run whose seconds can be compared, as each shared a program or the machine with others, "
            "or had another device than most runs of the study; let one process train this study."
        )
    return found


def _all_but_one(runs: Sequence[Result]) -> list[Result]:
    """The runs of each seed without the one of the greatest last train loss: one rate on its plateau widens a band."""
    seeds = [sorted(found, key=last_loss) for found in by_seed(runs).values()]
    return [run for found in seeds for run in found[: max(1, len(found) - 1)]]


def _check_trained(runs: Sequence[Result], label: str, share: float) -> None:
    """Refuse runs that stay on their plateau: a function that does not change is smooth whatever its network is."""
    for run in runs:
        losses = run.column("train_loss")
        if share < 1:
            within = run.step_values("loss")
            # The train loss on record is a mean over a whole epoch.
            # For a share of the steps, the mean of its last tenth takes its place.
            within = within[: max(1, round(len(within) * share))]
            losses = np.array([within[-max(1, len(within) // 10) :].mean()]) if len(within) else losses
        guessing = run.config.loss.of_best_constant(run.config.model.classes) if run.config else math.inf
        if len(losses) and losses[-1] > PLATEAU * guessing:
            when = "" if share == 1 else f" in the first {share:.0%} of its steps"
            raise Missing(
                f"{label}, seed {run.seed} does not train{when}: its last train loss is {losses[-1]:.3g}, guessing "
                f"gives {guessing:.3g}. A flat function is smooth, so the comparison would say nothing."
            )


def scaled(quantity: Measured, by: float) -> float:
    """Return a smallest difference on the scale on which the quantity is compared: of a factor its logarithm.

    Raises:
        UserError: the factor is below 1.
    """
    if not quantity.log:
        return by
    check_factor(f"the smallest factor that counts of {quantity.name}", by)
    return math.log10(by)


def check_factor(name: str, value: float) -> None:
    """Raise UserError unless a factor between two arms is 1 or more: 1.02 are two per cent."""
    if not value >= 1:
        raise UserError(f"{name} is {value!r}; it is a factor, so it must be at least 1, and 1.02 are two per cent.")


def compared(quantity: Measured, number: Number) -> tuple[float, ...]:
    """Return the values on the scale on which the quantity is compared."""
    if not quantity.log:
        return number.values
    # A value of 0 becomes minus infinity, which a comparison reports as not finite.
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(np.log10(number.values).tolist())


def against(quantity: Measured, a: Number, b: Number) -> str:
    """Return what a comparison of two numbers is about."""
    return f"{quantity.name}, {a.label} against {b.label}"


def titled(number: Number) -> str:
    """Return what a number is about."""
    return f"{number.quantity}, {number.label}"


def _label(study: StudyResults, runs: Sequence[Result]) -> str:
    """The label that runs share; without the rate where they have several."""
    labels = list(dict.fromkeys(study.label(run.member) for run in runs))
    if len(labels) == 1:
        return labels[0]
    rate = f"rate {runs[0].learning_rate:g}"
    parts = [part for part in labels[0].split(", ") if part != rate]
    return re.sub(r"-learning-rate-[^,]*$", "", ", ".join(parts) or runs[0].member)
