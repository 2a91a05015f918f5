"""Batch normalisation with PyTorch's two-pass variance."""

import flax.linen as nn


class BatchNorm(nn.BatchNorm):
    """y = scale (x - mean) / sqrt(variance + epsilon) + bias over batch and image, per channel.

    Called as `BatchNorm()(x, use_running_average)`. The variance is the mean of squared deviations, in float32 or
    higher; `batch_stats` keeps momentum x old + (1 - momentum) x new of mean and of this biased variance (PyTorch's
    running variance is N / (N - 1) times ours).
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    use_fast_variance: bool = False
