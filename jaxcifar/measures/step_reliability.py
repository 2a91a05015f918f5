"""Step reliability: how large a step the gradient predicts well. It does not depend on the scale of the weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

DECREASES = (0.03, 0.1, 0.3, 1.0)
"""Predicted relative decreases c of the loss."""
SHOWN = 0.1
"""The one that is drawn; the others are in the figures' CSV."""
WHAT = {
    "gradient_change": ("κ = ‖g(w - αg) - g‖ / ‖g‖", "change of the gradient, 0 for a gradient that can be trusted"),
    "cosine": ("cosine of the gradients", "cosine of the gradients there and at the start, 1 at best"),
    "decrease_ratio": ("ρ, real over predicted", "real over predicted decrease of the loss, 1 at best"),
}


@dataclass(frozen=True)
class StepReliability(StepMeasure):
    """Steps α = c L/‖g‖² along the gradient, and the optimizer's own step, against what the gradient predicts."""

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        found = []
        for name, (short, what) in WHAT.items():
            arrays = {c: f"step_reliability/{name}/{c:g}" for c in DECREASES}
            where = f"a step that should lower the loss by {SHOWN:.0%}"
            title = f"Step reliability: {short} over {where}"
            scale = "log" if name == "gradient_change" else "linear"
            figure = series(arrays[SHOWN], title, short=f"{short}, c = {SHOWN:g}", scale=scale)
            caption = f"{what[0].upper()}{what[1:]}, over {where}: α = c L/‖g‖², on the step's own batch."
            others = tuple(arrays[c] for c in DECREASES if c != SHOWN)
            found.append(dataclasses.replace(figure, caption=caption, others=others))
        safe = "Largest step that does not raise the loss"
        found.append(
            series(
                "step_reliability/largest_safe",
                safe,
                short="largest safe c",
                scale="log",
                caption=f"{safe}, as the relative decrease c that it predicts, of {', '.join(map(str, DECREASES))}.",
            )
        )
        own = [f"update_reliability/{name}" for name in WHAT]
        figure = series(
            own[0], "The optimizer's own step: change of the gradient κ", short="κ of the own step", scale="log"
        )
        return (*found, dataclasses.replace(figure, others=(*own[1:], "update_reliability/relative_decrease")))

    def gradients(self, layers: Layers) -> int:
        """Return one gradient at the start, one per c, and two for the optimizer's own step."""
        return 1 + len(DECREASES) + 2

    def compute(self, step: Step) -> Values:
        """Return κ, cosine and ρ for every c and for the optimizer's own step, and the largest safe c."""
        from jaxcifar import landscape

        found = landscape.step_reliability(step.loss, step.before, DECREASES)
        values = {
            f"step_reliability/{name}/{c:g}": getattr(found, name)[i] for name in WHAT for i, c in enumerate(DECREASES)
        }
        own = landscape.update_reliability(step.loss, step.before, step.update)
        values |= {f"update_reliability/{name}": value for name, value in own._asdict().items()}
        return {**values, "step_reliability/largest_safe": found.largest_safe}
