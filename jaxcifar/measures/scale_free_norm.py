"""Length of the weights whose scale a normalisation makes free, and their effective learning rate."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from jaxcifar.measures.base import Layers, StepMeasure, normed_layers
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

WHOSE = "the kernels that a normalisation follows, whose scale does not change the loss"


@dataclass(frozen=True)
class ScaleFreeNorm(StepMeasure):
    """‖w‖ of the kernels that a normalisation follows, and the effective learning rate η/‖w‖².

    Since L(kw) = L(w) for these w, a step of rate η turns them as one of rate η/k² turns kw (van Laarhoven 2017, arXiv
    1706.05350; Hoffer et al. 2018, arXiv 1803.01814). It is exact but for the normalisation's ε and for what group and
    layer normalisation leave of the layer's own bias. A network without normalisation gets no arrays.
    """

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        normed = normed_layers(layers)
        if not normed:
            return ()
        length = series(
            "scale_free_norm/all",
            "Length of the weights that are free of scale",
            short="‖w‖ before normalisations",
            caption=f"‖w‖ of {WHOSE}.",
        )
        rate = series(
            "scale_free_norm/effective_rate",
            "Effective learning rate",
            short="η/‖w‖²",
            scale="log",
            caption=f"η/‖w‖² of {WHOSE}: it is what turns them.",
        )
        return (dataclasses.replace(length, others=tuple(f"scale_free_norm/{layer}" for layer in normed)), rate)

    def compute(self, step: Step) -> Values:
        """Return ‖w‖ of every such layer and of all together before the step, and η/‖w‖²."""
        import jax.numpy as jnp

        from jaxcifar import landscape

        found = {layer: landscape.tree_norm(step.kernel_of(step.before, layer)) for layer in normed_layers(step.layers)}
        if not found:
            return {}
        square = jnp.sum(jnp.stack([jnp.square(length) for length in found.values()]))
        whole = {"scale_free_norm/all": jnp.sqrt(square), "scale_free_norm/effective_rate": step.learning_rate / square}
        return {f"scale_free_norm/{layer}": length for layer, length in found.items()} | whole
