"""The Hessian's whole spectrum at a point: its trace by Hutchinson, its density by stochastic Lanczos quadrature."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from matfree import stochtrace

from jaxcifar.landscape.checks import Array, Loss, PyTree, at_highest_precision, if_finite, prepared
from jaxcifar.landscape.curvature import hessian_operator
from jaxcifar.landscape.krylov import check_iterations, lanczos, random_vector


class Trace(NamedTuple):
    """`mean` over probes and its `standard_error` (NaN for one probe), in loss per squared unit of parameter."""

    mean: Array
    standard_error: Array


class SpectralDensity(NamedTuple):
    """`density` [points] at the eigenvalues `grid` [points], and its `integral` over the grid, to be near 1.

    `nodes` and `weights` [samples, iterations] are the quadrature itself, for `density_on_grid` on another grid.
    """

    grid: Array
    density: Array
    integral: Array
    nodes: Array
    weights: Array


@at_highest_precision
def hessian_trace(loss: Loss, params: PyTree, key: Array, *, samples: int = 10) -> Trace:
    """Trace of the Hessian by Hutchinson's estimator with random signs.

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
        ValueError: unfit loss or parameters, no sample, a loss that is not finite (outside `jit`).

    Cost: 1 + 2 `samples` gradients, one after another.

    References:
        Hutchinson, Communications in Statistics 19 (1990).
    """
    params = prepared(loss, params)
    _require_samples(samples)

    def compute(params: PyTree, key: Array) -> tuple[Trace, Array]:
        operator, value = hessian_operator(loss, params)
        sampler, quadratic_form = stochtrace.sampler_signs(params, num=1), stochtrace.monte_carlo_trace()

        def probe(key: Array) -> Array:
            return quadratic_form(operator, jax.tree.map(lambda signs: signs[0], sampler(key)))

        forms = lax.map(probe, jax.random.split(key, samples))
        error = jnp.std(forms, ddof=1) / samples**0.5 if samples > 1 else jnp.full((), jnp.nan, forms.dtype)
        return Trace(jnp.mean(forms), error), value

    trace, value = jax.jit(compute)(params, key)
    return if_finite(value, trace)


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
    """Density of the Hessian's eigenvalues by stochastic Lanczos quadrature.

    $$ \\rho(x) = \\frac{1}{S} \\sum_s \\sum_i \\omega_{s,i} \\, \\mathcal N(x; \\theta_{s,i}, \\sigma^2) $$

    with Ritz values θ and squared first components ω of Lanczos from S random vectors.

    Args:
        loss: `loss(params)`, a scalar.
        params: pytree of n parameters.
        key: PRNG key of the starting vectors.
        iterations: Lanczos iterations a sample, 1 to n.
        samples: S, at least 1.
        points: grid points, over the Ritz values and five widths beyond either end.
        width: σ, in the unit of the eigenvalues; None takes a hundredth of the range of the Ritz values.
        memory_limit: bytes allowed for the basis of one sample (`lanczos_memory`); None takes what is free.

    Returns:
        `SpectralDensity`; the density is a fraction of parameters per unit of eigenvalue. Its integral falls short
        where the grid is coarser than σ.

    Raises:
        ValueError: unfit loss or parameters, a bad count, a basis beyond the limit, a loss that is not finite
            (outside `jit`).

    Cost: 1 + 2 `samples` `iterations` gradients; memory of one basis.

    References:
        Lin, Saad and Yang, SIAM Review 58 (2016); Ghorbani et al. (2019), arXiv 1901.10159.
    """
    params = prepared(loss, params)
    _require_samples(samples)
    check_iterations(params, iterations, memory_limit)

    def compute(params: PyTree, key: Array) -> tuple[SpectralDensity, Array]:
        operator, value = hessian_operator(loss, params)

        def sample(key: Array) -> tuple[Array, Array]:
            ritz = lanczos(operator, random_vector(key, params), iterations)
            found = jnp.arange(iterations) < ritz.count
            return jnp.where(found, ritz.values, ritz.values[0]), jnp.where(found, ritz.coordinates[0] ** 2, 0)

        nodes, weights = lax.map(sample, jax.random.split(key, samples))
        sigma = _default_width(nodes) if width is None else jnp.asarray(width, nodes.dtype)
        grid = jnp.linspace(jnp.min(nodes) - 5 * sigma, jnp.max(nodes) + 5 * sigma, points)
        density = density_on_grid(nodes, weights, grid, sigma)
        return SpectralDensity(grid, density, jnp.trapezoid(density, grid), nodes, weights), value

    density, value = jax.jit(compute)(params, key)
    return if_finite(value, density)


def density_on_grid(nodes: Array, weights: Array, grid: Array, width: Array | float) -> Array:
    """Draw a quadrature on any grid, so that several snapshots share one.

    $$ \\rho(x) = \\frac{1}{S} \\sum_{s,i} \\omega_{s,i} \\, \\mathcal N(x; \\theta_{s,i}, \\sigma^2) $$

    Args:
        nodes, weights: θ and ω, arrays [samples, iterations], of `spectral_density`.
        grid: array [points], in the unit of the nodes.
        width: σ, in the same unit, positive.

    Returns:
        Array [points], per unit of the grid.

    Cost: no gradient.
    """

    def at(x: Array) -> Array:
        bells = jnp.exp(-0.5 * ((x - nodes) / width) ** 2) / (width * jnp.sqrt(2 * jnp.pi))
        return jnp.sum(weights * bells) / nodes.shape[0]

    return lax.map(at, jnp.asarray(grid, nodes.dtype))


def _default_width(nodes: Array) -> Array:
    """A hundredth of the range of the nodes, or of their size where all are one, or one where all are zero."""
    reach = jnp.max(nodes) - jnp.min(nodes)
    size = jnp.max(jnp.abs(nodes))
    usable = jnp.where(reach > 1e-6 * size, reach, size)
    return jnp.where(usable > 0, usable, 1) / 100


def _require_samples(samples: int) -> None:
    if samples < 1:
        raise ValueError(f"samples is {samples}, but an estimate needs at least 1.")
