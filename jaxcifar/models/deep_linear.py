"""A deep network without activations: what depth and BatchNorm do to a function that stays linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar.models import layers

Layer = Callable[..., Any]


class DeepLinear(nn.Module):
    """Linear layers, each but the last followed by BatchNorm if asked for.

    Maps images [N, 32, 32, 3] to logits [N, 10] in float32 or higher. Santurkar et al. 2018, arXiv 1805.11604.
    """

    depth: int
    width: int
    norm: Layer
    linear: Layer
    classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        # BatchNorm takes images, so the features are those of one pixel.
        x = x.reshape(x.shape[0], 1, 1, -1)
        for index in range(1, self.depth):
            linear, norm = self.linear(self.width, name=f"linear{index}"), self.norm(name=f"norm{index}")
            x = layers.normalized(linear, norm, x, train)
        x = self.linear(self.classes, name="output")(x.reshape(x.shape[0], -1))
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
