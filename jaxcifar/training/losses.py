"""The study's losses, as PyTorch means them, one value per example."""

from __future__ import annotations

from typing import assert_never

import jax
import jax.numpy as jnp
import optax

from jaxcifar.config import MSE, BCEWithLogits, CrossEntropy, Loss, OwnLoss, SmoothL1, UserError
from jaxcifar.errors import slips_told


def per_example(loss: Loss, logits: jax.Array, labels: jax.Array, label_smoothing: jax.Array | float) -> jax.Array:
    r"""Return the loss of each example; its mean over the batch is PyTorch's value.

    cross-entropy: -Σ_c q_c log p_c with q = (1 - s) onehot + s/C; MSE: (1/C) Σ_c (z_c - y_c)²;
    SmoothL1 (β = 1): (1/C) Σ_c h(z_c - y_c) with h(d) = d²/2 below |d| = 1, else |d| - ½;
    BCE with logits: (1/C) Σ_c [softplus(z_c) - y_c z_c]; y is the one-hot label.

    Args:
        loss: the loss function.
        logits: z [N, C], float32 or higher.
        labels: [N], whole numbers below C.
        label_smoothing: s in [0, 1), cross-entropy only; may be traced.

    Returns:
        [N], in nats for the two entropies.
    """
    onehot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    match loss:
        case CrossEntropy():
            log_p = jax.nn.log_softmax(logits)
            return -jnp.sum(onehot * log_p, axis=-1) * (1 - label_smoothing) - label_smoothing * log_p.mean(axis=-1)
        case MSE():
            return jnp.mean(jnp.square(logits - onehot), axis=-1)
        case SmoothL1():
            return jnp.mean(optax.huber_loss(logits, onehot, delta=1.0), axis=-1)
        case BCEWithLogits():
            # From log-sigmoids of the logits, which stay finite where a sigmoid rounds to 0 or 1.
            return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, onehot), axis=-1)
        case OwnLoss():
            return _own(loss, logits, labels)
        case unknown:
            assert_never(unknown)


def _own(loss: OwnLoss, logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The values of a user's own function, whose slips are one sentence each."""
    loss.check_given()
    with slips_told(f"The loss {loss.title}"):
        values = loss.function(logits, labels)
    shape = getattr(values, "shape", type(values).__name__)
    if shape != labels.shape:
        raise UserError(
            f"The loss {loss.title} returns {shape} for {len(labels)} examples; it must return one loss per example, "
            "[N], and leave the mean to training."
        )
    return values
