"""Summaries of a record of measures, such as β at every step, on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcifar.landscape.arguments import Float, as_real, is_traced, shown


class Quantiles(NamedTuple):
    """`maximum` and `values` at `levels` over the defined (not NaN) entries of a record."""

    maximum: float
    levels: Float[np.ndarray, " levels"]
    values: Float[np.ndarray, " levels"]


def running_maximum(values: Float[np.ndarray, "... steps"]) -> Float[np.ndarray, "... steps"]:
    """Return the running maximum along the last axis, without values that are NaN.

    $$ m_t = \\max_{s \\le t} \\beta_s $$

    Args:
        values: array [..., steps] on the host; NaN means undefined.

    Returns:
        Array of the same shape and unit; NaN until the first defined value.

    Raises:
        ValueError: values that are not real numbers, without an axis, or traced.
    """
    values = _on_host(values, "values")
    if values.ndim == 0:
        raise ValueError("values has shape (), but must be an array [..., steps].")
    # `fmax` ignores NaN; `maximum` would carry one NaN through to the end.
    return np.fmax.accumulate(values, axis=-1)


def maximum_and_quantiles(
    values: Float[np.ndarray, " ..."], levels: Sequence[float] | Float[np.ndarray, " levels"] = (0.5, 0.9, 0.99)
) -> Quantiles:
    """Return the maximum and quantiles of values, which together show whether the maximum is an outlier.

    Args:
        values: array on the host, any shape; NaN means undefined and is left out.
        levels: quantile levels in [0, 1].

    Returns:
        `Quantiles`, in the unit of the values; all NaN where nothing is defined.

    Raises:
        ValueError: values that are not real numbers or traced, or a level outside [0, 1].
    """
    values, levels = _on_host(values, "values"), _on_host(levels, "levels")
    if levels.ndim != 1 or not np.all((levels >= 0) & (levels <= 1)):
        raise ValueError(f"levels is {shown(levels.tolist())}, but must be a list of numbers from 0 to 1.")
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return Quantiles(float("nan"), levels, np.full(len(levels), np.nan))
    with np.errstate(invalid="ignore"):
        quantiles = np.quantile(defined, levels)
    # Interpolation below an infinite value computes inf - inf; the upper neighbour is then the quantile.
    quantiles = np.where(np.isnan(quantiles), np.quantile(defined, levels, method="higher"), quantiles)
    return Quantiles(float(defined.max()), levels, quantiles)


def _on_host(values: Any, name: str) -> np.ndarray:
    """Return real numbers as a floating NumPy array."""
    if is_traced(values):
        raise ValueError(f"{name} is traced, but must be an array on the host: call this outside jit.")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        # Of dtype `object`, so that `as_real` below refuses the values with its own message.
        array = np.asarray(None)
    if array.dtype.kind in "iu":
        return array.astype(float)
    if array.dtype.kind != "f":
        # bfloat16 and the like are not NumPy's own; what is not real is refused.
        return np.asarray(as_real(values, name, "an array of real numbers"))
    return array
