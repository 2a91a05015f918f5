"""Averages a of the weights w and of BatchNorm's running statistics, taken along training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxcifar.errors import UserError, check_count, check_number


@dataclass(frozen=True)
class NoAverage:
    """The weights are not averaged."""

    title: ClassVar[str] = "without averaging"
    copies: ClassVar[int] = 0
    """Copies of the weights that the training state holds."""
    figure: ClassVar[str | None] = None
    """Name of the average's own figures, in addition to those of the weights; None where it has none."""


@dataclass(frozen=True)
class _Average:
    decay: float = 0.999
    every: int = 1
    """Steps between two updates."""

    copies: ClassVar[int] = 1

    def __post_init__(self):
        check_number("average.decay", self.decay, 0, above=True)
        if self.decay >= 1:
            raise UserError(f"average.decay is {self.decay}; it must be below 1.")
        check_count("average.every", self.every, 1)


@dataclass(frozen=True)
class EMA(_Average):
    """Exponential moving average: after step t, the mean of w_1 to w_t with the weights decay^(t - i).

    It does not change the weights, and has figures of its own in addition to theirs.
    """

    title: ClassVar[str] = "EMA"
    figure: ClassVar[str | None] = "ema"


@dataclass(frozen=True)
class Lookahead(_Average):
    """Every `every` steps a <- a + (1 - d)(w - a) and w <- a, with d = decay (t/T)^3.

    Zhang et al. 2019, arXiv 1907.08610; the growing d is from Jordan 2024, arXiv 2404.00498.
    """

    title: ClassVar[str] = "lookahead"
    figure: ClassVar[str | None] = None


Average = NoAverage | EMA | Lookahead
