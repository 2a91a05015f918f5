"""The settings of one training run; every default is here or in the other files of this folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from jaxcifar.config.average import Average, NoAverage
from jaxcifar.config.data import Data
from jaxcifar.config.loss import CrossEntropy, Loss
from jaxcifar.config.model import CNN, Model
from jaxcifar.config.optimizer import SGD, Optimizer
from jaxcifar.errors import UserError, check_choice, check_count, check_number

Measure = Literal[
    "beta", "gradient_distance", "noise_floor", "gradient_direction", "update_direction", "covariate_shift"
]
ProbeBatch = Literal["same_batch", "cross_batch"]


@dataclass(frozen=True)
class Probe:
    """A measure of the loss landscape taken during training; see docs/landscape.md."""

    measure: Measure = "beta"
    batch: ProbeBatch = "same_batch"
    """`same_batch` compares two parameter vectors on one batch; `cross_batch`, as the study did, on two batches.
    The noise floor is the gradient's rounding, seen by reordering one batch. The two directions take eight points
    from half to four times the step along the gradient or along the optimizer's update, and the covariate shift one
    gradient a layer: all on the step's own batch."""
    every: int = 1
    """Steps between measurements."""

    def __post_init__(self):
        check_choice("probe.measure", self.measure, Measure)
        check_choice("probe.batch", self.batch, ProbeBatch)
        check_count("probe.every", self.every, 1)
        if self.batch == "cross_batch" and self.measure not in ("beta", "gradient_distance"):
            raise UserError(
                f"probe.batch is cross_batch with measure {self.measure}; it belongs to beta and gradient_distance."
            )


@dataclass(frozen=True)
class Checkpoint:
    """When the training state is saved (at chunk borders, about a second apart, and always at the end)."""

    every_seconds: float = 60.0
    keep: int = 2
    """Number of newest checkpoints that are kept."""
    snapshots: tuple[int, ...] = ()
    """Epochs after which a checkpoint is kept for good (0: the initial state), to be measured afterwards; a shorter run
    passes over those behind its end."""

    def __post_init__(self):
        object.__setattr__(self, "snapshots", tuple(self.snapshots))
        check_number("checkpoint.every_seconds", self.every_seconds, 0)
        check_count("checkpoint.keep", self.keep, 2, 1000)
        for epoch in self.snapshots:
            check_count("checkpoint.snapshots", epoch, 0)


Precision = Literal["float32", "bfloat16"]
TestViews = Literal["none", "mirror", "six"]


@dataclass(frozen=True)
class Run:
    """Settings of one training run."""

    name: str = "run"
    model: Model = field(default_factory=CNN)
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=SGD)
    loss: Loss = field(default_factory=CrossEntropy)
    epochs: int = 20
    batch_size: int = 128
    seed: int = 0
    """Seed of the initial weights, the order of the images, augmentation and dropout."""
    precision: Precision = "float32"
    """`bfloat16` computes the network in bfloat16, with float32 parameters, statistics and loss."""
    average: Average = field(default_factory=NoAverage)
    test_views: TestViews = "none"
    """Test-time augmentation of the last evaluation, with a figure of its own: the mean of the logits of an image and
    its `mirror`, or of `six` views, both of them also shifted by a pixel up and left, and down and right."""
    timed: bool = False
    """Time the run as speed records are: every program warmed up on dummy labels, one evaluation, at the end."""
    probes: tuple[Probe, ...] = ()
    checkpoint: Checkpoint = field(default_factory=Checkpoint)

    def __post_init__(self):
        object.__setattr__(self, "probes", tuple(self.probes))
        for name, kind in _PARTS.items():
            if not isinstance(getattr(self, name), kind):
                allowed = ", ".join(part.__name__ for part in get_args(kind) or (kind,))
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be made by one of {allowed}.")
        wrong = next((probe for probe in self.probes if not isinstance(probe, Probe)), None)
        if wrong is not None:
            raise UserError(f"probes holds {wrong!r}; each must be made by Probe.")
        check_count("epochs", self.epochs, 1)
        check_count("batch_size", self.batch_size, 1)
        check_count("seed", self.seed, 0, 2**31 - 1)
        check_choice("precision", self.precision, Precision)
        check_choice("test_views", self.test_views, TestViews)
        random = next((name for name in ("dropout", "noise") if getattr(self.model, name, 0)), None)
        if random and any(probe.measure == "noise_floor" for probe in self.probes):
            raise UserError(
                f"model.{random} is {getattr(self.model, random)} with the probe noise_floor, which reorders a batch "
                f"and so would see other random numbers; take {random} out of the model or the probe out of the config."
            )


_PARTS = {
    "model": Model,
    "data": Data,
    "optimizer": Optimizer,
    "loss": Loss,
    "average": Average,
    "checkpoint": Checkpoint,
}


def check_batch_size(run: Run, images: int) -> None:
    """Raise UserError if batch_size exceeds the number of training images."""
    if run.batch_size > images:
        raise UserError(f"batch_size is {run.batch_size} with {images:,} training images; give at most that many.")
