"""Lanczos with full re-orthogonalisation on a symmetric operator over pytrees, by matfree.

matfree stores the basis as [parameters, iterations] and transposes it at every step, which costs little while the
basis fits into the caches. A larger basis goes through a function with matfree's own interface that stores it as
[iterations, parameters]: one copy of the basis instead of two at 9.8 million parameters and 20 iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from matfree import decomp

from jaxcifar.landscape.arguments import Float, Int, as_count
from jaxcifar.landscape.checks import Array, PyTree
from jaxcifar.landscape.memory import lanczos_memory, require_memory
from jaxcifar.landscape.trees import tree_size

Operator = Callable[[PyTree], PyTree]
Tridiagonalise = Callable[..., Any]

LARGE_BASIS = 32 * 2**20
"""Bytes above which a basis is stored by rows: about the size of a processor's last cache."""


class Ritz(NamedTuple):
    """Results of K Lanczos iterations on n parameters.

    `values` [K] ascending, of which the first `count` (a scalar) are eigenvalue estimates; `coordinates` [K, K], whose
    column i is the i-th Ritz vector in `basis` [K, n].
    """

    values: Float[Array, " K"]
    coordinates: Float[Array, "K K"]
    basis: Float[Array, "K n"]
    count: Int[Array, ""]


def check_iterations(params: PyTree, iterations: int, memory_limit: int | None) -> int:
    """Return `iterations`, at most one per parameter, after a check that their basis fits into memory."""
    iterations = as_count(iterations, "iterations", 1, tree_size(params), ", the number of parameters")
    require_memory(params, iterations, memory_limit)
    return iterations


def random_vector(key: Array, like: PyTree) -> PyTree:
    """Return a standard normal pytree with the shapes and dtypes of `like`."""
    flat, unravel = ravel_pytree(like)
    # The direction is uniform on the sphere, so that almost surely no eigenvector is orthogonal to it.
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def lanczos(operator: Operator, start: PyTree, iterations: int) -> Ritz:
    """Return Ritz values and vectors of a symmetric operator in the Krylov space of `start`.

    A breakdown (the space is invariant after fewer steps, as for an operator of low rank) ends the iteration: `count`
    leaves out what follows.
    """
    flat, unravel = ravel_pytree(start)
    large = lanczos_memory(start, iterations) > LARGE_BASIS
    tridiagonalise = row_major_tridiagonal(iterations) if large else matfree_tridiagonal(iterations)
    basis, (diagonal, off_diagonal), _, _ = tridiagonalise(lambda v: ravel_pytree(operator(unravel(v)))[0], flat)
    return _ritz(basis, diagonal, off_diagonal, finite_rows=large)


def matfree_tridiagonal(iterations: int) -> Tridiagonalise:
    """Return matfree's Lanczos with full re-orthogonalisation, without its reverse rule, which no measure needs."""
    return decomp.tridiag_sym(iterations, reortho="full", materialize=False, custom_vjp=False)


def row_major_tridiagonal(iterations: int) -> Tridiagonalise:
    """Return Lanczos with full re-orthogonalisation, a basis [iterations, n] and the interface of matfree's."""

    def decompose(matvec: Callable[[Array], Array], start: Array):
        def step(i: Array, carry: tuple[Array, Array, Array, Array, Array]):
            basis, diagonal, lengths, rest, length = carry
            # Length 0 is an exact breakdown: zeros follow instead of NaN, and `_ritz` cuts them off.
            vector = rest / jnp.where(length > 0, length, 1)
            # The basis is part of the loop's carry and one row of it is written, so XLA updates it in place: a second
            # copy would double the memory that `lanczos_memory` announces.
            basis = lax.dynamic_update_index_in_dim(basis, vector, i, 0)
            previous = lax.dynamic_index_in_dim(basis, jnp.maximum(i - 1, 0), keepdims=False)
            image = matvec(vector)
            along = jnp.vdot(vector, image)
            # The first step has no previous vector, and its `length` is the norm of the start vector.
            rest = image - along * vector - jnp.where(i > 0, length, 0) * previous
            # Rows that are not yet written are zero, so the product over all rows removes exactly the components along
            # the vectors found so far. In floating point the three-term recurrence alone loses orthogonality, and an
            # eigenvalue would then be found several times. Both products read the basis row by row, without transpose.
            rest = rest - (basis @ rest) @ basis
            length = jnp.sqrt(jnp.vdot(rest, rest))
            return basis, diagonal.at[i].set(along), lengths.at[i].set(length), rest, length

        zeros = jnp.zeros(iterations, start.dtype)
        norm = jnp.sqrt(jnp.vdot(start, start))
        # `rest` and its length are the next vector before normalisation; the start vector is the first of them.
        carry = (jnp.zeros((iterations, start.size), start.dtype), zeros, zeros, start, norm)
        basis, diagonal, lengths, rest, _ = lax.fori_loop(0, iterations, step, carry)
        return basis, (diagonal, lengths[:-1]), rest, 1 / norm

    return decompose


def _ritz(basis: Array, diagonal: Array, off_diagonal: Array, finite_rows: bool) -> Ritz:
    """Return the eigenpairs of the tridiagonal matrix up to its first breakdown, with all others after them."""
    sizes = jnp.abs(jnp.concatenate([diagonal, off_diagonal]))
    # Entries after a breakdown may be NaN and must not make the scale NaN.
    scale = jnp.max(jnp.where(jnp.isfinite(sizes), sizes, 0))
    # After a breakdown the iteration continues on rounding errors. Its part of the matrix is cut off and placed at
    # 4 x scale, above every true value (at most 3 x scale by Gershgorin's theorem), so that it sorts behind `count`.
    joined = off_diagonal > 10 * jnp.finfo(diagonal.dtype).eps * scale
    # The cumulative product drops everything after the first breakdown, whatever the size of later entries.
    valid = jnp.isfinite(diagonal) & jnp.concatenate([jnp.ones(1, bool), jnp.cumprod(joined) > 0])
    off_diagonal = jnp.where(valid[1:], off_diagonal, 0)
    diagonal = jnp.where(valid, diagonal, 4 * scale)
    tridiagonal = jnp.diag(diagonal) + jnp.diag(off_diagonal, 1) + jnp.diag(off_diagonal, -1)
    values, coordinates = jnp.linalg.eigh(tridiagonal)
    # The matrix has two blocks, so this changes rounding at most; the vectors of the second block come after `count`.
    coordinates = jnp.where(valid[:, None], coordinates, 0)
    # matfree divides by the length zero at a breakdown: NaN rows times coordinate zero would still be NaN.
    return Ritz(values, coordinates, basis if finite_rows else jnp.where(valid[:, None], basis, 0), jnp.sum(valid))
