"""Noise of mini-batch gradients relative to the gradient, from the gradient's norm at two batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcifar.landscape.arguments import LONGEST, Float, as_count, check_real
from jaxcifar.landscape.checks import Array


class NoiseScale(NamedTuple):
    """`scale` = `trace` / `squared_norm` in images, trace of the gradients' covariance, squared norm of their mean."""

    scale: Float[Array, " ..."]
    trace: Float[Array, " ..."]
    squared_norm: Float[Array, " ..."]


def noise_scale(
    squared_norms: Sequence[Float[Array, " ..."] | float] | Float[Array, "2 ..."], batch_sizes: Sequence[int]
) -> NoiseScale:
    """Return the gradient noise scale: the batch size at which noise and gradient are of one size.

    $$ B = \\frac{\\operatorname{tr} S}{\\lVert G \\rVert^2}, \\quad
       \\lVert G \\rVert^2 = \\frac{B_2 \\lVert g_2 \\rVert^2 - B_1 \\lVert g_1 \\rVert^2}{B_2 - B_1}, \\quad
       \\operatorname{tr} S = \\frac{\\lVert g_1 \\rVert^2 - \\lVert g_2 \\rVert^2}{1 / B_1 - 1 / B_2} $$

    with S the covariance of one image's gradient and G the mean. Both estimates are unbiased; their quotient is not, so
    average the squared norms over many batches first (`tree_dot(g, g)` of each gradient g).

    Args:
        squared_norms: pair ‖g₁‖², ‖g₂‖² at the two batch sizes, each a number or an array [...], in squared unit of the
            gradient.
        batch_sizes: pair B₁, B₂ of different numbers of images.

    Returns:
        `NoiseScale` of arrays [...]. The scale is NaN where the estimate of ‖G‖² is not positive, as happens with too
        few batches.

    Raises:
        ValueError: not two of each, equal batch sizes, a squared norm that is negative or not finite (outside `jit`).

    Cost: none beyond the gradients at the two batch sizes.

    Examples:
        >>> found = noise_scale((5.0, 3.0), (1, 2))
        >>> float(found.trace), float(found.squared_norm), float(found.scale)
        (4.0, 1.0, 4.0)

    References:
        McCandlish et al., An Empirical Model of Large-Batch Training (2018), arXiv 1812.06162, appendix A.1.
    """
    allowed = "a pair of finite numbers of 0 or more, or of arrays of one shape"
    norms = check_real(squared_norms, "squared_norms", allowed, lambda n: (n >= 0) & np.isfinite(n))
    if norms.ndim == 0 or len(norms) != 2:
        raise ValueError(f"squared_norms has shape {norms.shape}, but must be {allowed}.")
    # Dtype `object` keeps the type of each entry, which `as_count` checks.
    sizes = [as_count(size, "a batch size", 1, LONGEST) for size in np.atleast_1d(np.asarray(batch_sizes, object))]
    if len(sizes) != 2 or sizes[0] == sizes[1]:
        raise ValueError(f"batch_sizes is {sizes}, but must be a pair of different numbers of images.")
    trace = (norms[0] - norms[1]) / (1 / sizes[0] - 1 / sizes[1])
    squared_norm = (sizes[1] * norms[1] - sizes[0] * norms[0]) / (sizes[1] - sizes[0])
    defined = squared_norm > 0
    scale = jnp.where(defined, trace / jnp.where(defined, squared_norm, 1), jnp.nan)
    return NoiseScale(scale, trace, squared_norm)
