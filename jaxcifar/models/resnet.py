"""Residual networks in the CIFAR form, and the plain networks without their additions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar.models.layers import computed_once

Layer = Callable[..., Any]
CHAIN = 3
"""Blocks whose sums XLA may compute again for each of their uses. ResNet-152 has 36 in a row, and would read up to 39
arrays for one; with chains of at most one to four blocks its step takes 0.57 to 0.59 of the time on a CPU."""


class Block(nn.Module):
    """Fields of every block."""

    width: int
    stride: int
    skip: bool
    conv: Layer
    norm: Layer
    activation: Callable[[jax.Array], jax.Array]
    expansion: int = 1
    ends_chain: bool = False
    """Whether the output is computed once, where the additions of blocks form a long chain."""

    def output(self, x: jax.Array) -> jax.Array:
        """Return the activation of the sum."""
        return computed_once(self.activation, x) if self.ends_chain else self.activation(x)


class BasicBlock(Block):
    """Two 3x3 convolutions; [N, H, W, C] to [N, H/stride, W/stride, width]."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = self.conv(self.width, (3, 3), self.stride, 1, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y, use_running_average=not train))
        y = self.conv(self.width, (3, 3), 1, 1, name="conv2")(y)
        y = self.norm(name="norm2")(y, use_running_average=not train)
        return self.output(added(self, y, x, train) if self.skip else y)


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions; [N, H, W, C] to [N, H/stride, W/stride, 4 width]."""

    expansion: int = 4

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = self.conv(self.width, (1, 1), 1, 0, name="conv1")(x)
        y = self.activation(self.norm(name="norm1")(y, use_running_average=not train))
        # The stride is in the 3x3 convolution, since in the first 1x1 one it would skip three of four pixels.
        y = self.conv(self.width, (3, 3), self.stride, 1, name="conv2")(y)
        y = self.activation(self.norm(name="norm2")(y, use_running_average=not train))
        y = self.conv(self.width * self.expansion, (1, 1), 1, 0, name="conv3")(y)
        y = self.norm(name="norm3")(y, use_running_average=not train)
        return self.output(added(self, y, x, train) if self.skip else y)


def added(block: Block, y: jax.Array, x: jax.Array, train: bool) -> jax.Array:
    """Return the sum of a block's branch and shortcut; call it in the block's compact method."""
    beside = shortcut(block, x, train)
    # Kept only where the caller asks for `intermediates`.
    block.sow("intermediates", "added", (y, beside))
    return y + beside


def shortcut(block: Block, x: jax.Array, train: bool) -> jax.Array:
    """Return x, or its 1x1 projection where the block changes the shape; call it in the block's compact method."""
    width = block.width * block.expansion
    if block.stride == 1 and x.shape[-1] == width:
        return x
    x = block.conv(width, (1, 1), block.stride, 0, role="shortcut", name="conv_shortcut")(x)
    return block.norm(name="norm_shortcut")(x, use_running_average=not train)


class ResNet(nn.Module):
    """3x3 convolution, four stages of blocks, mean over the image, one linear layer.

    Maps images [N, 32, 32, 3] to logits [N, 10] in float32 or higher. He et al. 2016, arXiv 1512.03385, with a first
    layer for CIFAR's 32 x 32 images. `skip=False` builds the plain network.
    """

    block: type[Block]
    stage_sizes: Sequence[int]
    width: int
    skip: bool
    dropout: float
    conv: Layer
    norm: Layer
    linear: Layer
    activation: Callable[[jax.Array], jax.Array]
    classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = self.conv(self.width, (3, 3), 1, 1, name="conv1")(x)
        x = self.activation(self.norm(name="norm1")(x, use_running_average=not train))
        x = stages(self, x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(x.mean(axis=(1, 2)))
        x = self.linear(self.classes, name="output")(x)
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def stages(network: ResNet, x: jax.Array, train: bool) -> jax.Array:
    """Return x after the blocks of all stages, as submodules of the module whose compact method calls this."""
    for stage, size in enumerate(network.stage_sizes):
        for index in range(size):
            x = network.block(
                width=network.width * 2**stage,
                stride=2 if stage > 0 and index == 0 else 1,
                skip=network.skip,
                conv=network.conv,
                norm=network.norm,
                activation=network.activation,
                ends_chain=network.skip and (index + 1) % CHAIN == 0 and index + 1 < size,
                name=f"stage{stage + 1}_block{index + 1}",
            )(x, train)
    return x
