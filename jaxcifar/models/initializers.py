"""Initial weights as the field names them; `torch` is PyTorch's default for convolutions and linear layers."""

from __future__ import annotations

import math
from typing import Any, assert_never

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar.config import Initialization

Initializer = nn.initializers.Initializer


def kernel(kind: Initialization) -> Initializer:
    """Return initial kernels: `torch` U(±1/sqrt(fan_in)), `xavier` N(0, 2/(fan_in + fan_out)), `he` N(0, 2/fan_in),
    `dirac` copies each input channel to the first outputs of a convolution and is `torch` elsewhere.

    References:
        Glorot and Bengio 2010; He et al. 2015, arXiv 1502.01852. PyTorch's Kaiming-uniform with a = sqrt(5) has the
        limit sqrt(6 / ((1 + 5) fan_in)) = 1/sqrt(fan_in). The normals are plain, not truncated.
    """
    match kind:
        case "torch":
            # Flax's limit is sqrt(3 scale / fan_in), so a scale of 1/3 gives 1/sqrt(fan_in).
            return nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        case "xavier":
            return nn.initializers.variance_scaling(1.0, "fan_avg", "normal")
        case "he":
            return nn.initializers.variance_scaling(2.0, "fan_in", "normal")
        case "dirac":
            return _dirac
        case unknown:
            assert_never(unknown)


def _dirac(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """A convolution [kh, kw, C, F] whose output f < C is the input channel f."""
    values = kernel("torch")(key, shape, dtype)
    if len(shape) < 4:
        return values
    rows, columns, channels, _ = shape
    identity = jnp.zeros_like(values).at[rows // 2, columns // 2].set(jnp.eye(*shape[2:], dtype=dtype))
    # With fewer outputs than inputs both slices end at the last output.
    return values.at[..., :channels].set(identity[..., :channels])


def bias(kind: Initialization, fan_in: int) -> Initializer:
    """Return initial biases: `torch` U(±1/sqrt(fan_in)), else 0."""
    if kind != "torch":
        return nn.initializers.zeros
    limit = 1 / math.sqrt(fan_in)
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -limit, limit)
