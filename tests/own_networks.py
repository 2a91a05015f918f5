"""Networks, an optimizer and a loss of a user's own, for tests."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import nnx


class Small(nn.Module):
    """A convolution with BatchNorm, dropout and a linear layer."""

    width: int = 4
    classes: int = 10

    @nn.compact
    def __call__(self, x, train: bool):
        x = nn.Conv(self.width, (3, 3), strides=2, name="stem")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, name="norm")(x)).mean((1, 2))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return nn.Dense(self.classes, name="head")(x)


class Block(nn.Module):
    """A block of a vision transformer: attention and an MLP, each after a LayerNorm."""

    width: int

    @nn.compact
    def __call__(self, x, deterministic: bool):
        x = x + nn.MultiHeadDotProductAttention(2, deterministic=deterministic, name="attention")(nn.LayerNorm()(x))
        y = nn.gelu(nn.Dense(2 * self.width, name="up")(nn.LayerNorm()(x)))
        return x + nn.Dense(self.width, name="down")(y)


class ViT(nn.Module):
    """A vision transformer on 8 x 8 patches, with a class token and learned places."""

    width: int = 8
    depth: int = 2
    classes: int = 10

    @nn.compact
    def __call__(self, x, deterministic: bool = True):
        x = nn.Conv(self.width, (8, 8), strides=8, name="patches")(x)
        x = x.reshape(x.shape[0], -1, self.width)
        token = self.param("token", nn.initializers.zeros, (1, 1, self.width))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, self.width)), x], axis=1)
        x = x + self.param("places", nn.initializers.normal(0.02), (1, x.shape[1], self.width))
        for index in range(self.depth):
            x = Block(self.width, name=f"block{index}")(x, deterministic)
        return nn.Dense(self.classes, name="head")(nn.LayerNorm(name="last")(x[:, 0]))


class SmallNNX(nnx.Module):
    """A network like `Small`, written in nnx, which stores its mode and holds its blocks in a list."""

    def __init__(self, width: int, classes: int = 10, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, width, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(width, width, rngs=rngs) for _ in range(2)])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x))).mean((1, 2))
        for block in self.blocks:
            x = x + nnx.relu(block(x))
        return self.head(self.dropout(x))


class Counting(nn.Module):
    """A network with a collection of its own, which counts its calls."""

    @nn.compact
    def __call__(self, x):
        calls = self.variable("calls", "count", lambda: jnp.zeros((), jnp.int32))
        if not self.is_initializing() and self.is_mutable_collection("calls"):
            calls.value = calls.value + 1
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


class Bare(nn.Module):
    """Two kernels at the top of the tree of parameters."""

    @nn.compact
    def __call__(self, x):
        first = self.param("first", nn.initializers.lecun_normal(), (x[0].size, 4))
        return x.reshape(x.shape[0], -1) @ first @ self.param("head", nn.initializers.lecun_normal(), (4, 10))


class Biased(nn.Module):
    """A kernel and a bias at the top of the tree of parameters."""

    @nn.compact
    def __call__(self, x):
        w = self.param("w", nn.initializers.lecun_normal(), (x[0].size, 10))
        return x.reshape(x.shape[0], -1) @ w + self.param("b", nn.initializers.zeros, (10,))


def focal(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The focal loss of Lin et al. 2017 with γ = 2."""
    p = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
    return -jnp.square(1 - jnp.exp(p)) * p


def clipped(learning_rate, clip: float = 1.0) -> optax.GradientTransformation:
    """SGD with momentum on clipped gradients."""
    return optax.chain(optax.clip_by_global_norm(clip), optax.sgd(learning_rate, momentum=0.9))
