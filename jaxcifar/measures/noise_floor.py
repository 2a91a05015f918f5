"""The noise floor: what rounding alone makes of a gradient's distance and of β."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxcifar.measures.base import Layers, Need, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

WHAT = {
    "distance": "distance of the gradients",
    "relative": "distance relative to the gradient's norm",
    "beta": "distance of the gradients over the length of the step",
}


@dataclass(frozen=True)
class NoiseFloor(StepMeasure):
    """The gradient of one batch in two orders of its images, which agree in exact arithmetic."""

    refuses_randomness: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return ("gradient_before",)

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        return tuple(
            series(
                f"noise_floor/{name}",
                f"Noise floor: one batch in two orders, {what}",
                short=f"Noise floor, {name}" if name != "beta" else "Noise floor of β",
                scale="log",
            )
            for name, what in WHAT.items()
        )

    def gradients(self, layers: Layers) -> int:
        """Return 1, the gradient of the reordered batch."""
        return 1

    def compute(self, step: Step) -> Values:
        """Return the distance of the two gradients, also relative to their norm and over the length of the step."""
        import jax

        from jaxcifar import landscape

        # Another order of the images is another order of the sums, so the two differ by rounding only.
        gradient, again = step.gradient_before, jax.grad(step.reordered)(step.before)
        floor = landscape.noise_floor_from_gradients(gradient, again)
        # Both gradients are at one point; over the length of the step, their distance is what rounding adds to β.
        beta = landscape.beta_from_gradients(gradient, again, step.before, step.after)
        return {
            "noise_floor/distance": floor.distance,
            "noise_floor/relative": floor.relative,
            "noise_floor/beta": beta,
        }
