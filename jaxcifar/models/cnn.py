"""The study's basic network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar.models import layers

Layer = Callable[..., Any]


class CNN(nn.Module):
    """Convolution (with BatchNorm if asked for), 2x2 max-pool and activation per width, then fully-connected layers.

    Maps images [N, 32, 32, 3] to logits [N, 10] in float32 or higher.
    """

    widths: Sequence[int]
    head: Sequence[int]
    dropout: float
    dropout_layers: int
    conv: Layer
    norm: Layer
    linear: Layer
    activation: Callable[[jax.Array], jax.Array]
    classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for index, width in enumerate(self.widths, 1):
            conv, norm = self.conv(width, name=f"conv{index}"), self.norm(name=f"norm{index}")
            x = layers.normalized(conv, norm, x, train)
            x = self.activation(layers.max_pool_2x2(x))
        x = x.reshape(x.shape[0], -1)
        for index, width in enumerate(self.head, 1):
            x = self.activation(self.linear(width, name=f"linear{index}")(x))
            if index <= self.dropout_layers:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = self.linear(self.classes, name="output")(x)
        if self.dropout_layers > len(self.head):
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        # The loss needs float32: numbers in bfloat16 have only two or three digits.
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
