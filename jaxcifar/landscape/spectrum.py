"""The Hessian's whole spectrum at a point: its trace by Hutchinson, its density by stochastic Lanczos quadrature."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from matfree import stochtrace

from jaxcifar.landscape.arguments import LONGEST, Float, as_axis, as_count, as_key, as_real, as_scalar
from jaxcifar.landscape.checks import Array, Loss, PyTree, at_highest_precision, if_finite, prepared
from jaxcifar.landscape.curvature import hessian_at
from jaxcifar.landscape.krylov import check_iterations, lanczos, random_vector


class Trace(NamedTuple):
    """`mean` over probes and its `standard_error` (NaN for one probe), in loss per squared unit of parameter."""

    mean: Float[Array, ""]
    standard_error: Float[Array, ""]


class SpectralDensity(NamedTuple):
    """`density` [points] at the eigenvalues `grid` [points], and its `integral` over the grid, to be near 1.

    `nodes` and `weights` [samples, iterations] are the quadrature itself, for `density_on_grid` on another grid.
    """

    grid: Float[Array, " points"]
    density: Float[Array, " points"]
    integral: Float[Array, ""]
    nodes: Float[Array, "samples iterations"]
    weights: Float[Array, "samples iterations"]


@at_highest_precision
def hessian_trace(loss: Loss, params: PyTree, key: Array, *, samples: int = 10) -> Trace:
    """Return the trace of the Hessian by Hutchinson's estimator with random signs.

    $$ \\operatorname{tr} H \\approx \\frac{1}{S} \\sum_s z_s^\\top H z_s, \\quad z_s \\in \\{-1, 1\\}^n $$

    One probe is exact where the Hessian is diagonal.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of n parameters.
        key: PRNG key of the signs.
        samples: S, probes, at least 1.

    Returns:
        `Trace`.

    Raises:
        ValueError: unfit loss, parameters or key, no sample, a loss or second derivative that is not finite (outside
            `jit`).

    Cost: 1 + 2 `samples` gradients, one after another.

    References:
        Hutchinson, Communications in Statistics 19 (1990).
    """
    params = prepared(loss, params)
    samples = as_count(samples, "samples", 1, LONGEST)

    def compute(params: PyTree, key: Array) -> tuple[Trace, Array]:
        operator, value = hessian_at(loss, params)
        # Among independent entries z of variance 1, signs give the least variance: the diagonal adds (E z⁴ - 1) Σ Hᵢᵢ²
        # to it, which is zero for signs only.
        sampler, quadratic_form = stochtrace.sampler_signs(params, num=1), stochtrace.monte_carlo_trace()

        def probe(key: Array) -> Array:
            return quadratic_form(operator, jax.tree.map(lambda signs: signs[0], sampler(key)))

        # One probe after another: the intermediate values of only one product are in memory.
        forms = lax.map(probe, jax.random.split(key, samples))
        error = jnp.std(forms, ddof=1) / samples**0.5 if samples > 1 else jnp.full((), jnp.nan, forms.dtype)
        return Trace(jnp.mean(forms), error), value

    trace, value = jax.jit(compute)(params, as_key(key))
    return if_finite(value, trace, trace.mean)


@at_highest_precision
def spectral_density(
    loss: Loss,
    params: PyTree,
    key: Array,
    *,
    iterations: int = 30,
    samples: int = 4,
    points: int = 1001,
    width: float | None = None,
    memory_limit: int | None = None,
) -> SpectralDensity:
    """Return the density of the Hessian's eigenvalues by stochastic Lanczos quadrature.

    $$ \\rho(x) = \\frac{1}{S} \\sum_s \\sum_i \\omega_{s,i} \\, \\mathcal N(x; \\theta_{s,i}, \\sigma^2) $$

    with Ritz values θ and squared first components ω of Lanczos from S random vectors.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of n parameters.
        key: PRNG key of the starting vectors.
        iterations: Lanczos iterations per sample, 1 to n.
        samples: S, at least 1.
        points: grid points, at least 2, over the Ritz values and five widths beyond either end.
        width: σ, positive, in the unit of the eigenvalues; None takes a hundredth of the range of the Ritz values.
        memory_limit: bytes allowed for the basis of one sample (`lanczos_memory`); None takes what is free.

    Returns:
        `SpectralDensity`; the density is a fraction of parameters per unit of eigenvalue. Its integral is below 1
        where the grid is coarser than σ.

    Raises:
        ValueError: unfit loss, parameters or key, a wrong count or width, a basis beyond the limit, a loss or second
            derivative that is not finite (outside `jit`).

    Cost: 1 + 2 `samples` `iterations` gradients; memory of one basis.

    References:
        Lin, Saad and Yang, SIAM Review 58 (2016); Ghorbani et al. (2019), arXiv 1901.10159.
    """
    params = prepared(loss, params)
    samples, points = as_count(samples, "samples", 1, LONGEST), as_count(points, "points", 2, LONGEST)
    iterations = check_iterations(params, iterations, memory_limit)
    sigma = None if width is None else _width(width)

    def compute(params: PyTree, key: Array) -> tuple[Array, Array, Array]:
        return _quadrature(loss, params, jax.random.split(key, samples), iterations)

    @jax.jit
    def draw(nodes: Array, weights: Array) -> SpectralDensity:
        deviation = _default_width(nodes) if sigma is None else sigma.astype(nodes.dtype)
        # A bell has fallen to 4e-6 of its peak at five deviations, so the grid holds nearly all of the integral.
        grid = jnp.linspace(jnp.min(nodes) - 5 * deviation, jnp.max(nodes) + 5 * deviation, points)
        density = _density(nodes, weights, grid, deviation)
        return SpectralDensity(grid, density, jnp.trapezoid(density, grid), nodes, weights)

    nodes, weights, value = jax.jit(compute)(params, as_key(key))
    return if_finite(value, draw(nodes, weights), nodes)


def _quadrature(loss: Loss, params: PyTree, keys: Array, iterations: int) -> tuple[Array, Array, Array]:
    """Return nodes and weights [samples, iterations], and the loss; one sample after another, so one basis is kept."""
    operator, value = hessian_at(loss, params)

    def sample(key: Array) -> tuple[Array, Array]:
        ritz = lanczos(operator, random_vector(key, params), iterations)
        found = jnp.arange(iterations) < ritz.count
        # What follows a breakdown has weight 0 and sits at the smallest node, where it does not widen the grid.
        smallest = jnp.where(ritz.count > 0, ritz.values[0], jnp.nan)
        return jnp.where(found, ritz.values, smallest), jnp.where(found, ritz.coordinates[0] ** 2, 0)

    return *lax.map(sample, keys), value


def density_on_grid(
    nodes: Float[Array, "samples iterations"],
    weights: Float[Array, "samples iterations"],
    grid: Float[Array, " points"],
    width: Float[Array, ""] | float,
) -> Float[Array, " points"]:
    """Return the density of a quadrature on any grid, so that several snapshots share one.

    $$ \\rho(x) = \\frac{1}{S} \\sum_{s,i} \\omega_{s,i} \\, \\mathcal N(x; \\theta_{s,i}, \\sigma^2) $$

    Args:
        nodes, weights: θ and ω, arrays [samples, iterations], of `spectral_density`.
        grid: array [points], in the unit of the nodes.
        width: σ, in the same unit, positive.

    Returns:
        Array [points], per unit of the grid.

    Raises:
        ValueError: arrays of other shapes, or a width that is not positive (outside `jit`).

    Cost: no gradient.
    """
    nodes, weights = (as_real(v, n, "[samples, iterations]") for v, n in ((nodes, "nodes"), (weights, "weights")))
    if nodes.ndim != 2 or nodes.shape != weights.shape or nodes.size == 0:
        raise ValueError(
            f"nodes have shape {nodes.shape} and weights {weights.shape}, but both must be [samples, iterations], not "
            "empty."
        )
    return _density(nodes, weights, as_axis(grid, "grid", "eigenvalues").astype(nodes.dtype), _width(width))


def _density(nodes: Array, weights: Array, grid: Array, width: Array) -> Array:
    # One grid point at a time: all at once would take an array [points, samples, iterations].
    def at(x: Array) -> Array:
        bells = jnp.exp(-0.5 * ((x - nodes) / width) ** 2) / (width * jnp.sqrt(2 * jnp.pi))
        return jnp.sum(weights * bells) / nodes.shape[0]

    return lax.map(at, grid)


def _width(width: Array | float) -> Array:
    return as_scalar(width, "width", "a positive number", lambda w: (w > 0) & np.isfinite(w))


def _default_width(nodes: Array) -> Array:
    """Return a hundredth of the range of the nodes, or of their size where all are one, or of one where all are 0."""
    reach = jnp.max(nodes) - jnp.min(nodes)
    size = jnp.max(jnp.abs(nodes))
    # A relative range of 1e-6 is near float32 rounding: the nodes are then copies of one eigenvalue.
    usable = jnp.where(reach > 1e-6 * size, reach, size)
    return jnp.where(usable > 0, usable, 1) / 100
