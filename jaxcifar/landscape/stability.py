"""Curvatures at which full-batch training stops being stable, for the optimizers of the study.

Compare a run's largest eigenvalue with its optimizer's threshold: above it the step overshoots along that eigenvector.
All of it is theory of full-batch training on a quadratic; mini-batch runs settle below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcifar.landscape.arguments import Float, as_scalar, check_real
from jaxcifar.landscape.checks import Array, PyTree, check_finite, dtype_of, leaf_of, measured

DECAY = "0 or more and below 1"


def gradient_descent_threshold(learning_rate: Float[Array, " ..."] | float) -> Float[Array, " ..."] | float:
    """Return the largest stable Hessian eigenvalue of gradient descent.

    $$ \\lambda < 2 / \\eta $$

    Args:
        learning_rate: η, 0 or more, in squared unit of parameter per loss; a number or an array of any shape.

    Returns:
        The threshold, in loss per squared unit of parameter; infinite at η = 0.

    Raises:
        ValueError: a learning rate that is negative or not finite (outside `jit`).

    References:
        Cohen et al., Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability (2021),
        arXiv 2103.00065.
    """
    learning_rate, _ = _numbers(learning_rate)
    return _quotient(2, learning_rate)


def momentum_threshold(
    learning_rate: Float[Array, " ..."] | float, momentum: Float[Array, " ..."] | float
) -> Float[Array, " ..."] | float:
    """Return the largest stable Hessian eigenvalue of gradient descent with heavy-ball momentum.

    $$ \\lambda < 2 (1 + \\mu) / \\eta $$

    Args:
        learning_rate: η, 0 or more.
        momentum: μ of m ← μ m + g, w ← w - η m, as in PyTorch and Optax; in [0, 1).

    Returns:
        The threshold, in loss per squared unit of parameter; infinite at η = 0.

    Raises:
        ValueError: a learning rate that is negative or not finite, a momentum outside [0, 1) (outside `jit`).

    References:
        Cohen et al. (2021), arXiv 2103.00065, equation 1.
    """
    learning_rate, momentum = _numbers(learning_rate, momentum)
    return _quotient(2 * (1 + momentum), learning_rate)


def nesterov_threshold(
    learning_rate: Float[Array, " ..."] | float, momentum: Float[Array, " ..."] | float
) -> Float[Array, " ..."] | float:
    """Return the largest stable Hessian eigenvalue of gradient descent with Nesterov's momentum.

    $$ \\lambda < \\frac{2 (1 + \\mu)}{\\eta (1 + 2 \\mu)} $$

    Args:
        learning_rate: η, 0 or more.
        momentum: μ of m ← μ m + g, w ← w - η (g + μ m), as in PyTorch and Optax; in [0, 1).

    Returns:
        The threshold, in loss per squared unit of parameter; infinite at η = 0.

    Raises:
        ValueError: as `momentum_threshold`.

    References:
        Cohen et al. (2021), arXiv 2103.00065, equation 1.
    """
    learning_rate, momentum = _numbers(learning_rate, momentum)
    return _quotient(2 * (1 + momentum), learning_rate * (1 + 2 * momentum))


def adam_threshold(
    learning_rate: Float[Array, " ..."] | float, beta1: Float[Array, " ..."] | float = 0.9
) -> Float[Array, " ..."] | float:
    """Return the largest stable eigenvalue of the preconditioned Hessian of Adam.

    $$ \\lambda(P^{-1} H) < \\frac{2 (1 + \\beta_1)}{(1 - \\beta_1) \\eta} $$

    Args:
        learning_rate: η, 0 or more, in units of parameter.
        beta1: decay β₁ of the first moment, in [0, 1); at 0.9 the threshold is 38/η.

    Returns:
        The threshold, to be compared with `preconditioned_sharpness`; infinite at η = 0.

    Raises:
        ValueError: a learning rate that is negative or not finite, β₁ outside [0, 1) (outside `jit`).

    References:
        Cohen et al., Adaptive Gradient Methods at the Edge of Stability (2022), arXiv 2207.14484.
    """
    learning_rate, beta1 = _numbers(learning_rate, beta1, "beta1")
    return _quotient(2 * (1 + beta1), (1 - beta1) * learning_rate)


def adam_preconditioner(
    second_moment: PyTree,
    step: Array | int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> PyTree:
    """Return the diagonal that Adam divides by after `step` updates, bias corrections included.

    $$ P = (1 - \\beta_1^t) \\left( \\sqrt{\\nu / (1 - \\beta_2^t)} + \\epsilon \\right) $$

    Args:
        second_moment: pytree ν, Adam's running mean of squared gradients (Optax: `ScaleByAdamState.nu`), 0 or more.
        step: t, number of updates so far, at least 1 (Optax: `ScaleByAdamState.count`).
        beta1, beta2, epsilon: Adam's constants, in [0, 1), in [0, 1), and 0 or more.

    Returns:
        Pytree shaped like `second_moment`, in the unit of the gradient.

    Raises:
        ValueError: a second moment that is negative, not finite or not floating, or another argument outside its range
            (outside `jit`).

    References:
        Kingma and Ba (2015), arXiv 1412.6980; Cohen et al. (2022), arXiv 2207.14484, on the factor 1 - β₁ᵗ.
    """
    second_moment = measured(second_moment, "second_moment")
    check_finite(second_moment, "second_moment")
    for path, leaf in jax.tree_util.tree_leaves_with_path(second_moment):
        check_real(leaf, leaf_of("second_moment", path), "0 or more", lambda nu: nu >= 0)
    as_scalar(step, "step", "a whole number of updates of 1 or more", lambda t: (t >= 1) & (t == np.floor(t)))
    for decay, name in ((beta1, "beta1"), (beta2, "beta2")):
        as_scalar(decay, name, DECAY, _is_decay)
    as_scalar(epsilon, "epsilon", "a finite number of 0 or more", lambda e: (e >= 0) & np.isfinite(e))

    def diagonal(nu: Array) -> Array:
        # Decays that are Python numbers are weakly typed, so that the powers and the diagonal keep the dtype of ν.
        count = jnp.asarray(step, nu.dtype)
        return (1 - beta1**count) * (jnp.sqrt(nu / (1 - beta2**count)) + epsilon)

    return jax.tree.map(diagonal, second_moment)


def _numbers(learning_rate: Any, decay: Any = 0.0, name: str = "momentum") -> tuple[Any, Any]:
    """Return both after a check of their ranges and shapes: as given, but lists and half precision as arrays."""
    rates = check_real(learning_rate, "learning_rate", "0 or more and finite", lambda r: (r >= 0) & np.isfinite(r))
    decays = check_real(decay, name, DECAY, _is_decay)
    try:
        np.broadcast_shapes(rates.shape, decays.shape)
    except ValueError:
        raise ValueError(
            f"learning_rate has shape {rates.shape} and {name} {decays.shape}, but must be numbers or arrays that "
            "broadcast."
        ) from None
    # In float16, whose largest number is 65504, thresholds of small learning rates would overflow.
    narrow = [isinstance(value, Sequence) or dtype_of(value).itemsize < 4 for value in (learning_rate, decay)]
    return rates if narrow[0] else learning_rate, decays if narrow[1] else decay


def _is_decay(values: np.ndarray) -> np.ndarray:
    return (values >= 0) & (values < 1)


def _quotient(numerator: Any, denominator: Any) -> Any:
    """Return a positive number over one that may be zero, and then infinity."""
    # Python raises at a division by zero, NumPy warns, and JAX returns infinity.
    if isinstance(denominator, int | float) and denominator == 0:
        return math.inf
    with np.errstate(divide="ignore"):
        return numerator / denominator
