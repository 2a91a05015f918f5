"""Second derivatives of a loss: Hessian products, extreme eigenvalues with residuals, preconditioned sharpness.

Hessian products go reverse over reverse, so they also work through `jax.custom_vjp` rules, which have no forward mode.
ReLU kinks: a Hessian product does not see them, a finite difference of gradients does, and the two need not agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxcifar.landscape.arguments import Float, as_count, as_key, is_traced
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_highest_precision, if_finite, matched, prepared
from jaxcifar.landscape.krylov import Operator, Ritz, check_iterations, lanczos, random_vector
from jaxcifar.landscape.trees import moved, tree_norm


class EigenPairs(NamedTuple):
    """`values` [m] in loss per squared unit of parameter, `residuals` [m] = ‖Hv - λv‖ in the same unit, and the unit
    `vectors`, a pytree shaped like the parameters with a leading axis [m]."""

    values: Float[Array, " m"]
    residuals: Float[Array, " m"]
    vectors: PyTree


class Extremes(NamedTuple):
    """`top` eigenpairs, largest first, and `bottom` eigenpairs, smallest (most negative) first."""

    top: EigenPairs
    bottom: EigenPairs


@at_highest_precision
def hvp(loss: Loss, params: PyTree, vector: PyTree) -> PyTree:
    """Return a Hessian-vector product.

    $$ H v = \\nabla_w \\langle \\nabla L(w), v \\rangle $$

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.
        vector: pytree shaped like `params`, v.

    Returns:
        Pytree shaped like `params`, in loss per unit of parameter if v has the unit of the parameters.

    Raises:
        ValueError: unfit loss, parameters or vector; a loss or product that is not finite (outside `jit`).

    Cost: about 3 gradients (2 for each further product at the same point with `hessian_operator`).

    References:
        Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6 (1994).
    """
    params = prepared(loss, params)
    vector = matched(vector, params, "vector")

    def compute(params: PyTree, vector: PyTree) -> tuple[PyTree, Array]:
        operator, value = hessian_at(loss, params)
        return operator(vector), value

    product, value = jax.jit(compute)(params, vector)
    return if_finite(value, product, product)


def hessian_operator(loss: Loss, params: PyTree) -> tuple[Operator, Float[Array, ""]]:
    """Return the Hessian at one point as a function v → Hv, and the loss there.

    Use it inside `jit`, where many products at one point share what the gradient computed.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of parameters, w.

    Returns:
        Function from a pytree shaped like `params` to another, and the loss at `params`, a scalar array.

    Raises:
        ValueError: unfit loss or parameters; from the function, a vector that is not shaped like `params`.

    Cost: 1 gradient, and about 2 for each product.
    """
    params = prepared(loss, params)
    operator, value = at_highest_precision(hessian_at)(loss, params)
    # The operator runs after this function has returned, so it sets the precision again.
    return at_highest_precision(lambda vector: operator(matched(vector, params, "vector"))), value


def hessian_at(loss: Loss, params: PyTree) -> tuple[Operator, Array]:
    """Return what `hessian_operator` does, without checks."""

    def gradient(params: PyTree) -> tuple[PyTree, Array]:
        value, gradient = jax.value_and_grad(loss)(params)
        return gradient, value

    # The gradient is linearised once, and every product shares its intermediate values. The pullback gives vᵀH, which
    # is Hv, because H is symmetric.
    _, pullback, value = jax.vjp(gradient, params, has_aux=True)
    return lambda vector: pullback(vector)[0], value


def extreme_eigenvalues(
    loss: Loss,
    params: PyTree,
    key: Array,
    *,
    iterations: int = 20,
    top: int = 1,
    bottom: int = 1,
    memory_limit: int | None = None,
) -> Extremes:
    """Return the largest and smallest eigenvalues of the Hessian, each with its residual.

    $$ H v = \\lambda v + r, \\quad \\lVert v \\rVert = 1, \\quad
       \\min_i |\\lambda - \\lambda_i(H)| \\le \\lVert r \\rVert $$

    Lanczos with full re-orthogonalisation from a random vector, in the parameters' dtype (float32 at least) and at
    highest matrix-product precision.

    Args:
        loss: `loss(params)`, a scalar; batch, BatchNorm mode and dropout key are closed over.
        params: pytree of n parameters.
        key: PRNG key of the starting vector.
        iterations: Lanczos iterations, 1 to n; with n of them every distinct eigenvalue is exact.
        top, bottom: how many eigenpairs from either end, each at most `iterations`; 0 for none.
        memory_limit: bytes allowed for the basis (`lanczos_memory`); None takes what the device has free.

    Returns:
        `Extremes`. A repeated eigenvalue is found once; where fewer distinct ones exist than were asked for, the
        remaining entries are NaN.

    Raises:
        ValueError: unfit loss, parameters or key, a wrong count, a basis beyond the limit, a loss or second derivative
            that is not finite (outside `jit`).

    Cost: 1 + 2 `iterations` + 2 (`top` + `bottom`) gradients; memory of `lanczos_memory(params, iterations)`.

    Examples:
        >>> loss = lambda w: 0.5 * jnp.vdot(w, jnp.array([10.0, 3.0, 1.0]) * w)
        >>> found = extreme_eigenvalues(loss, jnp.ones(3), jax.random.key(0), iterations=3)
        >>> round(float(found.top.values[0]), 3), round(float(found.bottom.values[0]), 3)
        (10.0, 1.0)

    References:
        Lanczos (1950); Golub and Van Loan, Matrix Computations, chapter 10; Ghorbani et al. (2019), arXiv 1901.10159.
    """
    params = prepared(loss, params)
    iterations = check_iterations(params, iterations, memory_limit)
    return _extremes(lambda params: hessian_at(loss, params), (params,), key, iterations, (top, bottom))


def preconditioned_sharpness(
    loss: Loss,
    params: PyTree,
    preconditioner: PyTree,
    key: Array,
    *,
    iterations: int = 20,
    top: int = 1,
    bottom: int = 0,
    memory_limit: int | None = None,
) -> Extremes:
    """Return extreme eigenvalues of the Hessian as a diagonal preconditioner sees it.

    $$ P^{-1/2} H P^{-1/2} v = \\lambda v $$

    Its eigenvalues are those of P⁻¹H. With Adam's P (`adam_preconditioner`) the largest is to be compared with
    `adam_threshold`, 38/η at β₁ = 0.9: theory of full-batch training.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of n parameters.
        preconditioner: pytree shaped like `params`, the diagonal of P, positive.
        key, iterations, top, bottom, memory_limit: as in `extreme_eigenvalues`.

    Returns:
        `Extremes`, in the unit of H over that of P; vectors are those of the symmetric form.

    Raises:
        ValueError: as `extreme_eigenvalues`, and a preconditioner with an entry that is not positive (outside `jit`).

    Cost: as `extreme_eigenvalues`.

    References:
        Cohen et al., Adaptive Gradient Methods at the Edge of Stability (2022), arXiv 2207.14484.
    """
    params = prepared(loss, params)
    preconditioner = matched(preconditioner, params, "preconditioner")
    _check_positive(preconditioner)
    iterations = check_iterations(params, iterations, memory_limit)

    def operator_at(params: PyTree, preconditioner: PyTree) -> tuple[Operator, Array]:
        hessian, value = hessian_at(loss, params)
        # Lanczos needs a symmetric operator, which P⁻¹H is not. P^(-1/2) H P^(-1/2) has the same eigenvalues.
        scale = jax.tree.map(lax.rsqrt, preconditioner)
        return lambda vector: _times(scale, hessian(_times(scale, vector))), value

    return _extremes(operator_at, (params, preconditioner), key, iterations, (top, bottom))


@at_highest_precision
def _extremes(
    operator_at: Callable[..., tuple[Operator, Array]],
    point: tuple[PyTree, ...],
    key: Array,
    iterations: int,
    counts: tuple[int, int],
) -> Extremes:
    """Compile and run Lanczos on `operator_at(*point)`, where the parameters come first, and check the result."""
    top, bottom = (
        as_count(count, name, 0, iterations, ", iterations")
        for count, name in zip(counts, ("top", "bottom"), strict=True)
    )

    def compute(point: tuple[PyTree, ...], key: Array) -> tuple[Extremes, Array, Array]:
        operator, value = operator_at(*point)
        ritz = lanczos(operator, random_vector(key, point[0]), iterations)
        # Only the first `count` values are eigenvalue estimates. A negative index marks a pair beyond them.
        largest = ritz.count - 1 - jnp.arange(top)
        smallest = jnp.where(jnp.arange(bottom) < ritz.count, jnp.arange(bottom), -1)
        pairs = _pairs(operator, ritz, point[0], jnp.concatenate([largest, smallest]))
        extremes = Extremes(jax.tree.map(lambda x: x[:top], pairs), jax.tree.map(lambda x: x[top:], pairs))
        # The first product was not finite where not even one Ritz value came out.
        return extremes, value, jnp.where(ritz.count > 0, 0.0, jnp.nan)

    extremes, value, derivative = jax.jit(compute)(point, as_key(key))
    return if_finite(value, extremes, derivative)


def _pairs(operator: Operator, ritz: Ritz, like: PyTree, indices: Array) -> EigenPairs:
    """Return the Ritz pairs at `indices` [m] with their true residuals; NaN where an index is negative."""
    unravel = ravel_pytree(like)[1]
    found = indices >= 0
    values = jnp.where(found, ritz.values[indices], jnp.nan)
    # Only the requested vectors are formed: all of them would take as much memory as the basis.
    vectors = jax.vmap(unravel)(ritz.coordinates[:, indices].T @ ritz.basis)

    # The last off-diagonal entry would give an estimate without a product, but that estimate does not see rounding.
    def residual(pair: tuple[Array, PyTree]) -> Array:
        value, vector = pair
        return tree_norm(moved(operator(vector), (-value, vector)))

    # One pair after another: `vmap` over a convolution's weights is slow.
    return EigenPairs(values, lax.map(residual, (values, vectors)), vectors)


def _times(scale: PyTree, vector: PyTree) -> PyTree:
    return jax.tree.map(jnp.multiply, scale, vector)


def _check_positive(preconditioner: PyTree) -> None:
    """Refuse a preconditioner with an entry that is not positive; under the caller's `jit` the result is NaN."""
    smallest = [jnp.min(leaf) for leaf in jax.tree.leaves(preconditioner) if leaf.size]
    if not is_traced(smallest) and not min(map(float, smallest)) > 0:
        raise ValueError(
            f"the preconditioner's smallest entry is {min(map(float, smallest))}, but all must be positive: add Adam's "
            "eps."
        )
