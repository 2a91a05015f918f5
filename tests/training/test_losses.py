"""Each loss against its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from jaxcifar.config import MSE, BCEWithLogits, CrossEntropy, Loss, SmoothL1
from jaxcifar.training.losses import per_example

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(7, 10)).astype(np.float32) * 3
LABELS = RNG.integers(0, 10, 7)
ONEHOT = np.eye(10)[LABELS]
LOG_P = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
DIFFERENCE = LOGITS - ONEHOT
HUBER = np.where(np.abs(DIFFERENCE) < 1, DIFFERENCE**2 / 2, np.abs(DIFFERENCE) - 0.5)

CASES = [
    (CrossEntropy(), 0.0, -(ONEHOT * LOG_P).sum(axis=1)),
    (CrossEntropy(0.2), 0.2, -((0.8 * ONEHOT + 0.02) * LOG_P).sum(axis=1)),
    (MSE(), 0.0, (DIFFERENCE**2).mean(axis=1)),
    (SmoothL1(), 0.0, HUBER.mean(axis=1)),
    (BCEWithLogits(), 0.0, (np.log1p(np.exp(LOGITS)) - ONEHOT * LOGITS).mean(axis=1)),
]


@pytest.mark.parametrize(("loss", "smoothing", "expected"), CASES)
def test_formula(loss: Loss, smoothing: float, expected: np.ndarray):
    found = per_example(loss, LOGITS, LABELS, smoothing)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(), MSE(), SmoothL1(), BCEWithLogits()])
def test_no_constant_does_better_than_the_best_one(loss: Loss):
    labels, grid = np.arange(10), np.linspace(-4, 2, 301)
    means = [float(per_example(loss, np.full((10, 10), z, np.float32), labels, 0.0).mean()) for z in grid]
    assert min(means) == pytest.approx(loss.of_best_constant(10), rel=1e-3)
    assert min(means) >= loss.of_best_constant(10) * (1 - 1e-6)
