"""The tests behind a verdict: Welch's t, equivalence by two one-sided tests, intervals, and the false discovery rate.

One page makes dozens of comparisons. `adjusted` takes the p values of all of them, so that under no effect at all at
most 5% of pages contain a wrong "holds" or "does not hold".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
"""Significance level, after adjustment."""


@dataclass(frozen=True)
class Difference:
    """The difference of two means, with what a t-test needs of it."""

    value: float
    """mean(a) - mean(b)."""
    error: float
    """Its standard error."""
    freedom: float
    """Degrees of freedom of the error."""
    arms: int
    """2, or 1 where a mean is compared with a fixed number."""

    def p_above(self, bound: float) -> float:
        """Return the p value of the hypothesis that the true difference is at most `bound`."""
        return _upper_tail(self.value - bound, self.error, self.freedom)

    def p_below(self, bound: float) -> float:
        """Return the p value of the hypothesis that the true difference is at least `bound`."""
        return _upper_tail(bound - self.value, self.error, self.freedom)

    def p_beyond(self, margin: float) -> float:
        """Return the p value of the hypothesis that the true difference is at most `margin`, either way.

        With a margin of 0 this is the usual two-sided p value.
        """
        return min(1.0, 2 * min(self.p_above(margin), self.p_below(-margin)))

    def p_equivalent(self, margin: float) -> float:
        """Return the p value of the hypothesis that the true difference is `margin` or more, either way.

        The greater of two one-sided p values (Schuirmann 1987).
        """
        return max(self.p_above(-margin), self.p_below(margin))

    def with_seeds(self, times: float) -> Difference:
        """Return the same difference with `times` as many seeds of the same deviation in each arm."""
        freedom = (self.freedom + self.arms) * times - self.arms
        return Difference(self.value, self.error / math.sqrt(times), freedom, self.arms)


def welch(a: Sequence[float], b: Sequence[float], resolution: float = 0.0) -> Difference:
    r"""Compare two means whose variances may differ (Welch 1947).

    $$ t = (\bar a - \bar b) / \sqrt{v_a + v_b}, \quad v = (s^2 + r^2/12) / n, \quad
       f = (v_a + v_b)^2 / (v_a^2/(n_a - 1) + v_b^2/(n_b - 1)) $$

    Args:
        a: a value for each seed, two or more.
        b: the same of the other arm.
        resolution: r, the step in which the quantity is recorded, such as 1 for a number of epochs. Its rounding
            error keeps equal values of two seeds from passing as certainty.

    Returns:
        The difference; its error is 0 only where nothing varies at all.

    Raises:
        ValueError: an arm has fewer than two values.
    """
    # The arms often differ in their spread as well as in their mean, so their variances are not pooled.
    va, fa = _variance_of_mean(a, resolution)
    vb, fb = _variance_of_mean(b, resolution)
    variance = va + vb
    # Squares of tiny or huge variances leave the range of floats.
    unit = variance if variance and not 1e-150 < variance < 1e150 else 1.0
    squares = (va / unit) ** 2 / fa + (vb / unit) ** 2 / fb
    # Without any variance the formula is 0 / 0, and the degrees of freedom are not used.
    freedom = (variance / unit) ** 2 / squares if variance else fa + fb
    return Difference(float(np.mean(a) - np.mean(b)), math.sqrt(variance), freedom, 2)


def against_level(values: Sequence[float], level: float, resolution: float = 0.0) -> Difference:
    """Compare a mean with a fixed number: a one-sample t-test; arguments and errors as in `welch`."""
    variance, freedom = _variance_of_mean(values, resolution)
    return Difference(float(np.mean(values)) - level, math.sqrt(variance), freedom, 1)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for their number, in the given order.

    Comparing them with 5% controls the false discovery rate at 5%, and under no effect at all the chance of any error.

    References:
        Benjamini and Hochberg 1995.
    """
    if not p_values:
        return []
    from scipy.stats import false_discovery_control

    # Rounding may put a p value just above 1, which SciPy refuses.
    return [float(p) for p in false_discovery_control(np.clip(p_values, 0.0, 1.0), method="bh")]


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean over seeds, s / √n."""
    return math.sqrt(_variance(values) / len(values))


def _variance(values: Sequence[float]) -> float:
    """The variance s² of seeds; 0 where all are equal, whose mean the formula would miss by its rounding."""
    return float(np.var(values, ddof=1)) if min(values) < max(values) or np.isnan(values).any() else 0.0


def _variance_of_mean(values: Sequence[float], resolution: float) -> tuple[float, int]:
    if len(values) < 2:
        raise ValueError(f"a comparison has {len(values)} value; it needs two seeds or more in each arm")
    # A rounding error that is uniform over a width of r has the variance r² / 12.
    return (_variance(values) + resolution**2 / 12) / len(values), len(values) - 1


def _upper_tail(distance: float, error: float, freedom: float) -> float:
    """P(T > distance / error) of Student's t; a step at 0 where nothing varies."""
    if error == 0:
        return 0.5 if distance == 0 else float(distance < 0)
    from scipy.special import stdtr

    # By symmetry the lower tail at -t; 1 - P(T < t) would lose small p values to rounding.
    return float(stdtr(freedom, -distance / error))
