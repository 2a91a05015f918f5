"""What every network's config has: its names for readers, its normalisation, itself without it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self, assert_never

Activation = Literal["relu", "sigmoid", "leaky_relu", "tanh", "softplus", "gelu"]
Initialization = Literal["torch", "xavier", "he", "dirac"]
INITIALIZATIONS: dict[Initialization, str] = {"torch": "PyTorch's", "xavier": "Xavier", "he": "He", "dirac": "Dirac"}
"""For readers."""
Norm = Literal["none", "batch"]
TimedAs = Literal["CNN", "VGG", "ResNet"]


def activation_title(activation: Activation) -> str:
    """Return an activation's name for readers."""
    match activation:
        case "relu":
            return "ReLU"
        case "sigmoid" | "tanh" | "softplus":
            return activation
        case "leaky_relu":
            return "leaky ReLU"
        case "gelu":
            return "GELU"
        case unknown:
            assert_never(unknown)


def norm_title(norm: Norm) -> str:
    """Return a normalisation's name for readers, empty for none."""
    match norm:
        case "none":
            return ""
        case "batch":
            return "BatchNorm"
        case unknown:
            assert_never(unknown)


class Network(ABC):
    """What every network's config says of itself."""

    timed_as: ClassVar[TimedAs]
    """The network whose measured speed estimates the time that this one takes per operation."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The network's name for readers."""

    @property
    @abstractmethod
    def norm_title(self) -> str:
        """The name of its normalisation for readers, empty for none."""

    @property
    def whitening_epochs(self) -> int | None:
        """Epochs over which the biases of whitening layers are trained; None without such layers."""
        return None

    @property
    def scaled_run(self) -> tuple[int, int] | None:
        """Images and batch size of a run made small by `--scale`; None for 512 images and the run's own batch size."""
        return None

    def smaller_form(self) -> Self:
        """Return the network that stands for this one in small runs that measure curvature."""
        return self

    @abstractmethod
    def without_norm(self) -> Self | None:
        """Return the same network without normalisation, or None where it cannot do without."""


def plus(title: str, *parts: str) -> str:
    """Return a title with its additions that are not empty, such as "VGG-A + BatchNorm"."""
    return " + ".join([title, *(part for part in parts if part)])
