"""Scale-free sharpness of every layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display

ITERATIONS = 10


@dataclass(frozen=True)
class Sharpness(SnapshotMeasure):
    """‖w‖² times the largest eigenvalue of each layer's own Hessian."""

    name: ClassVar[str] = "sharpness"
    lanczos: ClassVar[int] = ITERATIONS

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "‖w‖² times the largest eigenvalue of a layer's own Hessian, of the layer where it is largest; it does not "
            "change when a layer before BatchNorm is rescaled."
        )
        axis = Axis("Largest ‖w‖² λ over layers", ("sharpness",), unit="nats", scale="log", largest=True)
        return (Display("sharpness", "Sharpness free of scale", caption, "points", (axis,)),)

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `sharpness` [snapshots, layers] and what it is made of."""
        from jaxcifar import landscape

        return snapshots.each(
            lambda loss, state, key: landscape.block_sharpness(
                loss, state.params, list(state.params), key, iterations=ITERATIONS
            )._asdict()
        )
