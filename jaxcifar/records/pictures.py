"""Data for pictures, computed from trained networks: gradients by layer, feature maps, samples, architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcifar.records import forms, seal, snapshots
from jaxcifar.records.files import read_arrays

GRADIENTS = "gradients.json"
"""In the run folder: epoch -> layer -> norm of its gradient, and the role of each layer."""
FEATURES = "features.npz"
"""In the run folder: first-layer filters and the feature maps of an image."""
PREDICTIONS = "predictions.npz"
"""In the run folder: what the newest checkpoint answers on the test images."""
FOLDER = "views"
SAMPLES = "samples.npz"
"""In the study's folder `views`: images of each class and their names."""
ARCHITECTURE = "architecture.json"
"""In the study's folder `views`: architecture tables and the graphs of blocks."""


def write_gradients(
    folder: Path, batch: int, norms: Mapping[str, Mapping[str, float]], roles: Mapping[str, str]
) -> None:
    """Write the norms of a run's gradients.

    Args:
        folder: the run folder.
        batch: number of images of the batch.
        norms: epoch -> layer, in the order of application -> norm.
        roles: layer -> role, such as `convolution`, `shortcut` (around the main path) or `linear`.
    """
    seal.write(folder / GRADIENTS, {"batch": batch, "norms": norms, "roles": roles})


def read_gradients(folder: Path, *roles: str, problems: list[str] | None = None) -> dict[int, dict[str, float]]:
    """Return the norms of a run's gradients: epoch -> layer, in the order of application -> norm; empty without any.

    Args:
        folder: the run folder.
        roles: the roles of the layers that are wanted; all where none is named.
        problems: as in `read_json`.
    """
    path = folder / GRADIENTS
    stored: Any = forms.kept(seal.read(path, problems), forms.GRADIENTS, path, problems)
    known = stored.get("roles", {})

    def wanted(layer: str) -> bool:
        return not roles or (known[layer] if layer in known else _role_by_name(layer)) in roles

    return {
        int(epoch): {layer: math.nan if norm is None else norm for layer, norm in layers.items() if wanted(layer)}
        for epoch, layers in stored.get("norms", {}).items()
        # A longer text is no epoch, and Python refuses to convert thousands of digits.
        if epoch.isdecimal() and len(epoch) < 10
    }


def write_architecture(folder: Path, value: Mapping[str, Any]) -> None:
    """Write a study's architecture tables and graphs."""
    seal.write(folder / FOLDER / ARCHITECTURE, value)


def read_architecture(folder: Path, problems: list[str] | None = None) -> dict[str, Any]:
    """Return a study's architecture tables and graphs, empty where they have not been computed."""
    return seal.read(folder / FOLDER / ARCHITECTURE, problems)


def damaged(folder: Path, runs: Sequence[Path]) -> list[str]:
    """Return a sentence for each picture or measure of a study that cannot be read.

    Args:
        folder: the study's.
        runs: its runs' folders.
    """
    problems: list[str] = []
    read_architecture(folder, problems)
    read_arrays(folder / FOLDER / SAMPLES, problems)
    for run in runs:
        read_gradients(run, problems=problems)
        read_arrays(run / FEATURES, problems)
        read_arrays(run / PREDICTIONS, problems)
        for measure in snapshots.taken(run):
            path = snapshots.path(run, measure)
            read_arrays(path, problems)
            seal.read(path.with_suffix(".json"), problems)
    return problems


def _role_by_name(layer: str) -> str:
    """The role of a layer in a record of the first version, which did not store roles."""
    return "shortcut" if "shortcut" in layer else "convolution" if "conv" in layer else "linear"
