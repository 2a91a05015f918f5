"""Random images of each class: the study's Fig. 1."""

from __future__ import annotations

import numpy as np

from jaxcifar.data import Dataset

EACH = 10


def samples(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return ten random training images of each class.

    Returns:
        `images` uint8 [10, 10, 32, 32, 3] (zeros where a class has fewer) and `names`, the names of the classes.
    """
    generator = np.random.default_rng(0)
    images = np.zeros((len(dataset.class_names), EACH, *dataset.train_images.shape[1:]), np.uint8)
    for label in range(len(dataset.class_names)):
        rows = np.flatnonzero(dataset.train_labels == label)
        chosen = generator.permutation(rows)[:EACH]
        images[label, : len(chosen)] = dataset.train_images[chosen]
    return {"images": images, "names": np.array(dataset.class_names)}
