"""Measures of a loss landscape, on any `loss(params) -> scalar` and any pytree of parameters.

    >>> import jax, jax.numpy as jnp
    >>> from jaxcifar import landscape
    >>> loss = lambda w: 0.5 * jnp.vdot(w, jnp.array([10.0, 3.0, 1.0]) * w)
    >>> step_sizes = landscape.probe_step_sizes(0.1)
    >>> round(float(landscape.gradient_direction_probe(loss, jnp.ones(3), step_sizes).effective_beta), 4)
    9.5736

The caller's loss closes over the batch, the BatchNorm mode and the dropout key. Every measure of a loss works under
`jit`, computes in the parameters' dtype but never below float32, and at highest matrix-product precision. An argument
that is not allowed raises a ValueError of one sentence; values are checked outside `jit` only, and a loss that is not
finite gives NaN inside.
"""

from jaxcifar.landscape.band import Band, UsableRates, loss_band, usable_rates
from jaxcifar.landscape.curvature import (
    EigenPairs,
    Extremes,
    extreme_eigenvalues,
    hessian_operator,
    hvp,
    preconditioned_sharpness,
)
from jaxcifar.landscape.directions import (
    DirectionProbe,
    direction_probe,
    gradient_direction_probe,
    probe_step_sizes,
)
from jaxcifar.landscape.groups import group_of_leaves
from jaxcifar.landscape.initialization import branch_share, feature_rank, input_gradient_correlation
from jaxcifar.landscape.internal_shift import CovariateShift, covariate_shift
from jaxcifar.landscape.memory import lanczos_memory
from jaxcifar.landscape.noise import NoiseScale, noise_scale
from jaxcifar.landscape.planes import Line, Plane, filter_normalised, line, plane, random_directions
from jaxcifar.landscape.quantiles import Quantiles, maximum_and_quantiles, running_maximum
from jaxcifar.landscape.reliability import StepReliability, UpdateReliability, step_reliability, update_reliability
from jaxcifar.landscape.scale_free import (
    BlockSharpness,
    block_sharpness,
    scale_free_sharpness,
    weight_gradient_product,
)
from jaxcifar.landscape.smoothness import (
    GradientDistance,
    NoiseFloor,
    beta_from_gradients,
    cross_batch_beta,
    cross_batch_gradient_distance,
    distance_from_gradients,
    noise_floor,
    noise_floor_from_gradients,
    same_batch_beta,
    same_batch_gradient_distance,
)
from jaxcifar.landscape.spectrum import SpectralDensity, Trace, density_on_grid, hessian_trace, spectral_density
from jaxcifar.landscape.stability import (
    adam_preconditioner,
    adam_threshold,
    gradient_descent_threshold,
    momentum_threshold,
    nesterov_threshold,
)
from jaxcifar.landscape.trajectories import Trajectory, project, trajectory
from jaxcifar.landscape.trees import tree_cosine, tree_distance, tree_dot, tree_norm, tree_size
from jaxcifar.landscape.watch import WatchState, watch

__all__ = [
    "Band",
    "BlockSharpness",
    "CovariateShift",
    "DirectionProbe",
    "EigenPairs",
    "Extremes",
    "GradientDistance",
    "Line",
    "NoiseFloor",
    "NoiseScale",
    "Plane",
    "Quantiles",
    "SpectralDensity",
    "StepReliability",
    "Trace",
    "Trajectory",
    "UpdateReliability",
    "UsableRates",
    "WatchState",
    "adam_preconditioner",
    "adam_threshold",
    "beta_from_gradients",
    "block_sharpness",
    "branch_share",
    "covariate_shift",
    "cross_batch_beta",
    "cross_batch_gradient_distance",
    "density_on_grid",
    "direction_probe",
    "distance_from_gradients",
    "extreme_eigenvalues",
    "feature_rank",
    "filter_normalised",
    "gradient_descent_threshold",
    "gradient_direction_probe",
    "group_of_leaves",
    "hessian_operator",
    "hessian_trace",
    "hvp",
    "input_gradient_correlation",
    "lanczos_memory",
    "line",
    "loss_band",
    "maximum_and_quantiles",
    "momentum_threshold",
    "nesterov_threshold",
    "noise_floor",
    "noise_floor_from_gradients",
    "noise_scale",
    "plane",
    "preconditioned_sharpness",
    "probe_step_sizes",
    "project",
    "random_directions",
    "running_maximum",
    "same_batch_beta",
    "same_batch_gradient_distance",
    "scale_free_sharpness",
    "spectral_density",
    "step_reliability",
    "trajectory",
    "tree_cosine",
    "tree_distance",
    "tree_dot",
    "tree_norm",
    "tree_size",
    "update_reliability",
    "usable_rates",
    "watch",
    "weight_gradient_product",
]
