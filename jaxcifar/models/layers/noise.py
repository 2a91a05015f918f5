"""Noise on activations whose distribution changes at every step: the `noisy` BatchNorm of Santurkar et al."""

import flax.linen as nn
import jax

MEAN, DEVIATION = 0.5, 1.25
"""The step's mean is uniform in ±MEAN, its deviation in [1, DEVIATION]: n_μ and n_σ of the paper."""
SPREAD = 0.1
"""Of each activation's shift and scale around the step's: r_μ and r_σ of the paper."""


class ActivationNoise(nn.Module):
    """y = s x + m, with shift and scale drawn for every activation from a distribution of this step.

    In each step, for channel j, μ_j ~ U(-n_μ, n_μ) and σ_j ~ U(1, n_σ); for every activation i of the channel,
    m_ij ~ U(μ_j - r_μ, μ_j + r_μ) and s_ij ~ N(σ_j, r_σ). n_μ = 0.5, n_σ = 1.25, r_μ = r_σ = 0.1. In evaluation it
    does nothing. It has no parameters and draws from the rng `noise`.

    References:
        Santurkar et al., How Does Batch Normalization Help Optimization? (2018), arXiv 1805.11604, appendix A.
    """

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return activations [N, ..., C] of the same shape."""
        if not train:
            return x
        keys = jax.random.split(self.make_rng("noise"), 4)
        channels = x.shape[-1:]
        mean = jax.random.uniform(keys[0], channels, x.dtype, -MEAN, MEAN)
        deviation = jax.random.uniform(keys[1], channels, x.dtype, 1.0, DEVIATION)
        shift = mean + jax.random.uniform(keys[2], x.shape, x.dtype, -SPREAD, SPREAD)
        scale = deviation + SPREAD * jax.random.normal(keys[3], x.shape, x.dtype)
        return scale * x + shift


def without_noise(name: str):
    """Return a function in the place of the noise that returns the activations unchanged."""
    return lambda x, train: x
