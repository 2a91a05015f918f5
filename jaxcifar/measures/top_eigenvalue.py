"""The largest eigenvalue of the Hessian along training, on each step's own batch."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcifar.errors import check_count
from jaxcifar.measures.base import Layers, StepMeasure
from jaxcifar.measures.context import Step, Values
from jaxcifar.measures.display import Display, series

NAME = "top_eigenvalue/value"


@dataclass(frozen=True)
class TopEigenvalue(StepMeasure):
    """λ of the Hessian before the step by Lanczos, with the residual ‖Hv - λv‖, which bounds its error."""

    iterations: int = 12
    """Hessian-vector products; each costs about two gradients."""

    def __post_init__(self):
        super().__post_init__()
        check_count("TopEigenvalue.iterations", self.iterations, 1, 1000)

    def displays(self, layers: Layers) -> tuple[Display, ...]:
        import dataclasses

        figure = series(NAME, "Largest eigenvalue of the Hessian on the step's batch", short="λ", scale="log")
        return (dataclasses.replace(figure, others=("top_eigenvalue/residual",)),)

    def gradients(self, layers: Layers) -> int:
        """Return the cost in gradients: one, and about two for each product, of which the residual takes one."""
        return 1 + 2 * self.iterations + 2

    def compute(self, step: Step) -> Values:
        """Return the eigenvalue and its residual."""
        import jax

        from jaxcifar import landscape

        size = sum(leaf.size for leaf in jax.tree.leaves(step.before))
        # Lanczos takes at most one iteration per parameter.
        iterations = min(self.iterations, size)
        # One start vector for all steps, so that a change along training does not come from the vector.
        found = landscape.extreme_eigenvalues(
            step.loss, step.before, jax.random.key(0), iterations=iterations, top=1, bottom=0
        )
        return {NAME: found.top.values[0], "top_eigenvalue/residual": found.top.residuals[0]}
