"""The loss on a plane around the end of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display


@dataclass(frozen=True)
class Plane(SnapshotMeasure):
    """The loss on a plane of two random filter-normalised directions through the last snapshot."""

    name: ClassVar[str] = "plane"

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "The loss around the last snapshot along two random filter-normalised directions (1: as long as the "
            "weights); contours of every seed, surface of the first; logarithmic, one scale of colours and heights for "
            "all."
        )
        return (Display("plane", "The loss on a plane", caption, "plane", (Axis("Loss", ("losses",)),)),)

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of a forward pass at every point."""
        return points**2 / 3

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `x` and `y` [points] and `losses` [points, points]."""
        import jax
        import numpy as np

        from jaxcifar import landscape

        axis, params = np.linspace(-1, 1, snapshots.points), snapshots.states[-1].params
        # One key for every run: planes of runs differ by their weights and not by the random numbers.
        directions = landscape.random_directions(params, jax.random.key(0))
        return landscape.plane(snapshots.loss, params, directions, axis, axis, progress=snapshots.advance)._asdict()
