"""Loss and gradient along a direction from a step's start: Santurkar et al. 2018, arXiv 1805.11604, figure 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.display import Axis, Display

if TYPE_CHECKING:
    import jax

    from jaxcifar.landscape import DirectionProbe
    from jaxcifar.measures.context import Step

POINTS = 8
"""Points along a direction, from half to four times the step."""


@dataclass(frozen=True)
class GradientDirection(StepMeasure):
    """Along the negative gradient, from half to four times the learning rate."""

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        """Return the figure of loss, gradient and effective β."""
        return figures("gradient_direction", "along the gradient, from half to four times the learning rate")

    def gradients(self, layers: Layers) -> int:
        """Return one gradient at the start and one per point."""
        return 1 + POINTS

    def compute(self, step: Step) -> dict[str, jax.Array]:
        """Return least and greatest loss and distance of the gradient to that at the start, and the effective β."""
        from jaxcifar import landscape

        step_sizes = landscape.probe_step_sizes(step.learning_rate, POINTS)
        return values("gradient_direction", landscape.gradient_direction_probe(step.loss, step.before, step_sizes))


def values(measure: str, probe: DirectionProbe) -> dict[str, jax.Array]:
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
