"""What every network's config has: its names for readers, its normalisation, itself without it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, assert_never

from tyro.conf import Suppress

from jaxcifar.errors import UserError, check_count

if TYPE_CHECKING:
    from jaxcifar.measures.base import InsidePart

Activation = Literal["relu", "sigmoid", "leaky_relu", "tanh", "softplus", "gelu"]
Initialization = Literal["torch", "xavier", "he", "dirac"]
INITIALIZATIONS: dict[Initialization, str] = {"torch": "PyTorch's", "xavier": "Xavier", "he": "He", "dirac": "Dirac"}
"""For readers."""
Norm = Literal["none", "batch", "group", "layer", "instance", "l1", "linf"]
"""Normalisation after each convolution: BatchNorm; GroupNorm with 8 channels per group, LayerNorm over image and
channels, InstanceNorm; the batch's mean with its l1 or maximum norm (Santurkar et al. 2018, section 3.3)."""
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
        case "group":
            return "GroupNorm"
        case "layer":
            return "LayerNorm"
        case "instance":
            return "InstanceNorm"
        case "l1":
            return "l1 norm"
        case "linf":
            return "l∞ norm"
        case unknown:
            assert_never(unknown)


@dataclass(frozen=True)
class Network(ABC):
    """What every network's config says of itself."""

    # Keyword-only, so that the positional fields of the subclasses come first. No flags, because the data decide them.
    image: Annotated[tuple[int, int, int], Suppress] = field(default=(32, 32, 3), kw_only=True, repr=False)
    """Height, width and channels of the images; filled in from the data."""
    classes: Annotated[int, Suppress] = field(default=10, kw_only=True, repr=False)
    """Number of classes; filled in from the data."""

    timed_as: ClassVar[TimedAs]
    """The network whose measured speed estimates the time that this one takes per operation."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The network's name for readers."""

    @property
    def norm_title(self) -> str:
        """The name of its normalisation for readers, empty for none."""
        return norm_title(getattr(self, "norm", "none"))

    @property
    def whitening_epochs(self) -> int | None:
        """Epochs over which the biases of whitening layers are trained; None without such layers."""
        return None

    @property
    def scaled_run(self) -> tuple[int, int] | None:
        """Images and batch size of a run made small by `--scale`; None for 512 images and the run's own batch size."""
        return None

    @property
    def least_side(self) -> int:
        """Least height and width of its images in pixels."""
        return 1

    @property
    def shows(self) -> tuple[InsidePart, ...]:
        """What measures may take of its inside."""
        return "logits", "features", "normalized"

    def for_data(self, image: tuple[int, int, int], classes: int) -> Self:
        """Return the network for images [N, *image] of this many classes.

        Raises:
            UserError: such images are too small for it.
        """
        check_count("The number of classes", classes, 2)
        if min(image[:2]) < self.least_side:
            raise UserError(
                f"{self.title} needs images of at least {self.least_side} x {self.least_side} pixels, and these have "
                f"{image[0]} x {image[1]}; take another network."
            )
        return replace(self, image=image, classes=classes)

    def smaller_form(self) -> Self:
        """Return the smaller network that `--scale` trains in place of this one where curvature is measured."""
        return self

    def without_norm(self) -> Self | None:
        """Return the same network without normalisation, or None where it cannot do without."""
        return replace(self, norm="none") if hasattr(self, "norm") else None


def plus(title: str, *parts: str) -> str:
    """Return a title with its additions that are not empty, such as "VGG-A + BatchNorm"."""
    return " + ".join([title, *(part for part in parts if part)])
