"""How the result of a comparison is told in one line."""

from __future__ import annotations

import numpy as np

Values = tuple[float, ...]
"""A value for each seed that trained to its end."""
SEEDS = "several seeds are needed (--seeds 5)"
"""What one seed lacks."""
SAME = "nothing varies between the seeds, so no test can decide; more seeds may"
"""What seeds of equal values lack."""


def is_finite(values: Values) -> bool:
    """Return whether there are values, and all of them are finite."""
    return bool(values) and bool(np.isfinite(values).all())


def too_few(what: str, a: Values, b: Values, log: bool) -> str:
    """Return why two arms cannot be compared."""
    if not a or not b:
        return f"{what}: every run of one arm diverged"
    if not (is_finite(a) and is_finite(b)):
        return f"{what}: not finite"
    difference = amount(float(np.mean(a) - np.mean(b)), log)
    why = SAME if min(len(a), len(b)) > 1 else f"one seed decides no comparison, {SEEDS}"
    return f"{what}: {difference}; {why}"


def tested(a: Values, b: Values, p: float) -> str:
    """Return the test of two arms with its result."""
    return f"Welch's t, {len(a)} and {len(b)} seeds, adjusted p = {p:.2g}"


def amount(value: float, log: bool, *, sign: bool = True) -> str:
    """Return a difference, or a factor where the values are logarithms."""
    if log:
        return f"a factor of {10**value:.3g}"
    return f"difference {value:+.3g}" if sign else f"{value:.3g}"
