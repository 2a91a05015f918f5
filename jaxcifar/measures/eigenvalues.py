"""Largest and smallest eigenvalues of the Hessian, and what decides stability for the optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Loss, Snapshot, Snapshots
from jaxcifar.measures.display import Axis, Display

if TYPE_CHECKING:
    import jax

ITERATIONS = 20
TOP = 3


@dataclass(frozen=True)
class Eigenvalues(SnapshotMeasure):
    """Extreme eigenvalues of the Hessian by Lanczos, with residuals and the optimizer's stability limit."""

    name: ClassVar[str] = "eigenvalues"
    lanczos: ClassVar[int] = ITERATIONS

    def displays(self) -> tuple[Display, ...]:
        display = Display(
            name="eigenvalues",
            title="Curvature along training",
            caption="Eigenvalues of the Hessian at snapshots of training; bars: the residual ‖Hv - λv‖. The third "
            "panel: what decides stability for the optimizer (for Adam the preconditioned Hessian); its stability line "
            "is that of full-batch training at the learning rate of the step (only SGD and Adam have one).",
            kind="points",
            axes=(
                Axis("Largest eigenvalue", ("top",), scale="log", error="top_residuals"),
                Axis("Smallest eigenvalue", ("bottom",), error="bottom_residuals"),
                Axis(
                    "Against the stability line",
                    ("stability",),
                    scale="log",
                    error="stability_residual",
                    threshold="threshold",
                ),
            ),
        )
        return (display,)

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of Lanczos on the Hessian, and on Adam's preconditioned one."""
        return 2 * 2 * ITERATIONS * snapshots

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `top` and `bottom` [snapshots, k] with residuals, `stability` and `threshold` where there is one."""
        return snapshots.each(lambda loss, state, key: _at(snapshots, loss, state, key))


def _at(snapshots: Snapshots, loss: Loss, state: Snapshot, key: jax.Array) -> dict[str, Any]:
    from jaxcifar import landscape

    hessian = landscape.extreme_eigenvalues(loss, state.params, key, iterations=ITERATIONS, top=TOP)
    found = {
        "top": hessian.top.values,
        "top_residuals": hessian.top.residuals,
        "bottom": hessian.bottom.values,
        "bottom_residuals": hessian.bottom.residuals,
    }
    return found | _stability(snapshots, loss, state, key, hessian)


def _stability(snapshots: Snapshots, loss: Loss, state: Snapshot, key: jax.Array, hessian: Any) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp

    from jaxcifar import landscape
    from jaxcifar.config.optimizer import SGD, Adam, AdamW

    rate = snapshots.learning_rate(state.step)
    match snapshots.optimizer:
        case Adam(beta1=beta1, beta2=beta2, epsilon=epsilon) | AdamW(beta1=beta1, beta2=beta2, epsilon=epsilon):
            # Optax nests states; the search ends at the one with Adam's moments and does not go into it.
            moments = next(part for part in jax.tree.leaves(state.opt_state, is_leaf=_is_adam) if _is_adam(part))
            # At count 0 the bias correction would divide by zero; the result is masked below.
            diagonal = landscape.adam_preconditioner(
                moments.nu, jnp.maximum(moments.count, 1), beta1=beta1, beta2=beta2, epsilon=epsilon
            )
            sharp = landscape.preconditioned_sharpness(loss, state.params, diagonal, key, iterations=ITERATIONS)
            # Before the first step there is no second moment.
            begun = moments.count > 0
            return {
                "stability": jnp.where(begun, sharp.top.values[0], jnp.nan),
                "stability_residual": jnp.where(begun, sharp.top.residuals[0], jnp.nan),
                "threshold": jnp.asarray(landscape.adam_threshold(rate, beta1)),
            }
        case SGD(momentum=momentum, nesterov=nesterov):
            threshold = landscape.nesterov_threshold if nesterov else landscape.momentum_threshold
            return {
                "stability": hessian.top.values[0],
                "stability_residual": hessian.top.residuals[0],
                "threshold": jnp.asarray(threshold(rate, momentum)),
            }
        case _:
            # No stability line is known for the others.
            return {}


def _is_adam(part: Any) -> bool:
    return hasattr(part, "nu") and hasattr(part, "count")
