"""γ/σ of every BatchNorm: the factor by which it changes the gradient."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.errors import UserError
from jaxcifar.measures.base import Layers, StepMeasure, normed_layers
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Axis, Display

EPSILON = 1e-5
"""Added to the variance, as BatchNorm does."""


@dataclass(frozen=True)
class GammaOverSigma(StepMeasure):
    """|γ|/σ of every layer that a normalisation follows, median over channels.

    γ is the normalisation's scale and σ the deviation of its input over the step's batch and the image. By theorem 4.1
    of Santurkar et al. 2018 (arXiv 1805.11604) the squared length of the loss gradient by a layer's output is at most
    γ²/σ² times that without BatchNorm: the bound promises smoothing only where γ/σ is below 1. Other normalisations
    take other deviations; the figure is that of batch and image for them too. Costs a forward pass; a network without
    normalisation gets no arrays.
    """

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        names = list(normed_layers(layers))
        if not names:
            return ()
        # Networks with few layers would show one of them twice.
        shown = dict.fromkeys((names[0], names[len(names) // 2], names[-1]))
        display = Display(
            name="gamma-over-sigma",
            title="γ/σ of the normalisations",
            caption="Scale of the normalisation over the deviation of its input, median over channels: by theorem 4.1 "
            "of Santurkar et al. 2018, BatchNorm shortens gradients where it is below 1. The first, a middle and the "
            "last layer.",
            kind="range",
            axes=tuple(Axis(f"γ/σ, {layer}", (f"gamma_over_sigma/{layer}",), scale="log") for layer in shown),
            others=tuple(f"gamma_over_sigma/{layer}" for layer in names),
        )
        return (display,)

    def gradients(self, layers: Layers) -> int:
        """Return one for its forward pass, which costs about a third of a gradient."""
        return 1 if normed_layers(layers) else 0

    def compute(self, step: Step) -> Values:
        """Return the median over channels of |γ|/σ for every layer, before the step."""
        import jax.numpy as jnp

        normed = normed_layers(step.layers)
        if not normed:
            return {}
        if step.inside is None:
            raise UserError("GammaOverSigma needs the network's layers, which a loss alone does not show.")
        taken = step.inside(step.before).normalized
        found = {}
        for layer, norm in normed.items():
            values = taken[norm]
            deviation = jnp.sqrt(values.var(tuple(range(values.ndim - 1))) + EPSILON)
            # A normalisation without a scale has the scale 1.
            scale = step.at(step.before, norm).get("scale", 1.0)
            # The bound holds γ², so its sign does not matter. A channel that is almost constant has a huge quotient,
            # which would dominate a mean.
            found[f"gamma_over_sigma/{layer}"] = jnp.median(jnp.abs(scale) / deviation)
        return found
