"""Distance and cosine of successive gradients."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.errors import check_choice
from jaxcifar.measures.base import Layers, Need, StepMeasure
from jaxcifar.measures.beta import BATCHES, NEEDS, Batch
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

PARTS = {"last_linear": "last linear layer", "all": "all parameters"}


@dataclass(frozen=True)
class GradientDistance(StepMeasure):
    """‖g(t+1) - g(t)‖ and the cosine of the two gradients, of the last linear layer and of all parameters."""

    batch: Batch = "same_batch"
    """As of `Beta`."""

    def __post_init__(self):
        super().__post_init__()
        check_choice("GradientDistance.batch", self.batch, Batch)

    @property
    def needs(self) -> tuple[Need, ...]:
        return NEEDS[self.batch]

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        found = []
        for part, where in PARTS.items():
            # The noise floor is measured for the whole gradient, on one batch.
            floor = "noise_floor/distance" if (self.batch, part) == ("same_batch", "all") else ""
            title = f"Distance of successive gradients ‖g(t+1) - g(t)‖, {where}, {BATCHES[self.batch]}"
            short = f"Gradient distance, {where}, {self.batch.replace('_', ' ')}"
            found.append(series(f"gradient_distance/{self.batch}/{part}", title, short=short, scale="log", floor=floor))
        for part, where in PARTS.items():
            title = f"Cosine of successive gradients, {where}, {BATCHES[self.batch]}"
            short = f"Gradient cosine, {where}, {self.batch.replace('_', ' ')}"
            found.append(series(f"gradient_cosine/{self.batch}/{part}", title, short=short))
        return tuple(found)

    def compute(self, step: Step) -> Values:
        """Return distance and cosine of either part."""
        import jax.numpy as jnp

        from jaxcifar import landscape

        crosses = self.batch == "cross_batch"
        before, after = (
            (step.previous.gradient, step.gradient_before) if crosses else (step.gradient_before, step.gradient_after)
        )
        found = {}
        for part in PARTS:
            pair = (before, after) if part == "all" else (step.last_linear(before), step.last_linear(after))
            for name, value in landscape.distance_from_gradients(*pair)._asdict().items():
                # There is no step before the first.
                value = jnp.where(jnp.isnan(step.previous.moved), jnp.nan, value) if crosses else value
                found[f"gradient_{name}/{self.batch}/{part}"] = value
        return found
