"""Loss and gradient along a direction from a step's start: Santurkar et al. 2018, arXiv 1805.11604, figure 4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxcifar.errors import UserError, several
from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Axis, Display

if TYPE_CHECKING:
    from jaxcifar.landscape import DirectionProbe


POINTS = 8
"""Points along a direction, from half to four times the step."""


@dataclass(frozen=True)
class GradientDirection(StepMeasure):
    """Along the negative gradient, from half to four times the learning rate, or over given steps."""

    steps: tuple[float, float] | None = None
    """First and last step α; half and four times the learning rate where it is None. Santurkar et al. take 0.05 and
    0.4 for VGG."""

    def __post_init__(self):
        super().__post_init__()
        if self.steps is not None:
            object.__setattr__(self, "steps", several("GradientDirection.steps", self.steps))
            if not (len(self.steps) == 2 and 0 < self.steps[0] < self.steps[1] < math.inf):
                raise UserError(f"GradientDirection.steps is {self.steps!r}; give the first and a greater last step.")

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        span = "half to four times the learning rate" if self.steps is None else "α = {:g} to {:g}".format(*self.steps)
        return figures("gradient_direction", f"along the gradient, from {span}")

    def gradients(self, layers: Layers) -> int:
        """Return one gradient at the start and one per point."""
        return 1 + POINTS

    def compute(self, step: Step) -> Values:
        """Return least and greatest loss and distance of the gradient to that at the start, and the effective β."""
        from jaxcifar import landscape

        if self.steps is None:
            step_sizes = landscape.probe_step_sizes(step.learning_rate, POINTS)
        else:
            # At a learning rate of 1 the multiples are the steps themselves.
            step_sizes = landscape.probe_step_sizes(1.0, POINTS, *self.steps)
        return values("gradient_direction", landscape.gradient_direction_probe(step.loss, step.before, step_sizes))


def values(measure: str, probe: DirectionProbe) -> Values:
    """Return the arrays of a direction."""
    return {
        f"{measure}/loss_low": probe.losses.min(),
        f"{measure}/loss_high": probe.losses.max(),
        f"{measure}/distance_low": probe.gradient_distance.min(),
        f"{measure}/distance_high": probe.gradient_distance.max(),
        f"{measure}/beta": probe.effective_beta,
    }


def figures(measure: str, where: str) -> tuple[Display, ...]:
    """Return the figure of a direction."""
    loss, distance = ((f"{measure}/{what}_low", f"{measure}/{what}_high") for what in ("loss", "distance"))
    display = Display(
        name=measure.replace("_", "-"),
        title=f"Loss and gradient {where}",
        caption=f"At a measured step, on its own batch, {where}: least and greatest loss; least and greatest distance "
        "of the gradient there to the one at the start (smaller: more predictive); and the effective β, the greatest "
        "distance over the way. Santurkar et al. 2018, figure 4.",
        kind="range",
        axes=(
            Axis("Loss", loss, unit="nats per image"),
            Axis("Gradient distance", distance, scale="log"),
            Axis("Effective β", (f"{measure}/beta",), scale="log"),
        ),
    )
    return (display,)
