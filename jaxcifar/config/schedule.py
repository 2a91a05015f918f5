"""The schedules of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from jaxcifar.errors import check_number


@dataclass(frozen=True)
class _Schedule:
    """Fields of every schedule; times are in epochs."""

    warmup: float = 0.0
    """Number of epochs in which the learning rate rises linearly from 0."""

    def __post_init__(self):
        check_number("optimizer.schedule.warmup", self.warmup, 0)

    def scaled(self, factor: float) -> Self:
        """Return the schedule with all its times multiplied by a factor."""
        return replace(self, warmup=self.warmup * factor)


@dataclass(frozen=True)
class Constant(_Schedule):
    """The learning rate does not change after the warm-up."""

    title: ClassVar[str] = "constant"


LEAST_EPOCHS = 1e-3


@dataclass(frozen=True)
class StepDecay(_Schedule):
    """The learning rate is multiplied by `factor` every `epochs` epochs."""

    epochs: float = 30.0
    factor: float = 0.1

    title: ClassVar[str] = "step"

    def __post_init__(self):
        super().__post_init__()
        check_number("optimizer.schedule.epochs", self.epochs, 0, above=True)
        check_number("optimizer.schedule.factor", self.factor, 0, above=True)

    def scaled(self, factor: float) -> Self:
        """Return the schedule with all its times multiplied by a factor, the time of a decay at least 0.001 epochs."""
        return replace(super().scaled(factor), epochs=max(self.epochs * factor, LEAST_EPOCHS))


@dataclass(frozen=True)
class _Falling(_Schedule):
    final_factor: float = 0.0
    """Factor on the learning rate at the last step."""

    def __post_init__(self):
        super().__post_init__()
        check_number("optimizer.schedule.final_factor", self.final_factor, 0)


@dataclass(frozen=True)
class Cosine(_Falling):
    """The learning rate falls along half a cosine; Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts."""

    title: ClassVar[str] = "cosine"


@dataclass(frozen=True)
class Triangular(_Falling):
    """The learning rate rises over the warm-up and then falls linearly."""

    title: ClassVar[str] = "triangular"


Schedule = Constant | StepDecay | Cosine | Triangular
