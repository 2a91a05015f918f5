"""What the views leave on the disk, and how it is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcifar import records

GRADIENTS = "gradients.json"
"""In the run folder: epoch -> layer -> norm of its gradient."""
FEATURES = "features.npz"
"""In the run folder: first-layer filters and the feature maps of an image."""
FOLDER = "views"
SAMPLES = "samples.npz"
"""In the study's folder `views`: images of each class and their names."""
ARCHITECTURE = "architecture.json"
"""In the study's folder `views`: architecture tables and the graphs of blocks."""


def write_json(path: Path, value: Any) -> None:
    """Replaces a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.replacing(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """The file's value, or None where it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Replaces a .npz file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.replacing(path) as file:
        file.write(records.npz(arrays, compressed=True))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The file's arrays, empty where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception:  # a damaged zip raises from several libraries
        return {}


def read_gradients(folder: Path) -> dict[int, dict[str, float]]:
    """Norms of a run's gradients: epoch -> layer, in the order they are applied -> norm; empty where not measured."""
    value = read_json(folder / GRADIENTS)
    norms = value["norms"] if isinstance(value, dict) and "norms" in value else {}
    return {int(epoch): dict(layers) for epoch, layers in norms.items()}
