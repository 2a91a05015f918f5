"""Normalisations to compare with batch normalisation: over groups of channels of one image, and by other norms."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.errors import UserError
from jaxcifar.models.layers.roles import Role


class GroupNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias, over the image and a group of channels of one example.

    Scale and bias are per channel; mean and biased variance are those of an example's group, in training and
    evaluation, so nothing is kept. One group is layer normalisation over [H, W, C], a group for each channel is
    instance normalisation.

    Args:
        group_size: channels per group; None takes all of them. The greatest divisor that it shares with the number of
            channels is used.
        epsilon: added to the variance.
        dtype: dtype of the result; None takes the one that x and the parameters promote to.

    References:
        Wu and He, Group Normalization, ECCV 2018 (arXiv:1803.08494); Ba et al. 2016 (arXiv:1607.06450); Ulyanov et al.
        2016 (arXiv:1607.08022).
    """

    group_size: int | None = None
    epsilon: float = 1e-5
    dtype: Any = None
    role: ClassVar[Role] = "norm"

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """Return normalised images [N, H, W, C]; there are no running statistics to choose.

        Raises:
            UserError: a group is a single number.
        """
        channels = x.shape[-1]
        size = channels if self.group_size is None else math.gcd(self.group_size, channels)
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        dtype = self.dtype or jnp.result_type(x, scale)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        grouped = x.reshape(*x.shape[:-1], channels // size, size)
        axes = (*range(1, grouped.ndim - 2), grouped.ndim - 1)
        if math.prod(grouped.shape[axis] for axis in axes) == 1:
            raise UserError(
                "Normalising one channel alone, in an image of 1 x 1, makes it 0 whatever the weights; take larger "
                "images or another norm."
            )
        centred = grouped - grouped.mean(axes, keepdims=True)
        variance = jnp.square(centred).mean(axes, keepdims=True)
        normalized = (centred * lax.rsqrt(variance + self.epsilon)).reshape(x.shape)
        return (normalized * scale + bias).astype(dtype)


class LpNorm(nn.Module):
    r"""y = scale (x - mean) / (norm + epsilon) + bias, per channel, over batch and image.

    $$ norm_1 = mean(|x|), \quad norm_\infty = max(|x|) $$

    The norm is that of x before its mean is subtracted. `batch_stats` keeps running means of `mean` and `norm` as
    BatchNorm does.

    Args:
        order: 1 or infinity.
        momentum: weight of the old running statistics.
        epsilon: added to the norm.
        dtype: dtype of the result; None takes the one that x and the parameters promote to.

    References:
        Santurkar et al. 2018 (arXiv:1805.11604), section 3.3.
    """

    order: Literal["1", "inf"]
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = None
    role: ClassVar[Role] = "norm"

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool) -> jax.Array:
        """Return normalised images [N, H, W, C], by the running statistics or by those of the batch."""
        shape, axes = x.shape[-1:], tuple(range(x.ndim - 1))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        running_norm = self.variable("batch_stats", "norm", jnp.ones, shape, jnp.float32)
        scale = self.param("scale", nn.initializers.ones, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        dtype = self.dtype or jnp.result_type(x, scale)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if use_running_average:
            mean, norm = running_mean.value, running_norm.value
        else:
            size = jnp.abs(x)
            mean, norm = x.mean(axes), size.mean(axes) if self.order == "1" else size.max(axes)
            if not self.is_initializing():
                for running, new in ((running_mean, mean), (running_norm, norm)):
                    running.value = self.momentum * running.value + (1 - self.momentum) * lax.stop_gradient(new)
        return ((x - mean) / (norm + self.epsilon) * scale + bias).astype(dtype)
