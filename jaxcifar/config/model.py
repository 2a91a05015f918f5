"""The settings of the networks: one class for each, which says what the network is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from jaxcifar.config.module import Module
from jaxcifar.config.network import Activation, Initialization, Network, Norm, TimedAs, norm_title, plus
from jaxcifar.errors import UserError, check_choice, check_count, check_number, several

if TYPE_CHECKING:
    from jaxcifar.measures.base import InsidePart


@dataclass(frozen=True)
class CNN(Network):
    """The study's basic network: (convolution, 2x2 max-pool, activation) per width, then fully-connected layers."""

    widths: tuple[int, ...] = (64, 128)
    """Channels of each convolution."""
    kernel: int = 3
    """Side of the kernels in pixels."""
    padding: int = 1
    """Zero padding of the convolutions in pixels."""
    head: tuple[int, ...] = (256, 128)
    """Widths of the hidden fully-connected layers; the last layer has 10 outputs."""
    norm: Norm = "none"
    """Normalisation after each convolution."""
    dropout: float = 0.0
    """Probability of dropout after the linear layers."""
    dropout_layers: int = 2
    """Number of linear layers that are followed by dropout (3 includes the output)."""
    activation: Activation = "relu"
    initialization: Initialization = "torch"

    timed_as: ClassVar[TimedAs] = "CNN"

    def __post_init__(self):
        for name in ("widths", "head"):
            object.__setattr__(self, name, several(f"model.{name}", getattr(self, name)))
            for width in getattr(self, name):
                check_count(f"model.{name}", width, 1)
        if not self.widths or len(self.widths) > 4:
            raise UserError(f"model.widths is {self.widths!r}; give one to four channel counts.")
        check_count("model.kernel", self.kernel, 1, 11)
        check_count("model.padding", self.padding, 0, 5)
        check_number("model.dropout", self.dropout, 0, 0.99)
        check_count("model.dropout_layers", self.dropout_layers, 0, len(self.head) + 1)
        check_choice("model.activation", self.activation, Activation)
        check_choice("model.initialization", self.initialization, Initialization)
        check_choice("model.norm", self.norm, Norm)
        if self.least_side > 32:
            raise UserError(
                f"model.kernel is {self.kernel} with padding {self.padding}; after {len(self.widths)} "
                "convolutions and poolings no pixel of a 32 x 32 image is left, so take a smaller kernel."
            )

    @property
    def least_side(self) -> int:
        side = 1
        # Backwards from one pixel: pooling doubles the side, and a convolution adds kernel - 1 - 2 padding.
        for _ in self.widths:
            side = max(2 * side - 2 * self.padding + self.kernel - 1, 1)
        return side

    @property
    def title(self) -> str:
        name = "CNN " + "-".join(str(width) for width in (*self.widths, *self.head))
        dropout = f"dropout after {self.dropout_layers} linear layers" if self.dropout else ""
        return plus(name, self.norm_title, dropout)


Depth = Literal[18, 34, 50, 101, 152]


@dataclass(frozen=True)
class ResNet(Network):
    """Residual network in the CIFAR form (3x3 first convolution, no max-pool); He et al. 2016, arXiv 1512.03385."""

    depth: Depth = 18
    skip: bool = True
    """Off: the plain network, the same layers without the additions."""
    width: int = 64
    """Channels of the first stage; the others have 2, 4 and 8 times as many."""
    norm: Norm = "batch"
    """Normalisation after each convolution; with `none` the convolutions have biases instead."""
    dropout: float = 0.0
    """Probability of dropout before the linear layer."""
    activation: Activation = "relu"
    initialization: Initialization = "torch"

    timed_as: ClassVar[TimedAs] = "ResNet"

    def __post_init__(self):
        check_choice("model.depth", self.depth, Depth)
        check_count("model.width", self.width, 1)
        check_number("model.dropout", self.dropout, 0, 0.99)
        check_choice("model.activation", self.activation, Activation)
        check_choice("model.initialization", self.initialization, Initialization)
        check_choice("model.norm", self.norm, Norm)

    @property
    def title(self) -> str:
        width = "" if self.width == 64 else f" of width {self.width}"
        norm = {"batch": "", "none": " without BatchNorm"}.get(self.norm, f" with {self.norm_title}")
        name = f"{'ResNet' if self.skip else 'plain'}-{self.depth}{width}{norm}"
        return plus(name, "dropout" if self.dropout else "")

    @property
    def scaled_run(self) -> tuple[int, int] | None:
        return (64, 16) if self.depth >= 50 else None

    @property
    def shows(self) -> tuple[InsidePart, ...]:
        return (*super().shows, "branches") if self.skip else super().shows


VGGForm = Literal["a", "light"]


@dataclass(frozen=True)
class VGG(Network):
    """VGG-A (Simonyan and Zisserman 2015, arXiv 1409.1556) with the study's head, or its light form of two stages."""

    form: VGGForm = "a"
    norm: Norm = "none"
    """Normalisation after each convolution."""
    noise: bool = False
    """Noise after each BatchNorm, with a mean and a deviation that change at every step; Santurkar et al. 2018, arXiv
    1805.11604, appendix A."""
    dropout: float = 0.0
    """Probability of dropout before the first two linear layers of the head."""
    width: int = 64
    """Channels of the first stage of VGG-A (the light form has 16)."""
    activation: Activation = "relu"
    initialization: Initialization = "xavier"

    timed_as: ClassVar[TimedAs] = "VGG"

    def __post_init__(self):
        check_choice("model.form", self.form, VGGForm)
        check_number("model.dropout", self.dropout, 0, 0.99)
        check_count("model.width", self.width, 1)
        check_choice("model.activation", self.activation, Activation)
        check_choice("model.initialization", self.initialization, Initialization)
        check_choice("model.norm", self.norm, Norm)
        if self.noise and self.norm != "batch":
            raise UserError(
                f"model.noise is on with model.norm {self.norm!r}; it follows BatchNorm, so give --model.norm batch."
            )

    @property
    def title(self) -> str:
        width = "" if self.width == 64 or self.form == "light" else f" of width {self.width}"
        name = ("VGG-A" if self.form == "a" else "VGG-A-light") + width
        return plus(name, "noisy " * self.noise + self.norm_title, "dropout" if self.dropout else "")

    @property
    def least_side(self) -> int:
        # Five poolings halve the side in VGG-A, two in the light form.
        return 32 if self.form == "a" else 4

    def smaller_form(self) -> Self:
        return replace(self, form="light")

    def without_norm(self) -> Self:
        return replace(self, norm="none", noise=False)


@dataclass(frozen=True)
class DeepLinear(Network):
    """Fully-connected layers without activation; Santurkar et al. 2018, arXiv 1805.11604, section 2.3."""

    depth: int = 25
    """Number of fully-connected layers, including the last one with 10 outputs."""
    width: int = 100
    """Outputs of each layer except the last."""
    norm: Norm = "none"
    """Normalisation after each layer except the last."""
    initialization: Initialization = "xavier"

    timed_as: ClassVar[TimedAs] = "CNN"

    def __post_init__(self):
        check_count("model.depth", self.depth, 1, 1000)
        check_count("model.width", self.width, 1)
        check_choice("model.initialization", self.initialization, Initialization)
        check_choice("model.norm", self.norm, Norm)
        if self.norm == "instance":
            raise UserError(
                "model.norm is 'instance', which would set every activation of a fully-connected layer to zero; take "
                "another normalisation."
            )

    @property
    def title(self) -> str:
        return plus(f"{self.depth}-layer linear network", self.norm_title)


StageDepth = Literal[2, 3]


@dataclass(frozen=True)
class WhitenedCNN(Network):
    """A network designed for fast training; Jordan 2024, arXiv 2404.00498.

    A 2x2 convolution whose frozen filters whiten the training images' patches; three stages of (convolution, 2x2
    max-pool, BatchNorm, activation) and further (convolution, BatchNorm, activation); the maximum over the image; one
    linear layer without bias. BatchNorm has no scale, and the convolutions after the first have no bias.
    """

    widths: tuple[int, ...] = (64, 256, 256)
    """Channels of the three stages."""
    depth: StageDepth = 2
    """Convolutions per stage; with three, the last two are a residual branch."""
    bias_epochs: int = 3
    """Number of epochs for which the whitening layer's bias is trained; its learning rate falls linearly to 0."""
    output_scale: float = 0.11
    """Factor on the logits."""
    norm_momentum: float = 0.6
    """Weight of the old running statistics in BatchNorm."""
    activation: Activation = "gelu"
    initialization: Initialization = "dirac"

    timed_as: ClassVar[TimedAs] = "VGG"

    def __post_init__(self):
        object.__setattr__(self, "widths", several("model.widths", self.widths))
        for width in self.widths:
            check_count("model.widths", width, 1)
        if len(self.widths) != 3:
            raise UserError(f"model.widths is {self.widths!r}; give three channel counts.")
        check_choice("model.depth", self.depth, StageDepth)
        check_count("model.bias_epochs", self.bias_epochs, 1)
        check_number("model.output_scale", self.output_scale, 0, above=True)
        check_number("model.norm_momentum", self.norm_momentum, 0, 0.9999)
        check_choice("model.activation", self.activation, Activation)
        check_choice("model.initialization", self.initialization, Initialization)

    @property
    def title(self) -> str:
        name = "whitened CNN " + "-".join(str(width) for width in self.widths)
        return name + (", residual" if self.depth == 3 else "")

    @property
    def norm_title(self) -> str:
        return norm_title("batch")

    @property
    def least_side(self) -> int:
        # The 2x2 convolution leaves 8 pixels, and three poolings leave one.
        return 9

    @property
    def whitening_epochs(self) -> int:
        return self.bias_epochs

    @property
    def scaled_run(self) -> tuple[int, int]:
        return 256, 64


Model = CNN | ResNet | VGG | DeepLinear | WhitenedCNN | Module
