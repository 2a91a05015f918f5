"""Rank of the features of every layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import InsidePart, SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display


@dataclass(frozen=True)
class FeatureRank(SnapshotMeasure):
    """Number of directions in which the images of a batch differ, layer by layer; Daneshmand et al. 2020."""

    name: ClassVar[str] = "feature_rank"
    inside: ClassVar[tuple[InsidePart, ...]] = ("features",)

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "Rank of the features of a batch after each layer, (tr M)² / ‖M‖² of M = HHᵀ: 1 where all images have the "
            "same features up to a factor. Daneshmand et al. 2020, arXiv 2003.01652."
        )
        axis = Axis("Rank of the features", ("rank",), scale="log", across="layer, from first to last")
        return (Display("feature-rank", "Rank of the features by depth", caption, "profile", (axis,)),)

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `rank` [snapshots, layers]."""
        import jax.numpy as jnp

        from jaxcifar import landscape

        def ranks(params: Any, images: Any) -> dict[str, Any]:
            features = snapshots.inside(params, images).features
            return {"rank": jnp.stack([landscape.feature_rank(values) for values in features.values()])}

        return snapshots.on_images(ranks)
