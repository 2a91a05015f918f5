"""Settings of the images: their source, size, normalisation and augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from tyro.conf import Suppress

from jaxcifar import records
from jaxcifar.config.own import NOT_STORED, Hidden
from jaxcifar.errors import UserError, check_choice, check_count, check_number

Source = Literal["auto", "cifar10", "shapes", "cifar100", "svhn", "fashion_mnist", "npz", "folder", "arrays"]
Normalization = Literal["channel", "half"]
Flip = Literal["none", "random", "alternating"]
Padding = Literal["zero", "reflect"]


@dataclass(frozen=True)
class Data:
    """Settings of the images and of what is done to them on the device."""

    source: Source = "cifar10"
    """`cifar10` finds or downloads CIFAR-10, `shapes` makes procedural images, `auto` takes what is on the disk;
    `cifar100`, `svhn` and `fashion_mnist` read official files, `npz` and `folder` your own, and `jaxcifar.arrays` takes
    arrays."""
    dir: str | None = None
    """A folder or .tar.gz with CIFAR-10's official files, $JAXCIFAR_DATA where this is not given; for the other sources
    the folder of their files, or the .npz file."""
    train_size: int | None = None
    """Use only the first N training images."""
    test_size: int | None = None
    """Use only the first N test images."""
    holdout: int = 0
    """Hold the last N training images out and evaluate on them instead of the test set."""
    normalization: Normalization = "channel"
    """`channel`: mean and deviation per channel, those of CIFAR-10 for its images and for `shapes`, else those of the
    training images; `half`: mean 0.5 and deviation 0.5."""
    mean: tuple[float, ...] | None = None
    """Each channel's mean for pixels in [0, 1]; by default what `normalization` says."""
    deviation: tuple[float, ...] | None = None
    """Each channel's standard deviation; given together with the mean."""
    crop: int = 0
    """Pad by this many pixels, then crop at random to the images' size; 0 is off."""
    crop_padding: Padding = "zero"
    """What the crop pads with: black, or the image mirrored at its border."""
    flip: Flip = "none"
    """Mirror left to right: `random` by a coin, `alternating` every other epoch (first epoch by a coin)."""
    cutout: int = 0
    """Side in pixels of a square set to the mean at a random place; 0 is off."""

    arrays: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    """The images of the source `arrays`; `jaxcifar.arrays` makes them."""
    # Stored in place of the arrays, so that two configs of different arrays differ.
    sha256: Annotated[str | None, Suppress] = None
    """Fingerprint of the source `arrays`."""

    def __post_init__(self):
        self._check_statistics()
        if self.dir is not None:
            records.local_path("data.dir", self.dir)
        check_choice("data.source", self.source, Source)
        check_choice("data.normalization", self.normalization, Normalization)
        check_choice("data.flip", self.flip, Flip)
        check_choice("data.crop_padding", self.crop_padding, Padding)
        for name in ("train_size", "test_size"):
            if getattr(self, name) is not None:
                check_count(f"data.{name}", getattr(self, name), 1)
        check_count("data.holdout", self.holdout, 0)
        check_count("data.crop", self.crop, 0, 16)
        check_count("data.cutout", self.cutout, 0, 96)

    @property
    def has_cifar_form(self) -> bool:
        """Whether the images are 32 x 32 x 3 in ten classes, 50,000 and 10,000, whatever their files hold."""
        return self.source in ("auto", "cifar10", "shapes")

    def wherever(self) -> Data:
        """Return the settings without the place of the files, where that does not choose among several sets of images.

        Official files hold the same images wherever they lie; a .npz file and a folder of pictures are a set by itself.
        """
        return self if self.source in ("npz", "folder") else replace(self, dir=None)

    def _check_statistics(self) -> None:
        for name in ("mean", "deviation"):
            values = getattr(self, name)
            if values is not None:
                # JSON gives lists. Fields of a frozen dataclass can be set in this way only.
                values = tuple(values) if isinstance(values, Iterable) else (values,)
                object.__setattr__(self, name, values)
                for value in values:
                    check_number(f"data.{name}", value, 0, 1, above=name == "deviation")
        if (self.mean is None) != (self.deviation is None) or len(self.mean or ()) != len(self.deviation or ()):
            raise UserError(
                f"data.mean is {self.mean} and data.deviation {self.deviation}; give both, with a number per channel."
            )
