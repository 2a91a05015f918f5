"""The loss functions, with PyTorch's means: over the batch, and over the classes too for all but cross-entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxcifar.errors import check_number


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of the softmax of the logits."""

    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over the classes."""

    title: ClassVar[str] = "cross-entropy"
    unit: ClassVar[str] = "nats"

    def __post_init__(self):
        check_number("loss.label_smoothing", self.label_smoothing, 0, 0.99)

    def of_best_constant(self, classes: int = 10) -> float:
        """Return the least loss of a network that ignores its images, with equally frequent classes: ln(classes)."""
        return math.log(classes)


@dataclass(frozen=True)
class MSE:
    """Mean squared error of the logits against the one-hot label."""

    title: ClassVar[str] = "MSE"
    unit: ClassVar[str] = ""

    def of_best_constant(self, classes: int = 10) -> float:
        """Return the least loss of a constant: (1 - 1/K) / K, the variance of a one-hot label."""
        return (1 - 1 / classes) / classes


@dataclass(frozen=True)
class SmoothL1:
    """Huber's loss of the logits against the one-hot label: quadratic below a distance of 1, linear above."""

    title: ClassVar[str] = "SmoothL1"
    unit: ClassVar[str] = ""

    def of_best_constant(self, classes: int = 10) -> float:
        """Return the least loss of a constant: half of MSE's, because no label is further away than 1."""
        return MSE().of_best_constant(classes) / 2


@dataclass(frozen=True)
class BCEWithLogits:
    """Binary cross-entropy of the sigmoid of each logit, as if each class were a question of its own."""

    title: ClassVar[str] = "BCE with logits"
    unit: ClassVar[str] = "nats"

    def of_best_constant(self, classes: int = 10) -> float:
        """Return the least loss of a constant: the entropy of a coin that falls on one side in 1 of K cases."""
        p = 1 / classes
        return -p * math.log(p) - (1 - p) * math.log(1 - p)


Loss = CrossEntropy | MSE | SmoothL1 | BCEWithLogits
