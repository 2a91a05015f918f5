"""Tests and intervals against SciPy's own, closed forms and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxcifar.claims import statistics

A, B = (1.0, 1.4, 0.7, 1.1, 1.9), (2.0, 2.6, 1.7)


def test_welch_is_scipys():
    found = statistics.welch(A, B)
    expected = stats.ttest_ind(A, B, equal_var=False)
    assert found.p_beyond(0) == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.freedom == pytest.approx(expected.df, rel=1e-12)
    assert found.p_below(0) == pytest.approx(stats.ttest_ind(A, B, equal_var=False, alternative="less").pvalue)
    assert found.value == pytest.approx(np.mean(A) - np.mean(B))


def test_a_level_is_scipys_one_sample_test():
    assert statistics.against_level(A, 1.0).p_beyond(0) == pytest.approx(stats.ttest_1samp(A, 1.0).pvalue, rel=1e-12)


def test_equivalence_is_the_worse_of_two_one_sided_tests():
    found = statistics.welch(A, B).p_equivalent(1.5)
    above = stats.ttest_ind(np.add(A, 1.5), B, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind(np.subtract(A, 1.5), B, equal_var=False, alternative="less").pvalue
    assert found == pytest.approx(max(above, below), rel=1e-9)


def test_values_without_spread():
    assert statistics.welch((1.0, 1.0), (1.0, 1.0)).p_beyond(0) == 1.0
    assert statistics.welch((1.0, 1.0), (2.0, 2.0)).p_beyond(0) == 0.0
    # Epochs are whole numbers: 4, 4 against 5, 5 is not certainty.
    assert statistics.welch((4.0, 4.0), (5.0, 5.0), resolution=1.0).p_beyond(0) > 0.01


@pytest.mark.parametrize("scale", [1e-170, 1e-90, 1e90])
def test_the_size_of_the_numbers_changes_no_test(scale: float):
    a, b = (1.0, 2.0, 4.0), (3.0, 5.0, 5.5)
    found = statistics.welch([scale * value for value in a], [scale * value for value in b])
    if scale > 1e-160:
        assert found.freedom == pytest.approx(statistics.welch(a, b).freedom)
    else:  # the squares are below the smallest float, so that nothing is left to test
        assert found.error == 0


def test_one_seed_is_refused():
    with pytest.raises(ValueError, match="has 1 value; it needs two seeds"):
        statistics.welch((1.0,), (1.0, 2.0))


def test_adjustment_by_hand():
    assert statistics.adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert statistics.adjusted([]) == []


def test_no_effect_no_verdict():
    """Without any effect, about 5% of 400 pages with 30 comparisons each have a significant one, not more."""
    random = np.random.default_rng(0)
    pages = 0
    for _ in range(400):
        values = random.normal(size=(30, 2, 5))
        found = statistics.adjusted([statistics.welch(a, b).p_beyond(0) for a, b in values])
        pages += min(found) < statistics.LEVEL
    assert pages <= 30  # 400 x 5% plus two standard deviations
