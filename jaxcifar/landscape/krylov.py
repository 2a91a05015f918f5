"""Lanczos with full re-orthogonalisation on a symmetric operator over pytrees, by matfree.

matfree keeps the basis as [parameters, iterations] and transposes it at every step, which costs little until the
basis outgrows the caches. Larger bases go through a plug-in with matfree's own interface that keeps them as
[iterations, parameters]: at 9.8 million parameters and 20 iterations one copy of the basis instead of two.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from matfree import decomp

from jaxcifar.landscape.checks import Array, PyTree
from jaxcifar.landscape.memory import lanczos_memory, require_memory
from jaxcifar.landscape.trees import tree_size

Operator = Callable[[PyTree], PyTree]
Tridiagonalise = Callable[..., Any]

LARGE_BASIS = 32 * 2**20


class Ritz(NamedTuple):
    """What K Lanczos iterations found on n parameters.

    `values` [K] ascending, of which the first `count` (a scalar) are eigenvalue estimates; `coordinates` [K, K], whose
    column i is the i-th Ritz vector in `basis` [K, n].
    """

    values: Array
    coordinates: Array
    basis: Array
    count: Array


def check_iterations(params: PyTree, iterations: int, memory_limit: int | None) -> None:
    """Refuse fewer than one iteration, more iterations than parameters, and a basis that does not fit."""
    if not isinstance(iterations, int) or not 1 <= iterations <= tree_size(params):
        raise ValueError(
            f"iterations is {iterations}, but Lanczos takes 1 to {tree_size(params)} of them here, one a parameter at "
            "most."
        )
    require_memory(params, iterations, memory_limit)


def random_vector(key: Array, like: PyTree) -> PyTree:
    """Standard normal pytree with the shapes and dtypes of `like`."""
    flat, unravel = ravel_pytree(like)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def lanczos(operator: Operator, start: PyTree, iterations: int) -> Ritz:
    """Ritz values and vectors of a symmetric operator in the Krylov space of `start`.

    A breakdown (the space is invariant after fewer steps, as for an operator of low rank) ends the iteration: what
    follows is left out of `count`.
    """
    flat, unravel = ravel_pytree(start)
    large = lanczos_memory(start, iterations) > LARGE_BASIS
    tridiagonalise = row_major_tridiagonal(iterations) if large else matfree_tridiagonal(iterations)
    basis, (diagonal, off_diagonal), _, _ = tridiagonalise(lambda v: ravel_pytree(operator(unravel(v)))[0], flat)
    return _ritz(basis, diagonal, off_diagonal, finite_rows=large)


def matfree_tridiagonal(iterations: int) -> Tridiagonalise:
    """matfree's Lanczos, with full re-orthogonalisation and without its reverse rule, which no measure needs."""
    return decomp.tridiag_sym(iterations, reortho="full", materialize=False, custom_vjp=False)


def row_major_tridiagonal(iterations: int) -> Tridiagonalise:
    """Lanczos with full re-orthogonalisation and a basis [iterations, n], with the interface of matfree's."""

    def decompose(matvec: Callable[[Array], Array], start: Array):
        def step(i: Array, carry: tuple[Array, Array, Array, Array, Array]):
            basis, diagonal, lengths, rest, length = carry
            vector = rest / jnp.where(length > 0, length, 1)
            basis = lax.dynamic_update_index_in_dim(basis, vector, i, 0)
            previous = lax.dynamic_index_in_dim(basis, jnp.maximum(i - 1, 0), keepdims=False)
            image = matvec(vector)
            along = jnp.vdot(vector, image)
            rest = image - along * vector - jnp.where(i > 0, length, 0) * previous
            rest = rest - (basis @ rest) @ basis
            length = jnp.sqrt(jnp.vdot(rest, rest))
            return basis, diagonal.at[i].set(along), lengths.at[i].set(length), rest, length

        zeros = jnp.zeros(iterations, start.dtype)
        norm = jnp.sqrt(jnp.vdot(start, start))
        carry = (jnp.zeros((iterations, start.size), start.dtype), zeros, zeros, start, norm)
        basis, diagonal, lengths, rest, _ = lax.fori_loop(0, iterations, step, carry)
        return basis, (diagonal, lengths[:-1]), rest, 1 / norm

    return decompose


def _ritz(basis: Array, diagonal: Array, off_diagonal: Array, finite_rows: bool) -> Ritz:
    """Eigenpairs of the tridiagonal matrix up to its first breakdown; the rest is set above all of them.

    Rows of the basis behind a breakdown get no coordinate; where they may be NaN the basis is copied without them.
    """
    sizes = jnp.abs(jnp.concatenate([diagonal, off_diagonal]))
    scale = jnp.max(jnp.where(jnp.isfinite(sizes), sizes, 0))
    joined = off_diagonal > 10 * jnp.finfo(diagonal.dtype).eps * scale
    valid = jnp.isfinite(diagonal) & jnp.concatenate([jnp.ones(1, bool), jnp.cumprod(joined) > 0])
    off_diagonal = jnp.where(valid[1:], off_diagonal, 0)
    diagonal = jnp.where(valid, diagonal, 4 * scale)
    tridiagonal = jnp.diag(diagonal) + jnp.diag(off_diagonal, 1) + jnp.diag(off_diagonal, -1)
    values, coordinates = jnp.linalg.eigh(tridiagonal)
    # The matrix is two blocks, so this changes rounding at most; the vectors of the second block come after `count`.
    coordinates = jnp.where(valid[:, None], coordinates, 0)
    return Ritz(values, coordinates, basis if finite_rows else jnp.where(valid[:, None], basis, 0), jnp.sum(valid))
