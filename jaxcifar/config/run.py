"""The settings of one training run; every default is here or in the other files of this folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from jaxcifar.config.average import Average, NoAverage
from jaxcifar.config.data import Data
from jaxcifar.config.loss import CrossEntropy, Loss, OwnLoss
from jaxcifar.config.model import CNN, Model, Module
from jaxcifar.config.optimizer import SGD, Optimizer
from jaxcifar.errors import UserError, check_choice, check_count, check_name, check_number, several
from jaxcifar.measures import SHIPPED, SNAPSHOT_MEASURES, Measure, SnapshotMeasure, StepMeasure
from jaxcifar.records import local_path


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
        object.__setattr__(self, "snapshots", several("checkpoint.snapshots", self.snapshots))
        check_number("checkpoint.every_seconds", self.every_seconds, 0)
        check_count("checkpoint.keep", self.keep, 2, 1000)
        for epoch in self.snapshots:
            check_count("checkpoint.snapshots", epoch, 0)


Precision = Literal["float32", "bfloat16"]
MeasurePrecision = Literal["float32", "tensorfloat32"]
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
    measure_precision: MeasurePrecision = "float32"
    """Of the matrix products in the gradients that step measures take. `tensorfloat32` rounds factors to ten bits of
    mantissa on NVIDIA GPUs, as training does there by default, and takes less than half of the time; a CPU has float32
    alone. Norms, inner products and Hessians stay float32."""
    average: Average = field(default_factory=NoAverage)
    test_views: TestViews = "none"
    """Test-time augmentation of the last evaluation, with a figure of its own: the mean of the logits of an image and
    its `mirror`, or of `six` views, both of them also shifted by a pixel up and left, and down and right."""
    evaluate_train: bool = False
    """Evaluate the training images too after every epoch, as the test images: without augmentation and dropout, by the
    running statistics. `train_eval_loss` and `train_eval_accuracy` join the rows of metrics.jsonl."""
    timed: bool = False
    """Time the run as speed records are: every program warmed up on dummy labels, one evaluation, at the end."""
    probes: tuple[Measure, ...] = ()
    """Measures of the loss landscape: step measures are taken in the training program, snapshot measures after training
    at the epochs of `checkpoint.snapshots`."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    init_from: str | None = None
    """Folder of a run whose last weights and statistics this one starts from; where the numbers of classes differ, the
    output layer starts as always."""

    def __post_init__(self):
        object.__setattr__(self, "probes", several("probes", self.probes))
        if callable(self.loss):
            object.__setattr__(self, "loss", OwnLoss(self.loss))
        for name, kind in _PARTS.items():
            if not isinstance(getattr(self, name), kind):
                allowed = ", ".join(part.__name__ for part in get_args(kind) or (kind,))
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be made by one of {allowed}.")
        if self.init_from is not None:
            local_path("init_from", self.init_from)
        check_count("epochs", self.epochs, 1)
        check_count("batch_size", self.batch_size, 1)
        # JAX's integers have 32 bits by default.
        check_count("seed", self.seed, 0, 2**31 - 1)
        check_choice("precision", self.precision, Precision)
        check_choice("measure_precision", self.measure_precision, MeasurePrecision)
        if self.precision != "float32" and isinstance(self.model, Module):
            raise UserError(
                f"precision is {self.precision!r} with {self.model.title}, a network of your own; give it its dtype "
                "among its arguments."
            )
        check_choice("test_views", self.test_views, TestViews)
        for probe in self.probes:
            _check_probe(probe, self.model)
        names = [measure.name for measure in self.snapshot_measures]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise UserError(
                f"probes holds two snapshot measures named {twice!r}, which share a file; keep one of them."
            )

    def trained(self) -> Run:
        """Return the run without what does not change its training: name, measures, what is saved, where data lie."""
        data = self.data.wherever()
        same = replace(self, name="", checkpoint=Checkpoint(), data=data)
        return replace(same, probes=(), measure_precision="float32", evaluate_train=False)

    @property
    def step_measures(self) -> tuple[StepMeasure, ...]:
        """The measures that are taken in the training program."""
        return tuple(probe for probe in self.probes if isinstance(probe, StepMeasure))

    @property
    def snapshot_measures(self) -> tuple[SnapshotMeasure, ...]:
        """The measures that are taken after training."""
        return tuple(probe for probe in self.probes if isinstance(probe, SnapshotMeasure))


def _check_probe(probe: Measure, model: Model) -> None:
    name = type(probe).__name__
    if not isinstance(probe, Measure):
        raise UserError(f"probes holds {probe!r}; each must be one of {', '.join(SHIPPED)}, or your own subclass.")
    if SHIPPED.get(name, type(probe)) is not type(probe):
        # A record names the class alone, so it would be read back as the package's.
        raise UserError(f"probes holds a class {name} of your own, which is the name of a measure here; rename it.")
    if isinstance(probe, SnapshotMeasure):
        _check_name(probe)
    random = next((field for field in ("dropout", "noise") if getattr(model, field, 0)), None)
    if random and isinstance(probe, StepMeasure) and probe.refuses_randomness:
        raise UserError(
            f"model.{random} is {getattr(model, random)} with the measure {name}, which reorders a batch and so would "
            f"see other random numbers; take {random} out of the model or the measure out of the config."
        )


def _check_name(measure: SnapshotMeasure) -> None:
    """The name of a snapshot measure names files, and each measure has files of its own."""
    kind, name = type(measure).__name__, getattr(measure, "name", None)
    check_name(f"The measure {kind} has the name", name)
    owner = next((cls for cls in SNAPSHOT_MEASURES if cls.name == name and cls is not type(measure)), None)
    if owner is not None:
        raise UserError(f"The measure {kind} has the name {name!r}, which is that of {owner.__name__}; give another.")


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
