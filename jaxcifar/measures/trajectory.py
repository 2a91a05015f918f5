"""The path of training in the plane of its two principal directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display


@dataclass(frozen=True)
class Trajectory(SnapshotMeasure):
    """The path through the snapshots in its principal plane, with the loss on that plane."""

    name: ClassVar[str] = "trajectory"
    # Two principal directions need three points.
    snapshots: ClassVar[int] = 3

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "Contours: the loss in the plane of the path's two principal directions through its end; numbers at the "
            "points: the true loss of that snapshot, which is off the plane. A random walk also puts most of its "
            "variance into two directions."
        )
        return (Display("trajectory", "The path of training", caption, "path", (Axis("Loss", ("losses",)),)),)

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of a forward pass at every point."""
        return points**2 / 3

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `coordinates` [snapshots, 2], `explained`, `off_plane`, `true_losses`, and the plane around them."""
        import numpy as np

        from jaxcifar import landscape

        loss = snapshots.loss
        path = landscape.trajectory(loss, [state.params for state in snapshots.states])
        low, high = np.asarray(path.coordinates).min(0), np.asarray(path.coordinates).max(0)
        # One margin for both axes, with a lower bound for a path that did not move, whose grid would be one point.
        room = 0.2 * max(float((high - low).max()), 1e-6)
        x, y = (np.linspace(low[k] - room, high[k] + room, snapshots.points) for k in range(2))
        around = landscape.plane(loss, path.origin, path.directions, x, y, progress=snapshots.advance)
        kept = {name: getattr(path, name) for name in ("coordinates", "explained", "off_plane")}
        return {**kept, "true_losses": path.losses, **around._asdict()}
