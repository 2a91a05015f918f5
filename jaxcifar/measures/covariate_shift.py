"""Internal covariate shift of every layer: Santurkar et al. 2018, arXiv 1805.11604, definition 2.1."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Axis, Display


@dataclass(frozen=True)
class CovariateShift(StepMeasure):
    """Change of a layer's gradient when the layers before it take their step, one gradient per layer."""

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        names = list(layers)
        if not names:
            return ()
        # In networks of one or two layers the middle one is the last, which is shown once.
        shown = dict.fromkeys((names[len(names) // 2], names[-1]))
        axes = []
        for layer in shown:
            axes.append(Axis(f"Distance, {layer}", (f"covariate_shift/distance/{layer}",), scale="log"))
            axes.append(Axis(f"Cosine, {layer}", (f"covariate_shift/cosine/{layer}",)))
        display = Display(
            name="covariate-shift",
            title="Internal covariate shift",
            caption="Gradient of a layer before and after the layers before it have taken their step, on one batch: "
            "the distance of the two (0: no shift) and their cosine (1: no shift). A middle layer and the last. "
            "Santurkar et al. 2018, definition 2.1.",
            kind="range",
            axes=tuple(axes),
            others=tuple(f"covariate_shift/{what}/{layer}" for what in ("distance", "cosine") for layer in names),
        )
        return (display,)

    def gradients(self, layers: Layers) -> int:
        """Return one gradient per layer."""
        return len(layers)

    def compute(self, step: Step) -> Values:
        """Return distance and cosine for every layer."""
        from jaxcifar import landscape

        shift = landscape.covariate_shift(step.loss, step.before, step.after, list(step.layers.values()))
        rows = shift._asdict().items()
        return {f"covariate_shift/{what}/{name}": v[i] for what, v in rows for i, name in enumerate(step.layers)}
