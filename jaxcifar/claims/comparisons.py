"""Comparisons of members: by Welch's t-test where there are several seeds, by a stated margin where there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from jaxcifar.claims.claim import Decision

LEVEL = 0.05
SEEDS = "three seeds or more (--seeds 3) would decide"


def greater(a: Sequence[float], b: Sequence[float], margin: float, what: str) -> Decision:
    """Whether a lies above b.

    With two seeds or more on both sides: one-sided Welch's t at 5%. With one: by more than the margin.

    Args:
        a: a value for each seed.
        b: a value for each seed.
        margin: the smallest difference that one seed may decide, in the unit of the values.
        what: what is compared, for the explanation.
    """
    difference = float(np.mean(a) - np.mean(b)) if _finite(a) and _finite(b) else _unbounded(a, b)
    text = f"{what}: difference {difference:+.3g}"
    if not math.isfinite(difference):
        return Decision(None if math.isnan(difference) else difference > 0, text)
    if min(len(a), len(b)) < 2:
        if abs(difference) >= margin:
            return Decision(difference > 0, f"{text}, one seed, margin {margin:g}")
        return Decision(None, f"{text} is within the margin {margin:g} of one seed; {SEEDS}")
    p = _welch(a, b)
    text = f"{text}, Welch's t, p = {min(p, 1 - p):.2g}"
    if min(p, 1 - p) < LEVEL:
        return Decision(p < LEVEL, text)
    return Decision(None, f"{text}; more seeds would decide")


def less(a: Sequence[float], b: Sequence[float], margin: float, what: str) -> Decision:
    """Whether a lies below b; see `greater`."""
    decision = greater(a, b, margin, what)
    return Decision(None if decision.answer is None else not decision.answer, decision.how)


def alike(a: Sequence[float], b: Sequence[float], margin: float, what: str) -> Decision:
    """Whether a and b differ by at most the margin.

    With two seeds or more on both sides: two one-sided tests (Schuirmann 1987) at 5% for yes, Welch's t for no.
    """
    if not (_finite(a) and _finite(b)):
        return Decision(False, f"{what}: not finite")
    difference = float(np.mean(a) - np.mean(b))
    text = f"{what}: difference {difference:+.3g}, alike within {margin:g}"
    if min(len(a), len(b)) < 2:
        return Decision(abs(difference) <= margin, f"{text}, one seed")
    shifted = np.asarray(a, float)
    if max(_welch(shifted + margin, b), 1 - _welch(shifted - margin, b)) < LEVEL:
        return Decision(True, f"{text} by two one-sided t-tests at 5%")
    p = _welch(a, b)
    if abs(difference) > margin and min(p, 1 - p) < LEVEL:
        return Decision(False, f"{text}, Welch's t, p = {2 * min(p, 1 - p):.2g}")
    return Decision(None, f"{text}; more seeds would decide")


def at_least(values: Sequence[float], level: float, margin: float, what: str) -> Decision:
    """Whether the mean reaches a level.

    Yes where the mean does; no where it is below by a one-sided t-test at 5%, or with one seed by more than the margin.
    """
    mean = float(np.mean(values))
    text = f"{what}: {mean:.4g} against {level:.4g}"
    if math.isnan(mean) or mean >= level:
        return Decision(None if math.isnan(mean) else True, text)
    if len(values) < 2:
        if level - mean >= margin:
            return Decision(False, f"{text}, one seed, margin {margin:g}")
        return Decision(None, f"{text} is within the margin {margin:g} of one seed; {SEEDS}")
    p = _welch([level, level], values)
    return (
        Decision(False, f"{text}, t-test, p = {p:.2g}")
        if p < LEVEL
        else Decision(None, f"{text}; more seeds would decide")
    )


def at_most(values: Sequence[float], level: float, margin: float, what: str) -> Decision:
    """Whether the mean is no more than a level; see `at_least`."""
    decision = at_least([-value for value in values], -level, margin, what)
    text = f"{what}: {float(np.mean(values)):.4g} against {level:.4g}"
    return Decision(decision.answer, text + decision.how.partition(f"against {-level:.4g}")[2])


def both(*decisions: Decision) -> Decision:
    """Yes if all are, no if any is not, open otherwise."""
    answers = [decision.answer for decision in decisions]
    answer = False if False in answers else None if None in answers else True
    shown = [d for d in decisions if d.answer is answer] if answer is not True else decisions
    return Decision(answer, "; ".join(decision.how for decision in shown))


def fact(answer: bool, how: str) -> Decision:
    """What one run settles."""
    return Decision(answer, how)


def _welch(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """p of the null hypothesis that mean(a) <= mean(b), variances unequal (Welch 1947).

    t = (mean a - mean b) / √(va + vb) with v = s²/n and (va + vb)² / (va²/(na - 1) + vb²/(nb - 1)) degrees of freedom;
    exactly 0, 1/2 or 1 where nothing varies.
    """
    difference = float(np.mean(a) - np.mean(b))
    va, vb = (float(np.var(x, ddof=1)) / len(x) for x in (a, b))
    if va + vb == 0:
        return 0.5 if difference == 0 else float(difference < 0)
    from scipy.special import stdtr

    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return float(stdtr(freedom, -difference / np.sqrt(va + vb)))


def _finite(values: Sequence[float]) -> bool:
    return bool(np.all(np.isfinite(values)))


def _unbounded(a: Sequence[float], b: Sequence[float]) -> float:
    """The difference of means where a value is infinite: a diverged loss, an accuracy never reached."""
    with np.errstate(invalid="ignore"):
        return float(np.mean(a) - np.mean(b))
