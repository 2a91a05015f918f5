"""Trace of the Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display

SAMPLES = 10


@dataclass(frozen=True)
class Trace(SnapshotMeasure):
    """Trace of the Hessian by Hutchinson's estimator, with its standard error."""

    name: ClassVar[str] = "trace"

    def displays(self) -> tuple[Display, ...]:
        axis = Axis("Trace", ("mean",), error="standard_error")
        caption = "Trace of the Hessian at snapshots of training; bars: the estimator's standard error."
        return (Display("trace", "Trace of the Hessian", caption, "points", (axis,)),)

    def gradients(self, layers: int, snapshots: int, points: int) -> float:
        """Return those of the estimator's products."""
        return 2 * SAMPLES * snapshots

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `mean` and `standard_error` [snapshots]."""
        from jaxcifar import landscape

        return snapshots.each(
            lambda loss, state, key: landscape.hessian_trace(loss, state.params, key, samples=SAMPLES)._asdict()
        )
