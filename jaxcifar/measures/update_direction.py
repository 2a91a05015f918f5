"""Loss and gradient along the optimizer's update, the direction that training takes."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display
from jaxcifar.measures.gradient_direction import POINTS, figures, values


@dataclass(frozen=True)
class UpdateDirection(StepMeasure):
    """Along the optimizer's update, from half to four times its length."""

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        return figures("update_direction", "along the optimizer's update, from half to four times its length")

    def gradients(self, layers: Layers) -> int:
        """Return one gradient at the start and one per point."""
        return 1 + POINTS

    def compute(self, step: Step) -> Values:
        """Return the same values as `GradientDirection` along the update."""
        from jaxcifar import landscape

        # The update already holds the learning rate, so the step sizes are plain multiples of it.
        multiples = landscape.probe_step_sizes(1.0, POINTS)
        return values("update_direction", landscape.direction_probe(step.loss, step.before, step.update, multiples))
