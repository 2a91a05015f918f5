"""Settings of a run that its data decide: shape, classes, number of images, normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jaxcifar.config import Data, Run, UserError
from jaxcifar.data.dataset import Dataset


def fitted(run: Run, load: Callable[[Data], Dataset]) -> Run:
    """Return a run as it is trained and recorded: with what its data decide filled in.

    Args:
        run: any run; one on CIFAR-10 or shapes needs no data.
        load: from a config's data to the data set; called for other sources only.

    Raises:
        UserError: the images are too small for the network, have other channels than `data.mean`, or cannot be loaded.
    """
    if run.data.has_cifar_form:
        _check_statistics(run.data, 3)
        return replace(run, model=run.model.for_data((32, 32, 3), 10))
    return fit(run, load(run.data))


def fit(run: Run, dataset: Dataset) -> Run:
    """Return the run with what a data set of the user's own decides."""
    height, width, channels = dataset.train_images.shape[1:]
    _check_statistics(run.data, channels)
    model = run.model.for_data((height, width, channels), len(dataset.class_names))
    config = replace(run.data, train_size=len(dataset.train_labels), test_size=len(dataset.test_labels))
    if config.normalization == "channel" and config.mean is None:
        mean, deviation = statistics_of(dataset.train_images)
        config = replace(config, mean=mean, deviation=deviation)
    return replace(run, model=model, data=config)


def _check_statistics(data: Data, channels: int) -> None:
    if data.mean is not None and len(data.mean) not in (1, channels):
        raise UserError(
            f"data.mean and data.deviation have {len(data.mean)} numbers and the images {channels} channels; give one "
            "for each channel, or one for all."
        )


def statistics_of(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and deviation, for pixels in [0, 1], rounded to four digits; a constant one has 1."""
    values = np.arange(256) / 255
    means, deviations = [], []
    for channel in range(images.shape[-1]):
        # A histogram of the 256 values gives exact moments without a floating-point copy of all images.
        share = np.bincount(images[..., channel].ravel(), minlength=256) / images[..., channel].size
        means.append(mean := float(share @ values))
        deviations.append(float(np.sqrt(share @ (values - mean) ** 2)) or 1.0)
    # A small deviation can become 0 by rounding too, and images are divided by it.
    return tuple(round(mean, 4) for mean in means), tuple(round(d, 4) or 1.0 for d in deviations)
