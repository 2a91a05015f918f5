"""Correlation of the gradients with respect to the input, by the distance of two inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxcifar.measures.base import InsidePart, SnapshotMeasure
from jaxcifar.measures.context import Snapshots
from jaxcifar.measures.display import Axis, Display

LINES, POINTS = 8, 33
"""Lines from one image to another, and points on each, ends included: 32 steps."""


@dataclass(frozen=True)
class InputGradients(SnapshotMeasure):
    """Cosine of the gradients of a logit at two points between two images; Balduzzi et al. 2017."""

    name: ClassVar[str] = "input_gradients"
    inside: ClassVar[tuple[InsidePart, ...]] = ("logits",)

    def displays(self) -> tuple[Display, ...]:
        caption = (
            f"Cosine of the gradients of the first logit with respect to the image, at two of {POINTS} points between "
            f"two images, by their distance as a share of the whole; mean over {LINES} pairs of images, all in one "
            "batch. White noise would fall to 0 at once. Balduzzi et al. 2017, arXiv 1702.08591."
        )
        axis = Axis("Cosine of the gradients", ("cosine",), across="distance along the line")
        return (Display("input-gradients", "Correlation of input gradients", caption, "profile", (axis,)),)

    def compute(self, snapshots: Snapshots) -> dict[str, Any]:
        """Return `cosine` [snapshots, points], at distances of 0 to 1."""
        import jax.numpy as jnp

        from jaxcifar import landscape

        def cosines(params: Any, images: Any) -> dict[str, Any]:
            lines = min(LINES, len(images) // 2)
            if not lines:
                raise ValueError("a line needs two training images, and there is one.")
            share = jnp.linspace(0, 1, POINTS, dtype=images.dtype)[None, :, None, None, None]
            # Two successive images are the ends of a line; the axis of size 1 broadcasts over its points.
            ends = images[: 2 * lines].reshape(-1, 2, 1, *images.shape[1:])
            inputs = (1 - share) * ends[:, 0] + share * ends[:, 1]
            found = landscape.input_gradient_correlation(lambda x: snapshots.inside(params, x).logits[:, 0], inputs)
            return {"cosine": found}

        return snapshots.on_images(cosines)
