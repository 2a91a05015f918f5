"""β-smoothness along training: how fast the gradient changes per unit of distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jaxcifar.errors import check_choice
from jaxcifar.measures.base import Layers, Need, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

Batch = Literal["same_batch", "cross_batch"]
BATCHES = {"same_batch": "both gradients on the same batch", "cross_batch": "each gradient on its own batch"}
NEEDS: dict[str, tuple[Need, ...]] = {
    "same_batch": ("gradient_before", "gradient_after"),
    "cross_batch": ("gradient_before", "previous"),
}


@dataclass(frozen=True)
class Beta(StepMeasure):
    """β = ‖g(t+1) - g(t)‖ / ‖w(t+1) - w(t)‖ over each step."""

    batch: Batch = "same_batch"
    """`same_batch` takes both gradients on one batch; `cross_batch`, as the study did, on two successive batches."""

    def __post_init__(self):
        super().__post_init__()
        check_choice("Beta.batch", self.batch, Batch)

    @property
    def needs(self) -> tuple[Need, ...]:
        return NEEDS[self.batch]

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        title = f"β-smoothness ‖g(t+1) - g(t)‖ / ‖w(t+1) - w(t)‖, {BATCHES[self.batch]}"
        # The noise floor is that of one batch; a change across batches is mostly their own noise.
        floor = "noise_floor/beta" if self.batch == "same_batch" else ""
        name = f"beta/{self.batch}"
        short = f"β, {self.batch.replace('_', ' ')}"
        return (series(name, title, short=short, scale="log", running_maximum=True, floor=floor, curvature=True),)

    def compute(self, step: Step) -> Values:
        """Return β."""
        from jaxcifar import landscape

        if self.batch == "cross_batch":
            return {"beta/cross_batch": _cross_batch(step)}
        beta = landscape.beta_from_gradients(step.gradient_before, step.gradient_after, step.before, step.after)
        return {"beta/same_batch": beta}


def _cross_batch(step: Step) -> Any:
    import jax.numpy as jnp

    from jaxcifar import landscape

    # The step before this one leads from the earlier gradient to this one, so its length is the denominator.
    earlier, moved = step.previous
    distance = landscape.distance_from_gradients(earlier, step.gradient_before).distance
    return jnp.where(moved > 0, distance / moved, jnp.nan)
