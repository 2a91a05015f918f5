"""Spectral density of the Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display

ITERATIONS = 20
SAMPLES = 4
POINTS = 4001


@dataclass(frozen=True)
class Density(SnapshotMeasure):
    """Density of the Hessian's eigenvalues by stochastic Lanczos quadrature."""

    name: ClassVar[str] = "density"
    lanczos: ClassVar[int] = ITERATIONS

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "Density of the Hessian's eigenvalues by stochastic Lanczos quadrature, logarithmic, each snapshot above "
            "the one before it, one line per seed. The eigenvalue axis is linear near 0 and logarithmic beyond."
        )
        axes = (Axis("Spectral density", ("grid", "density")),)
        return (Display("density", "Spectrum along training", caption, "spectrum", axes),)

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of Lanczos."""
        return 2 * ITERATIONS * SAMPLES * snapshots

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `grid` and `density` [snapshots, points] and what they are made of."""
        from jaxcifar import landscape

        return snapshots.each(
            lambda loss, state, key: landscape.spectral_density(
                loss, state.params, key, iterations=ITERATIONS, samples=SAMPLES, points=POINTS
            )._asdict()
        )
