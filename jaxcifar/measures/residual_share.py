"""The residual branch's share in the sum of every block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.errors import UserError
from jaxcifar.measures.base import InsidePart, SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display


@dataclass(frozen=True)
class ResidualShare(SnapshotMeasure):
    """Variance of a block's branch as a share of that of branch and shortcut; De and Smith 2020."""

    name: ClassVar[str] = "residual_share"
    inside: ClassVar[tuple[InsidePart, ...]] = ("branches",)

    def displays(self) -> tuple[Display, ...]:
        caption = (
            "Variance of the residual branch over that of branch plus shortcut, block by block: near 0, the block is "
            "close to the identity. De and Smith 2020, arXiv 2002.10444."
        )
        axis = Axis("Share of the residual branch", ("share",), across="block, from first to last")
        return (Display("residual-share", "Share of the residual branch by depth", caption, "profile", (axis,)),)

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `share` [snapshots, blocks]."""
        import jax.numpy as jnp

        from jaxcifar import landscape

        def shares(params: Any, images: Any) -> dict[str, Any]:
            branches = snapshots.inside(params, images).branches
            if not branches:
                raise UserError("The measure residual_share needs a residual network; this one has no branches.")
            return {"share": jnp.stack([landscape.branch_share(*pair) for pair in branches.values()])}

        return snapshots.on_images(shares)
