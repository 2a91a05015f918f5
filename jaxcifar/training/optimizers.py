"""The study's optimizers, as PyTorch means them, and the schedules of the learning rate."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcifar import config


class Numbers(NamedTuple):
    """The plain numbers of a run, traced, so that one program serves every value and runs side by side."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    momentum: jax.Array
    label_smoothing: jax.Array
    seed: jax.Array


def numbers(run: config.Run) -> Numbers:
    """The plain numbers of a run as scalars (float32, or float64 under `jax.enable_x64`; seed uint32)."""
    momentum = run.optimizer.momentum if isinstance(run.optimizer, config.SGD) else 0.0
    return Numbers(
        learning_rate=jnp.asarray(run.optimizer.learning_rate, float),
        weight_decay=jnp.asarray(run.optimizer.weight_decay, float),
        momentum=jnp.asarray(momentum, float),
        label_smoothing=jnp.asarray(run.loss.label_smoothing, float),
        seed=jnp.asarray(run.seed, jnp.uint32),
    )


def direction(optimizer: config.Optimizer, values: Numbers) -> optax.GradientTransformation:
    """From gradients to the direction u of the update w <- w - learning rate x u.

    PyTorch's order: weight decay joins the gradient before momentum and preconditioning, except in AdamW, where it
    joins the direction. Adagrad divides by sqrt(s) + ε with s from 0, Adadelta has ε under both roots.
    """
    decay = optax.add_decayed_weights(values.weight_decay)
    match optimizer:
        case config.AdamW():
            return optax.chain(_adam(optimizer), decay)
        case config.Adam():
            return optax.chain(decay, _adam(optimizer))
        case config.Adagrad():
            return optax.chain(decay, _adagrad(optimizer.epsilon))
        case config.Adadelta():
            return optax.chain(decay, optax.scale_by_adadelta(optimizer.rho, optimizer.epsilon))
        case config.SGD(momentum=0):
            return decay
        case config.SGD():
            return optax.chain(decay, optax.trace(values.momentum, optimizer.nesterov))


def _adam(optimizer: config.Adam) -> optax.GradientTransformation:
    return optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.epsilon)


def _adagrad(epsilon: float) -> optax.GradientTransformation:
    """Duchi et al. 2011 with PyTorch's ε outside the root, which Optax has under it."""

    def update(updates, state, params=None):
        del params
        sums = jax.tree.map(lambda s, g: s + g * g, state, updates)
        return jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + epsilon), updates, sums), sums

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


def schedule_factor(schedule: config.Schedule, step: jax.Array, steps_per_epoch: int, epochs: int) -> jax.Array:
    """The factor on the learning rate at a step, in [0, 1].

    With W warm-up steps, T all steps and f the final factor: (t + 1)/W while t < W; after that `constant` 1, `step`
    step_factor^⌊t / step_epochs⌋, `cosine` f + (1 - f)(1 + cos πu)/2 and `triangular` 1 - (1 - f)u, where
    u = (t - W)/(T - 1 - W) goes from 0 to 1.
    """
    t = step.astype(float)
    warm = schedule.warmup * steps_per_epoch
    u = jnp.clip((t - warm) / max(epochs * steps_per_epoch - 1 - warm, 1.0), 0.0, 1.0)
    match schedule.kind:
        case "constant":
            factor = jnp.ones_like(t)
        case "step":
            factor = schedule.step_factor ** jnp.floor(t / (schedule.step_epochs * steps_per_epoch))
        case "cosine":
            factor = schedule.final_factor + (1 - schedule.final_factor) * 0.5 * (1 + jnp.cos(jnp.pi * u))
        case "triangular":
            factor = 1 - (1 - schedule.final_factor) * u
    return factor if warm == 0 else jnp.where(t < warm, (t + 1) / warm, factor)
