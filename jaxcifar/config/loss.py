"""The loss functions, with PyTorch's means: over the batch, and over the classes too for all but cross-entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from jaxcifar.config.own import NOT_STORED, Description, Digest, Hidden, name_of, source_sha256
from jaxcifar.errors import UserError, check_number


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of the softmax of the logits."""

    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over the classes."""

    title: ClassVar[str] = "cross-entropy"
    unit: ClassVar[str] = "nats"

    def __post_init__(self):
        check_number("loss.label_smoothing", self.label_smoothing, 0, 0.99)

    def of_best_constant(self, classes: int) -> float:
        """Return the least loss of a network that ignores its images, with equally frequent classes: ln(classes)."""
        return math.log(classes)


@dataclass(frozen=True)
class MSE:
    """Mean squared error of the logits against the one-hot label."""

    title: ClassVar[str] = "MSE"
    unit: ClassVar[str] = ""

    def of_best_constant(self, classes: int) -> float:
        """Return the least loss of a constant: (1 - 1/K) / K, the variance of a one-hot label."""
        return (1 - 1 / classes) / classes


@dataclass(frozen=True)
class SmoothL1:
    """Huber's loss of the logits against the one-hot label: quadratic below a distance of 1, linear above."""

    title: ClassVar[str] = "SmoothL1"
    unit: ClassVar[str] = ""

    def of_best_constant(self, classes: int) -> float:
        """Return the least loss of a constant: half of MSE's, because no label is further away than 1."""
        return MSE().of_best_constant(classes) / 2


@dataclass(frozen=True)
class BCEWithLogits:
    """Binary cross-entropy of the sigmoid of each logit, as if each class were a question of its own."""

    title: ClassVar[str] = "BCE with logits"
    unit: ClassVar[str] = "nats"

    def of_best_constant(self, classes: int) -> float:
        """Return the least loss of a constant: the entropy of a coin that falls on one side in 1 of K cases."""
        p = 1 / classes
        return -p * math.log(p) - (1 - p) * math.log(1 - p)


@dataclass(frozen=True)
class OwnLoss:
    """A loss of your own: a function of logits [N, K] and labels [N] that returns the loss of each example, [N].

    `Run(loss=function)` makes it. A record keeps the function's name and a hash of its source, never the code.
    """

    function: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    function_name: Description = ""
    source_sha256: Digest = None

    unit: ClassVar[str] = ""

    def __post_init__(self):
        if self.function is not None:
            object.__setattr__(self, "function_name", name_of(self.function))
            object.__setattr__(self, "source_sha256", source_sha256(self.function))

    @property
    def title(self) -> str:
        """The loss's name for readers."""
        return self.function_name

    def of_best_constant(self, classes: int) -> float:
        """Return NaN: nothing is known of the loss."""
        return math.nan

    def check_given(self) -> None:
        """Raise UserError if this was read from a record, which holds no code."""
        if self.function is None:
            raise UserError(
                f"The loss {self.function_name} is a user's own, which a record describes but does not hold; give its "
                "config file, or the run, again."
            )


Loss = CrossEntropy | MSE | SmoothL1 | BCEWithLogits | OwnLoss
