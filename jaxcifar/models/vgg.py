"""VGG-A and its light form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar.models import layers

Layer = Callable[..., Any]


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each closed by a 2x2 max-pool, then a head of three linear layers.

    Maps images [N, 32, 32, 3] to logits [N, 10] in float32 or higher. Simonyan and Zisserman 2015, arXiv 1409.1556,
    configuration A, with the study's head.
    """

    stages: Sequence[Sequence[int]]
    head: int
    dropout: float
    conv: Layer
    norm: Layer
    noise: Layer
    linear: Layer
    activation: Callable[[jax.Array], jax.Array]
    activation_and_pool: Callable[[jax.Array], jax.Array]
    classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for stage, widths in enumerate(self.stages, 1):
            for index, width in enumerate(widths, 1):
                conv, norm = self.conv(width, name=f"conv{stage}_{index}"), self.norm(name=f"norm{stage}_{index}")
                x = self.noise(name=f"noise{stage}_{index}")(layers.normalized(conv, norm, x, train), train)
                x = self.activation(x) if index < len(widths) else self.activation_and_pool(x)
        x = x.reshape(x.shape[0], -1)
        for index in (1, 2):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
            x = self.activation(self.linear(self.head, name=f"linear{index}")(x))
        x = self.linear(self.classes, name="output")(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
