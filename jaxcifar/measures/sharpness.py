"""Scale-free sharpness of every layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Loss, Snapshot, Snapshots
from jaxcifar.measures.display import Axis, Display

if TYPE_CHECKING:
    import jax

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

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of Lanczos, layer by layer."""
        return 2 * ITERATIONS * layers * snapshots

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `sharpness` [snapshots, layers] and what it is made of."""
        from flax.traverse_util import flatten_dict

        from jaxcifar import landscape

        def sharpness(loss: Loss, state: Snapshot, key: jax.Array) -> dict[str, Any]:
            layers: dict[tuple[str, ...], list[str]] = {}
            for path in flatten_dict(state.params):
                # A parameter at the top of a user's own network is a layer by itself.
                layers.setdefault(path[:-1] or path, []).append("/".join(path))
            blocks = list(layers.values())
            return landscape.block_sharpness(loss, state.params, blocks, key, iterations=ITERATIONS)._asdict()

        return snapshots.each(sharpness)
