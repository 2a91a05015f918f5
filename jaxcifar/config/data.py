"""Settings of the images: their source, size, normalisation and augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxcifar import records
from jaxcifar.errors import check_choice, check_count

Source = Literal["auto", "cifar10", "shapes"]
Normalization = Literal["channel", "half"]
Flip = Literal["none", "random", "alternating"]
Padding = Literal["zero", "reflect"]


@dataclass(frozen=True)
class Data:
    """Settings of the images and of what is done to them on the device."""

    source: Source = "cifar10"
    """`cifar10` finds or downloads CIFAR-10, `shapes` makes procedural images, `auto` takes what is on the disk."""
    dir: str | None = None
    """A folder or .tar.gz with CIFAR-10's official files; $JAXCIFAR_DATA where this is not given."""
    train_size: int | None = None
    """Use only the first N training images."""
    test_size: int | None = None
    """Use only the first N test images."""
    holdout: int = 0
    """Hold the last N training images out and evaluate on them instead of the test set."""
    normalization: Normalization = "channel"
    """`channel`: the training set's mean and deviation per channel; `half`: mean 0.5 and deviation 0.5."""
    crop: int = 0
    """Pad by this many pixels, then crop 32 x 32 at random; 0 is off."""
    crop_padding: Padding = "zero"
    """What the crop pads with: black, or the image mirrored at its border."""
    flip: Flip = "none"
    """Mirror left to right: `random` by a coin, `alternating` every other epoch (first epoch by a coin)."""
    cutout: int = 0
    """Side in pixels of a square set to the mean at a random place; 0 is off."""

    def __post_init__(self):
        if self.dir is not None:
            records.local_path("data.dir", self.dir)
        check_choice("data.source", self.source, Source)
        check_choice("data.normalization", self.normalization, Normalization)
        check_choice("data.flip", self.flip, Flip)
        check_choice("data.crop_padding", self.crop_padding, Padding)
        for name in ("train_size", "test_size"):
            if getattr(self, name) is not None:
                check_count(f"data.{name}", getattr(self, name), 1)
        check_count("data.holdout", self.holdout, 0, 49_999)
        check_count("data.crop", self.crop, 0, 16)
        check_count("data.cutout", self.cutout, 0, 32)
