"""The study's optimizers, as PyTorch means them, and the schedules of the learning rate."""

from __future__ import annotations

from typing import Any, NamedTuple, assert_never

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from jaxcifar import config
from jaxcifar.errors import UserError
from jaxcifar.models import Roles, roles


class Hyperparams(NamedTuple):
    """The hyperparameters of a run that are traced, so that one program serves all their values and several members."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    momentum: jax.Array
    label_smoothing: jax.Array
    seed: jax.Array


def hyperparams(run: config.Run) -> Hyperparams:
    """Return the hyperparameters of a run as scalars (float32, or float64 under `jax.enable_x64`; seed uint32)."""
    momentum = run.optimizer.momentum if isinstance(run.optimizer, config.SGD) else 0.0
    smoothing = run.loss.label_smoothing if isinstance(run.loss, config.CrossEntropy) else 0.0
    return Hyperparams(
        learning_rate=jnp.asarray(run.optimizer.learning_rate, float),
        weight_decay=jnp.asarray(run.optimizer.weight_decay, float),
        momentum=jnp.asarray(momentum, float),
        label_smoothing=jnp.asarray(smoothing, float),
        seed=jnp.asarray(run.seed, jnp.uint32),
    )


def direction(optimizer: config.Optimizer, values: Hyperparams, roles: Roles) -> optax.GradientTransformation:
    """Return the transformation of gradients to the direction u of the update w <- w - learning rate x u.

    That of `Optax` needs `rate`, the step's learning rate, and returns the whole update of the parameters.

    PyTorch's order: weight decay is added to the gradient before momentum and preconditioning, except in AdamW, where
    it is added to the direction. Adagrad divides by sqrt(s) + ε with s from 0, Adadelta has ε under both roots.
    Muon's kernels move along their orthogonalised momentum plus weight decay x w, its other parameters as with SGD.
    """
    decay = _decay(optimizer, values.weight_decay, roles)
    match optimizer:
        # AdamW is a subclass of Adam, so it has to come first.
        case config.AdamW():
            return optax.chain(_adam(optimizer), decay)
        case config.Adam():
            return optax.chain(decay, _adam(optimizer))
        case config.Adagrad():
            return optax.chain(decay, _adagrad(optimizer.epsilon))
        case config.Adadelta():
            return optax.chain(decay, optax.scale_by_adadelta(optimizer.rho, optimizer.epsilon))
        # Without momentum no trace is kept, which would be a copy of the parameters in memory and in checkpoints.
        case config.SGD(momentum=0):
            return decay
        case config.SGD():
            return optax.chain(decay, optax.trace(values.momentum, optimizer.nesterov))
        case config.Optax():
            return _optax(optimizer)
        case config.Muon():
            others = optax.chain(decay, optax.trace(optimizer.other_momentum, nesterov=True))
            # Decay is added after the orthogonalisation, which keeps no lengths; so all weights shrink equally.
            parts: dict[Any, Any] = {"matrix": optax.chain(_muon(optimizer), decay), "other": others}
            # In the order of False and True, which are the indices below.
            labels = ("other", "matrix")
            return optax.partition(
                parts, lambda params: jax.tree.map(lambda yes: labels[yes], _matrices(params, roles))
            )


def _decay(optimizer: config.Optimizer, weight_decay: jax.Array, roles: Roles) -> optax.GradientTransformation:
    """Add weight decay x w / factor, so that all weights shrink equally whatever the factor on their learning rate."""

    def update(updates: Any, params: Any) -> Any:
        factors = rate_factors(optimizer, params, roles)

        def decayed(u: jax.Array, w: jax.Array, factor: float) -> jax.Array:
            return u + (weight_decay / factor).astype(w.dtype) * w

        return jax.tree.map(decayed, updates, params, factors)

    return optax.stateless(update)


def _matrices(params: Any, roles: Roles) -> Any:
    """Which parameters Muon takes as matrices: all kernels but the output layer's."""
    return jax.tree_util.tree_map_with_path(lambda path, w: w.ndim > 1 and not _is_output(path, roles), params)


def _layer(path: Any) -> str:
    """The path of a parameter's layer, such as `stage1_block1/conv1`."""
    return "/".join(key.key for key in path[:-1])


def _is_output(path: Any, roles: Roles) -> bool:
    """Whether a parameter is of the output layer, or is it: a network of one's own may hold its kernels at the top."""
    return roles.output in (_layer(path), "/".join(key.key for key in path))


def rate_factors(optimizer: config.Optimizer, params: Any, roles: Roles) -> Any:
    """Return the factor on the learning rate of each parameter."""

    def factor(path: Any, w: jax.Array) -> float:
        match optimizer:
            case config.SGD():
                return optimizer.bias_factor if _layer(path) in roles.norms and path[-1].key == "bias" else 1.0
            case config.Muon():
                if w.ndim == 1:
                    return optimizer.bias_factor
                return optimizer.output_factor if _is_output(path, roles) else 1.0
            case config.Adagrad() | config.Adadelta() | config.Adam() | config.Optax():
                return 1.0
            case unknown:
                assert_never(unknown)

    return jax.tree_util.tree_map_with_path(factor, params)


def apply_update(
    run: config.Run, values: Hyperparams, params: Any, update: Any, rate: jax.Array, epochs: jax.Array
) -> Any:
    """Return the parameters after w <- w - rate x factor x u, kernels normalised if the optimizer says so.

    Args:
        run: what is trained (static).
        values: the run's hyperparameters.
        params: w.
        update: u, from `direction`.
        rate: the learning rate with its schedule.
        epochs: number of finished epochs; in the first ones a whitening layer's bias has its own schedule.
    """
    optimizer, layers = run.optimizer, roles(run.model)
    # In the first epochs the learning rate of a whitening layer's bias falls to 0.
    fading = jnp.maximum(1 - epochs / run.model.whitening_epochs, 0.0) if run.model.whitening_epochs else 1.0
    if isinstance(optimizer, config.Optax):

        def fade(path: Any, u: jax.Array) -> jax.Array:
            return u * jnp.asarray(fading, u.dtype) if _layer(path) in layers.whitening else u

        return optax.apply_updates(params, jax.tree_util.tree_map_with_path(fade, update))

    def move(path: Any, w: jax.Array, u: jax.Array, factor: float) -> jax.Array:
        own = values.learning_rate * fading if _layer(path) in layers.whitening else rate
        return w - (own * factor).astype(w.dtype) * u.astype(w.dtype)

    params = jax.tree_util.tree_map_with_path(move, params, update, rate_factors(optimizer, params, layers))
    if isinstance(optimizer, config.Muon) and optimizer.normalize:
        return jax.tree.map(lambda w, yes: _normalized(w) if yes else w, params, _matrices(params, layers))
    return params


def _normalized(kernel: jax.Array) -> jax.Array:
    """The kernel with the Frobenius norm sqrt(F), F its outputs."""
    return kernel * (kernel.shape[-1] ** 0.5 / jnp.linalg.norm(kernel.ravel()))


def _optax(optimizer: config.Optax) -> optax.GradientTransformation:
    """A user's own optimizer; its update is the whole step, so it needs the step's learning rate.

    It is made again at every step with the traced rate: optimizers that use the rate in other places than a last
    factor are right too, and several rates train as one program.

    Raises:
        UserError: it keeps the rate in its state, which would be that of the first step for ever.
    """
    tree = {"kernel": np.ones((8, 8), np.float32)}
    with jax.ensure_compile_time_eval():
        one, half = (jax.tree.leaves(optimizer.made(rate).init(tree)) for rate in (1.0, 0.5))
        is_key = [jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key) for leaf in one]
        same = all(key or np.array_equal(a, b) for key, a, b in zip(is_key, one, half, strict=True))
    if not same:
        raise UserError(
            f"Optax({optimizer.factory_name}) keeps the learning rate in its state, where no schedule reaches it; give "
            "the factory itself, without inject_hyperparams or the like."
        )

    def update(updates: Any, state: Any, params: Any = None, *, rate: Any = None, **extra: Any) -> Any:
        return optax.with_extra_args_support(optimizer.made(rate)).update(updates, state, params, **extra)

    return optax.GradientTransformationExtraArgs(lambda params: optimizer.made(1.0).init(params), update)


def _adam(optimizer: config.Adam) -> optax.GradientTransformation:
    return optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def _muon(optimizer: config.Muon) -> optax.GradientTransformation:
    def dimensions(params: Any) -> Any:
        # All axes but the last are inputs: a convolution's kernel is the matrix [k k C, F].
        return jax.tree.map(lambda w: optax.contrib.MuonDimensionNumbers(tuple(range(w.ndim - 1)), w.ndim - 1), params)

    return optax.contrib.scale_by_muon(
        ns_steps=optimizer.iterations, beta=optimizer.momentum, weight_dimension_numbers=dimensions
    )


def _adagrad(epsilon: float) -> optax.GradientTransformation:
    """Adagrad with ε outside the root, as in PyTorch; Optax has it inside."""

    def update(updates, state, params=None):
        del params
        sums = jax.tree.map(lambda s, g: s + g * g, state, updates)
        return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + epsilon), updates, sums), sums

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


def schedule_factor(schedule: config.Schedule, step: jax.Array, steps_per_epoch: int, epochs: int) -> jax.Array:
    """Return the factor on the learning rate at a step.

    With W warm-up steps, S steps per epoch, T steps in all and f the final factor: (t + 1)/W, at most 1, while t < W;
    then `Constant` 1, `StepDecay` factor^⌊t / (epochs S)⌋, `Cosine` f + (1 - f)(1 + cos πu)/2 and `Triangular`
    1 - (1 - f)u, where u = (t - W)/(T - 1 - W) goes from 0 to 1.
    """
    t = step.astype(float)
    warm = schedule.warmup * steps_per_epoch
    # The least divisor 1 is for runs with at most one step after the warm-up.
    u = jnp.clip((t - warm) / max(epochs * steps_per_epoch - 1 - warm, 1.0), 0.0, 1.0)
    match schedule:
        case config.Constant():
            factor = jnp.ones_like(t)
        case config.StepDecay():
            period = schedule.epochs * steps_per_epoch
            decays = jnp.floor(t / period)
            # Compiled, the division is a product with 1/period, which may fall short of a whole number.
            factor = schedule.factor ** jnp.where((decays + 1) * period <= t, decays + 1, decays)
        case config.Cosine():
            factor = schedule.final_factor + (1 - schedule.final_factor) * 0.5 * (1 + jnp.cos(jnp.pi * u))
        case config.Triangular():
            factor = 1 - (1 - schedule.final_factor) * u
        case unknown:
            assert_never(unknown)
    return factor if warm == 0 else jnp.where(t < warm, jnp.minimum((t + 1) / warm, 1.0), factor)
