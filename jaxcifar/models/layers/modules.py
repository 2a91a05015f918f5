"""The layers with parameters, as Flax modules: float32 parameters, computation in `dtype` or the operands' own."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from jaxcifar.config import Initialization
from jaxcifar.models import initializers
from jaxcifar.models.layers.convolution import Pair, conv2d
from jaxcifar.models.layers.linear import matmul
from jaxcifar.models.layers.roles import Role


class Conv(nn.Module):
    """A convolution, y = conv2d(x, kernel) + bias.

    Args:
        features: output channels F.
        kernel: height and width of the kernel, in pixels.
        stride: step in pixels.
        padding: zeros on each side, in pixels.
        use_bias: whether a bias [F] is added.
        initialization: initial values of kernel [kh, kw, C, F] and bias.
        dtype: dtype of the computation; None takes the one that images and kernel promote to.
        role: `shortcut` for a convolution on the shortcut of a residual block.
    """

    features: int
    kernel: tuple[int, int] = (3, 3)
    stride: Pair = 1
    padding: Pair = 1
    use_bias: bool = True
    initialization: Initialization = "torch"
    dtype: Any = None
    role: Role = "convolution"

    @nn.compact
    def __call__(self, x: jax.Array, add_bias: bool = True) -> jax.Array:
        """Return images [N, H', W', features] for images [N, H, W, C], on demand without the bias."""
        shape = (*self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", initializers.kernel(self.initialization), shape, jnp.float32)
        bias = None
        if self.use_bias:
            # The shape of a bias does not show the fan-in on which its initial values depend.
            fan_in = self.kernel[0] * self.kernel[1] * x.shape[-1]
            initial = initializers.bias(self.initialization, fan_in)
            bias = self.param("bias", initial, (self.features,), jnp.float32)
        # Only copies are narrow: small updates of a bfloat16 parameter would be lost in rounding.
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = conv2d(x, kernel, stride=self.stride, padding=self.padding)
        return y + bias if bias is not None and add_bias else y


class Linear(nn.Module):
    """A fully-connected layer, y = x kernel + bias.

    Args:
        features: outputs F.
        use_bias: whether a bias [F] is added.
        initialization: initial values of kernel [inputs, F] and bias.
        dtype: dtype of the computation; None takes the one that inputs and kernel promote to.
    """

    features: int
    use_bias: bool = True
    initialization: Initialization = "torch"
    dtype: Any = None
    role: ClassVar[Role] = "linear"

    @nn.compact
    def __call__(self, x: jax.Array, add_bias: bool = True) -> jax.Array:
        """Return [N, features] for [N, inputs], on demand without the bias."""
        inputs = x.shape[-1]
        kernel_init = initializers.kernel(self.initialization)
        kernel = self.param("kernel", kernel_init, (inputs, self.features), jnp.float32)
        bias = None
        if self.use_bias:
            bias = self.param("bias", initializers.bias(self.initialization, inputs), (self.features,), jnp.float32)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = matmul(x, kernel)
        return y + bias if bias is not None and add_bias else y
