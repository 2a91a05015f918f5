"""Stretches of steps and smoothed lines of arrays with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from jaxcifar.report import binning


def test_stretches_are_the_same_steps_for_runs_of_different_length():
    """Of β(t) = t every point lies at its own step, though one run ends after a fifth of the other."""
    columns = [np.arange(1.0, 1001), np.arange(1.0, 5001)]
    x, mean, least, greatest = binning.binned_together(columns, bins=300)
    assert mean.shape == least.shape == greatest.shape == (2, 300)
    np.testing.assert_allclose(mean[1], x)
    ended = np.isnan(mean[0])
    assert x[~ended].max() == pytest.approx(1000, abs=20)
    np.testing.assert_allclose(mean[0, ~ended][:-1], x[~ended][:-1])
    np.testing.assert_allclose(binning.binned(columns[0], bins=10)[1], 50.5 + 100 * np.arange(10))


def test_smoothing_leaves_gaps_and_does_not_spread_them():
    values = np.r_[np.full(50, 2.0), np.full(50, np.nan)]
    np.testing.assert_allclose(binning.smoothed(values), values)


def test_smoothing_moves_nothing():
    for points in (1, 40, 100, 300):
        line = np.arange(float(points))
        np.testing.assert_allclose(binning.smoothed(line), line, atol=1e-9)
    waves = np.sin(np.arange(300.0))
    assert np.ptp(binning.smoothed(waves)[20:-20]) < 0.3
