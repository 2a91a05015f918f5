"""Normalisations to compare with batch normalisation: over groups of channels of one image, and by other norms."""

from __future__ import annotations

import math
from functools import partial
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
    instance normalisation. Derivatives go reverse over reverse (`jax.grad`, not `jax.jvp`).

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
        if size * math.prod(x.shape[1:-1]) == 1:
            raise UserError(
                "Normalising one channel alone, in an image of 1 x 1, makes it 0 whatever the weights; take larger "
                "images or another norm."
            )
        y: Any = _normalize(x, scale, bias, size, self.epsilon)
        return y.astype(dtype)


def _group_means(x: jax.Array, size: int) -> jax.Array:
    """The mean over the image and the group of each channel: [N, H, W, C] -> [N, 1, 1, C]."""
    means = x.mean((1, 2))
    if size > 1:
        # As a product, because XLA would compute a sum over channels again for every pixel that it is taken from.
        group = jnp.arange(means.shape[-1]) // size
        means = jnp.matmul(means, (group[:, None] == group).astype(x.dtype) / size, precision="highest")
    return means[:, None, None]


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalize(x: jax.Array, scale: jax.Array, bias: jax.Array, size: int, epsilon: float) -> jax.Array:
    return _normalize_forward(x, scale, bias, size, epsilon)[0]


def _normalize_forward(x, scale, bias, size, epsilon):
    mean = _group_means(x, size)
    inverse = lax.rsqrt(_group_means(jnp.square(x - mean), size) + epsilon)
    return (x - mean) * (inverse * scale) + bias, (x, mean, inverse, scale)


def _normalize_backward(size, epsilon, saved, dy):
    """With z = (x - mean) / deviation and g = scale dy: dx = (g - mean(g) - z mean(g z)) / deviation."""
    x, mean, inverse, scale = saved
    # Sums over an image give both kinds of means, those of a group and those over the batch.
    sums, products = (part.sum((1, 2), keepdims=True) for part in (dy, dy * (x - mean)))
    products = products * inverse
    pixels = x.shape[1] * x.shape[2]
    level, slope = (_group_means(scale * part / pixels, size) for part in (sums, products))
    dx = (dy * scale - level - (x - mean) * (inverse * slope)) * inverse
    return dx, products.sum((0, 1, 2)), sums.sum((0, 1, 2))


_normalize.defvjp(_normalize_forward, _normalize_backward)


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
