"""Per-step arrays made ready for a figure: stretches of steps, and smoothed lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# More points cannot be told apart in a panel, and make the page larger.
BINS = 300


def binned(values: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, ...]:
    """Steps, mean, least and greatest in at most `bins` equal stretches of a per-step array; NaN is passed over."""
    x, *found = binned_together([values], bins)
    return x, *(table[0] for table in found)


def binned_together(columns: Sequence[np.ndarray], bins: int = BINS) -> tuple[np.ndarray, ...]:
    """Per-step arrays in at most `bins` stretches of steps that are the same for all.

    Returns:
        Steps [points]; mean, least and greatest [columns, points], NaN where an array has no number in a stretch, as
        behind the end of a diverged run.
    """
    table = np.ma.masked_invalid(stacked(columns))
    # Steps without any value are left out, so that a measure of every tenth step fills its bins too.
    kept = np.flatnonzero(~np.ma.getmaskarray(table).all(axis=0))
    parts = np.array_split(kept, min(bins, len(kept))) if len(kept) else []
    x = np.array([part.mean() + 1 for part in parts])  # Steps count from 1
    found = [[f(table[:, part], axis=1).filled(np.nan) for part in parts] for f in (np.ma.mean, np.ma.min, np.ma.max)]
    return x, *(np.array(columns_of).reshape(-1, len(columns)).T for columns_of in found)


def stacked(columns: Sequence[np.ndarray]) -> np.ndarray:
    """[columns, points], NaN behind the end of those that are shorter, such as a diverged run's."""
    points = max(len(column) for column in columns)
    return np.stack([np.pad(column, (0, points - len(column)), constant_values=np.nan) for column in columns])


def smoothed(values: np.ndarray, share: float = 0.04) -> np.ndarray:
    """A centred moving mean over a share of the points, narrower near the ends; NaN stays and touches no neighbour."""
    points, half = len(values), round(len(values) * share / 2)
    # Symmetric also near the ends, where a one-sided window would shift the line.
    widths = [min(half, i, points - 1 - i) for i in range(points)]
    windows = [values[i - width : i + width + 1] for i, width in enumerate(widths)]
    kept = [window[np.isfinite(window)] for window in windows]
    means = np.array([window.mean() if window.size else np.nan for window in kept])
    return np.where(np.isfinite(values), means, np.nan)
