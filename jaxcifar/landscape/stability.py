"""Curvatures at which full-batch training stops being stable, for the optimizers of the study.

A run's largest eigenvalue is read against its optimizer's line: above it the step overshoots along that eigenvector.
All of it is theory of full-batch training on a quadratic; mini-batch runs settle below.
"""

import jax
import jax.numpy as jnp

from jaxcifar.landscape.checks import Array, PyTree, measured


def gradient_descent_threshold(learning_rate: Array | float) -> Array | float:
    """Largest stable Hessian eigenvalue of gradient descent.

    $$ \\lambda < 2 / \\eta $$

    Args:
        learning_rate: η, in squared unit of parameter per loss.

    Returns:
        The threshold, in loss per squared unit of parameter.

    References:
        Cohen et al., Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability (2021),
        arXiv 2103.00065.
    """
    return 2 / learning_rate


def momentum_threshold(learning_rate: Array | float, momentum: Array | float) -> Array | float:
    """Largest stable Hessian eigenvalue of gradient descent with heavy-ball momentum.

    $$ \\lambda < 2 (1 + \\mu) / \\eta $$

    Args:
        learning_rate: η.
        momentum: μ of m ← μ m + g, w ← w - η m, as in PyTorch and Optax; in [0, 1).

    Returns:
        The threshold, in loss per squared unit of parameter.

    References:
        Cohen et al. (2021), arXiv 2103.00065, equation 1.
    """
    return 2 * (1 + momentum) / learning_rate


def nesterov_threshold(learning_rate: Array | float, momentum: Array | float) -> Array | float:
    """Largest stable Hessian eigenvalue of gradient descent with Nesterov's momentum.

    $$ \\lambda < \\frac{2 (1 + \\mu)}{\\eta (1 + 2 \\mu)} $$

    Args:
        learning_rate: η.
        momentum: μ of m ← μ m + g, w ← w - η (g + μ m), as in PyTorch and Optax; in [0, 1).

    Returns:
        The threshold, in loss per squared unit of parameter.

    References:
        Cohen et al. (2021), arXiv 2103.00065, equation 1.
    """
    return 2 * (1 + momentum) / (learning_rate * (1 + 2 * momentum))


def adam_threshold(learning_rate: Array | float, beta1: Array | float = 0.9) -> Array | float:
    """Largest stable eigenvalue of the preconditioned Hessian of Adam.

    $$ \\lambda(P^{-1} H) < \\frac{2 (1 + \\beta_1)}{(1 - \\beta_1) \\eta} $$

    Args:
        learning_rate: η, in units of parameter.
        beta1: decay β₁ of the first moment; at 0.9 the threshold is 38/η.

    Returns:
        The threshold, to be compared with `preconditioned_sharpness`.

    References:
        Cohen et al., Adaptive Gradient Methods at the Edge of Stability (2022), arXiv 2207.14484.
    """
    return 2 * (1 + beta1) / ((1 - beta1) * learning_rate)


def adam_preconditioner(
    second_moment: PyTree,
    step: Array | int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> PyTree:
    """The diagonal that Adam divides by after `step` updates, bias corrections included.

    $$ P = (1 - \\beta_1^t) \\left( \\sqrt{\\nu / (1 - \\beta_2^t)} + \\epsilon \\right) $$

    Args:
        second_moment: pytree ν, Adam's running mean of squared gradients (Optax: `ScaleByAdamState.nu`).
        step: t, updates made so far, at least 1 (Optax: `ScaleByAdamState.count`).
        beta1, beta2, epsilon: Adam's constants.

    Returns:
        Pytree shaped like `second_moment`, in the unit of the gradient.

    References:
        Kingma and Ba (2015), arXiv 1412.6980; Cohen et al. (2022), arXiv 2207.14484, on the factor 1 - β₁ᵗ.
    """

    def diagonal(nu: Array) -> Array:
        count = jnp.asarray(step, nu.dtype)
        return (1 - beta1**count) * (jnp.sqrt(nu / (1 - beta2**count)) + epsilon)

    return jax.tree.map(diagonal, measured(second_moment))
