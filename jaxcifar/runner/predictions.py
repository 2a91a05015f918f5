"""Predictions of a trained network on the test images: by class, most confident mistakes, and calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxcifar.config import Run
from jaxcifar.data import Dataset
from jaxcifar.training.trained import Trained, weights

BINS = 15
MISTAKES = 24


def predictions(run: Run, trained: Path, dataset: Dataset) -> dict[str, np.ndarray]:
    """Return what the newest checkpoint of a run answers on the test images.

    Args:
        run: its config.
        trained: the folder of its checkpoints.
        dataset: the run's.

    Returns:
        As of `answers`, and `step`, the finished steps of the checkpoint.
    """
    step, params, batch_stats = weights(trained)
    network = Trained(run, trained, step, params, batch_stats, dataset.class_names)
    found = answers(network.predict(dataset.test_images), dataset.test_labels)
    mistakes = found["mistakes"]
    images = dataset.test_images[mistakes]
    return {**found, "images": images, "names": np.array(dataset.class_names), "step": np.array(step)}


def answers(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the confusion matrix, the surest mistakes and the calibration of probabilities.

    Args:
        probabilities: [N, K].
        labels: [N].

    Returns:
        `confusion` [K, K], images of a true class (row) by answer (column); `mistakes`, indices of the wrong answers of
        highest probability, with `mistakes_label`, `mistakes_answer` and `mistakes_confidence`; `bin_count`,
        `bin_confidence` and `bin_accuracy` [15] over equal bins of the answer's probability; and `ece`, the expected
        calibration error Σ count/N |accuracy - confidence|.

    References:
        Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv 1706.04599.
    """
    classes, answer, confidence = probabilities.shape[1], probabilities.argmax(1), probabilities.max(1)
    right = answer == labels
    # One number for each pair of class and answer, so that one count gives the whole matrix.
    confusion = np.bincount(labels * classes + answer, minlength=classes**2).reshape(classes, classes)
    wrong = np.flatnonzero(~right)
    # Stable, so that equal probabilities keep the order of the images.
    mistakes = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    # Bins are open below and closed above, as in Guo et al.; the clip is for a probability of 0.
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    # An empty bin gives 0/0, NaN, which the sum below leaves out.
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(place, confidence, BINS) / count
        accuracy = np.bincount(place, right, BINS) / count
    ece = np.nansum(count / len(labels) * np.abs(accuracy - mean_confidence))
    return {
        "confusion": confusion,
        "mistakes": mistakes,
        "mistakes_label": labels[mistakes],
        "mistakes_answer": answer[mistakes],
        "mistakes_confidence": confidence[mistakes],
        "bin_count": count,
        "bin_confidence": mean_confidence,
        "bin_accuracy": accuracy,
        "ece": np.array(ece),
    }
