"""The study's activations, as PyTorch means them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

import jax
from flax import linen as nn

from jaxcifar.config import Activation
from jaxcifar.models.layers import max_pool_2x2


def activation(kind: Activation) -> Callable[[jax.Array], jax.Array]:
    """Return the elementwise function: leaky ReLU with slope 0.01 below zero, softplus log(1 + exp x), GELU x Φ(x)."""
    match kind:
        case "relu":
            return nn.relu
        case "sigmoid":
            return nn.sigmoid
        case "leaky_relu":
            return nn.leaky_relu
        case "tanh":
            return nn.tanh
        case "softplus":
            return nn.softplus
        case "gelu":
            # Flax's default is the tanh approximation, PyTorch's the exact function.
            return partial(nn.gelu, approximate=False)
        case unknown:
            assert_never(unknown)


def activation_and_pool(kind: Activation) -> Callable[[jax.Array], jax.Array]:
    """Return 2x2 max-pooling of the activation; an increasing one comes after pooling, to a quarter of the values."""
    function = activation(kind)
    # GELU decreases below -0.75.
    if kind == "gelu":
        return lambda x: max_pool_2x2(function(x))
    return lambda x: function(max_pool_2x2(x))
