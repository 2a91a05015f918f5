"""What is computed from trained networks for pictures: gradients by layer, feature maps, samples, architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxcifar.records.files import read_json

GRADIENTS = "gradients.json"
"""In the run folder: epoch -> layer -> norm of its gradient."""
FEATURES = "features.npz"
"""In the run folder: first-layer filters and the feature maps of an image."""
FOLDER = "views"
SAMPLES = "samples.npz"
"""In the study's folder `views`: images of each class and their names."""
ARCHITECTURE = "architecture.json"
"""In the study's folder `views`: architecture tables and the graphs of blocks."""


def read_gradients(folder: Path) -> dict[int, dict[str, float]]:
    """Return the norms of a run's gradients: epoch -> layer, in the order of application -> norm; empty without any."""
    norms: Any = read_json(folder / GRADIENTS).get("norms", {})
    return {int(epoch): dict(layers) for epoch, layers in norms.items()}
