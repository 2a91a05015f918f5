"""Batch normalisation with PyTorch's two-pass variance, and a gradient in as few passes over memory."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxcifar.errors import UserError
from jaxcifar.models.layers.modules import Conv, Linear
from jaxcifar.models.layers.roles import Role

AXES = (0, 1, 2)


class BatchNorm(nn.Module):
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias, per channel, over batch and image.

    The variance is the mean of squared deviations, in float32 or higher whatever the dtype of x. `batch_stats` keeps
    momentum x old + (1 - momentum) x new of the mean and of this biased variance: PyTorch's running variance takes
    N / (N - 1) times it. Derivatives go reverse over reverse (`jax.grad`, not `jax.jvp`); the running statistics have
    none. Under auto-sharded `jit` the sums are over the global batch.

    Args:
        momentum: weight of the old running statistics.
        epsilon: added to the variance.
        use_scale: whether there is a scale; without it is 1.
        dtype: dtype of the result; None takes the one that x and the parameters promote to.

    References:
        Ioffe and Szegedy, Batch Normalization, ICML 2015 (arXiv:1502.03167).
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    use_scale: bool = True
    dtype: Any = None
    role: ClassVar[Role] = "norm"

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool, offset: jax.Array | None = None) -> jax.Array:
        """Return normalised images [N, H, W, C], by the running statistics or by those of the batch.

        Args:
            x: what is normalised.
            use_running_average: whether by the running statistics.
            offset: [C], to be added to x. By the statistics of the batch it only shifts the running mean.
        """
        shape = x.shape[-1:]
        # The collection comes before the parameters, as in flax.linen.BatchNorm.
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        running_variance = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        ones = nn.initializers.ones
        scale = self.param("scale", ones, shape, jnp.float32) if self.use_scale else jnp.ones(shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        dtype = self.dtype or jnp.result_type(x, scale)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if use_running_average:
            x = x if offset is None else x + offset
            factor = lax.rsqrt(running_variance.value + self.epsilon) * scale
            return ((x - running_mean.value) * factor + bias).astype(dtype)
        if x.size == x.shape[-1] and not self.is_initializing():
            raise UserError(
                "BatchNorm got one value per channel, which it makes 0 whatever it is; give a batch_size of 2 or more."
            )
        found: Any = _normalize(x, scale, bias, self.epsilon)
        y, mean, variance = found
        mean = mean if offset is None else mean + offset
        # Initialisation sees placeholder images, which must not enter the statistics.
        if not self.is_initializing():
            for running, new in ((running_mean, mean), (running_variance, variance)):
                running.value = self.momentum * running.value + (1 - self.momentum) * lax.stop_gradient(new)
        return y.astype(dtype)


def without_norm(name: str) -> Callable[..., jax.Array]:
    """Return a function in the place of a normalisation that returns the images unchanged."""
    return lambda x, use_running_average: x


def normalized(layer: Conv | Linear, norm: Callable[..., jax.Array], x: jax.Array, train: bool) -> jax.Array:
    """Return norm(layer(x)), without the layer's bias in the images from which BatchNorm would subtract it again.

    In training mode BatchNorm subtracts the mean of each channel, and a bias with it: it only shifts the running mean,
    and its gradient is zero, of which rounding would leave about 1e-8. Adam, whose epsilon is as small, would make
    steps of that.

    Args:
        layer: Conv or Linear.
        norm: its normalisation, or what `without_norm` returns.
        x: inputs of the layer, [N, H, W, C].
        train: whether BatchNorm takes the statistics of the batch.
    """
    if train and layer.use_bias and isinstance(norm, BatchNorm):
        y = layer(x, add_bias=False)
        return norm(y, use_running_average=False, offset=layer.variables["params"]["bias"])
    return norm(layer(x), use_running_average=not train)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalize(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> tuple[jax.Array, ...]:
    return _normalize_forward(x, scale, bias, epsilon)[0]


def _normalize_forward(x, scale, bias, epsilon):
    mean = x.mean(AXES)
    # Two passes: the mean of squares minus the squared mean would cancel digits where the mean is large.
    variance = jnp.square(x - mean).mean(AXES)
    inverse = lax.rsqrt(variance + epsilon)
    y = (x - mean) * (inverse * scale) + bias
    # The backward pass gets x, not z: it computes z again in the pass that needs it, without another array in memory.
    return (y, mean, variance), (x, mean, inverse, scale)


def _normalize_backward(epsilon, saved, cotangents):
    """With z = (x - mean) / deviation: dx = scale / deviation (dy - mean(dy) - z mean(dy z))."""
    x, mean, inverse, scale = saved
    # Mean and variance only feed the running statistics, which have no gradient.
    dy, _, _ = cotangents
    dbias = dy.sum(AXES)
    dscale = (dy * (x - mean)).sum(AXES) * inverse
    count = x.size // x.shape[-1]
    dx = (dy - dbias / count - (x - mean) * (inverse * dscale / count)) * (inverse * scale)
    return dx, dscale, dbias


_normalize.defvjp(_normalize_forward, _normalize_backward)
