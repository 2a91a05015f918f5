"""Each optimizer against its formula in NumPy over five steps, and the schedules at known points."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.config import (
    CNN,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Run,
    Schedule,
    StepDecay,
    Triangular,
)
from jaxcifar.models import roles
from jaxcifar.training.optimizers import direction, hyperparams, schedule_factor

ROLES = roles(CNN())
RNG = np.random.default_rng(1)
START = RNG.normal(size=5)
GRADIENTS = RNG.normal(size=(5, 5))


def sgd(w, rate, decay, momentum, nesterov):
    buffer = 0.0
    for gradient in GRADIENTS:
        g = gradient + decay * w
        buffer = momentum * buffer + g
        w = w - rate * (g + momentum * buffer if nesterov else buffer)
    return w


def adagrad(w, rate, decay):
    total = 0.0
    for gradient in GRADIENTS:
        g = gradient + decay * w
        total = total + g**2
        w = w - rate * g / (np.sqrt(total) + 1e-10)
    return w


def adadelta(w, rate, decay):
    square, delta = 0.0, 0.0
    for gradient in GRADIENTS:
        g = gradient + decay * w
        square = 0.9 * square + 0.1 * g**2
        step = np.sqrt(delta + 1e-6) / np.sqrt(square + 1e-6) * g
        delta = 0.9 * delta + 0.1 * step**2
        w = w - rate * step
    return w


def adam(w, rate, decay, decoupled):
    m, v = 0.0, 0.0
    for t, gradient in enumerate(GRADIENTS, 1):
        g = gradient + (0 if decoupled else decay * w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w = w - rate * (step + (decay * w if decoupled else 0))
    return w


CASES = [
    (SGD(0.1, 0.01), sgd(START, 0.1, 0.01, 0, False)),
    (SGD(0.1, 0.01, momentum=0.9), sgd(START, 0.1, 0.01, 0.9, False)),
    (SGD(0.1, 0.01, momentum=0.9, nesterov=True), sgd(START, 0.1, 0.01, 0.9, True)),
    (Adagrad(0.1, 0.01), adagrad(START, 0.1, 0.01)),
    (Adadelta(1.0, 0.01), adadelta(START, 1.0, 0.01)),
    (Adam(0.1, 0.01), adam(START, 0.1, 0.01, False)),
    (AdamW(0.1, 0.01), adam(START, 0.1, 0.01, True)),
]


@pytest.mark.parametrize(("optimizer", "expected"), CASES, ids=lambda case: getattr(type(case), "__name__", ""))
def test_formula(optimizer, expected: np.ndarray):
    values = hyperparams(Run(optimizer=optimizer))

    @jax.jit
    def step(w, state, gradient):
        update, state = direction(optimizer, values, ROLES).update(gradient, state, w)
        return w - values.learning_rate * update, state

    w = jnp.asarray(START, jnp.float32)
    state = direction(optimizer, values, ROLES).init(w)
    for gradient in GRADIENTS.astype(np.float32):
        w, state = step(w, state, gradient)
    np.testing.assert_allclose(w, expected, rtol=2e-5, atol=5e-6)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (Constant(), 57, 1.0),
        (Constant(warmup=2), 0, 1 / 20),
        (Constant(warmup=2), 19, 1.0),
        (StepDecay(epochs=3, factor=0.5), 29, 1.0),
        (StepDecay(epochs=3, factor=0.5), 30, 0.5),
        (StepDecay(epochs=3, factor=0.5), 99, 0.125),
        (Cosine(), 0, 1.0),
        (Cosine(final_factor=0.1), 99, 0.1),
        (Cosine(warmup=1), 10 + 89 // 2, 0.5 * (1 + np.cos(np.pi * 44 / 89))),
        (Triangular(warmup=2), 9, 0.5),
        (Triangular(warmup=2, final_factor=0.2), 99, 0.2),
    ],
)
def test_schedule(schedule: Schedule, step: int, expected: float):
    found = schedule_factor(schedule, jnp.int32(step), steps_per_epoch=10, epochs=10)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("per_epoch", [39, 97, 390, 440])
def test_a_compiled_step_decay_falls_at_its_step(per_epoch: int):
    """XLA makes a product of a division by a constant, which falls short of whole numbers."""
    for epochs in (1, 5, 10):
        schedule, due = StepDecay(epochs=epochs, factor=0.5), np.arange(1, 8) * epochs * per_epoch
        factor = jax.jit(lambda t, schedule=schedule: schedule_factor(schedule, t, per_epoch, 100))
        np.testing.assert_allclose([factor(jnp.int32(t)) for t in due], 0.5 ** np.arange(1, 8))
        np.testing.assert_allclose([factor(jnp.int32(t - 1)) for t in due], 0.5 ** np.arange(7))


def test_a_warm_up_of_half_a_step_does_not_pass_the_peak():
    found = [schedule_factor(Constant(warmup=0.5), jnp.int32(t), 5, 1) for t in range(4)]
    np.testing.assert_allclose(found, [0.4, 0.8, 1.0, 1.0])
