"""Compare Muon with NumPy in float64: matrices, convolution kernels, and the parameters that it trains by SGD."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import own_networks
import pytest

from jaxcifar.config import CNN, SGD, Cosine, Module, Muon, Optax, Run, WhitenedCNN
from jaxcifar.models import roles
from jaxcifar.training.optimizers import _matrices, apply_update, direction, hyperparams, rate_factors

RNG = np.random.default_rng(2)
SHAPES = {
    "conv1": {"kernel": (3, 3, 4, 6)},
    "linear1": {"kernel": (12, 5), "bias": (5,)},
    "norm1": {"bias": (6,), "scale": (6,)},
    "output": {"kernel": (5, 10)},
}
STEPS = 4


def is_shape(value: Any) -> bool:
    return isinstance(value, tuple)


def draw() -> Any:
    return jax.tree.map(lambda shape: RNG.normal(size=shape), SHAPES, is_leaf=is_shape)


START, GRADIENTS = draw(), [draw() for _ in range(STEPS)]


def orthogonalized(matrix: np.ndarray, iterations: int) -> np.ndarray:
    """Newton-Schulz by singular values: each s becomes a s + b s^3 + c s^5, once per iteration."""
    left, values, right = np.linalg.svd(matrix / np.linalg.norm(matrix), full_matrices=False)
    for _ in range(iterations):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ np.diag(values) @ right


def expected_kernel(w: np.ndarray, gradients: list[np.ndarray], optimizer: Muon) -> np.ndarray:
    mu, sums = optimizer.momentum, np.zeros_like(w)
    for t, gradient in enumerate(gradients, 1):
        sums = mu * sums + (1 - mu) * gradient
        moving = mu * sums / (1 - mu ** (t + 1)) + (1 - mu) * gradient / (1 - mu**t)
        u = orthogonalized(moving.reshape(-1, w.shape[-1]), optimizer.iterations).reshape(w.shape)
        w = w - optimizer.learning_rate * (u + optimizer.weight_decay * w)
        if optimizer.normalize:
            w = w * np.sqrt(w.shape[-1]) / np.linalg.norm(w)
    return w


def expected_other(w: np.ndarray, gradients: list[np.ndarray], rate: float, decay: float, mu: float) -> np.ndarray:
    buffer = np.zeros_like(w)
    for gradient in gradients:
        g = gradient + decay * w
        buffer = mu * buffer + g
        w = w - rate * (g + mu * buffer)
    return w


def train(run: Run, epochs: Any = 0.0) -> Any:
    """A few steps on the given gradients."""
    values = hyperparams(run)

    @jax.jit
    def step(params, state, gradient):
        update, state = direction(run.optimizer, values, roles(run.model)).update(gradient, state, params)
        return apply_update(run, values, params, update, values.learning_rate, jnp.asarray(epochs)), state

    params = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), START)
    state = direction(run.optimizer, values, roles(run.model)).init(params)
    for gradient in GRADIENTS:
        params, state = step(params, state, jax.tree.map(lambda g: jnp.asarray(g, jnp.float32), gradient))
    return params


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("iterations", [3, 5])
def test_kernels_move_along_their_orthogonalised_momentum(normalize: bool, iterations: int):
    optimizer = Muon(0.1, 0.02, momentum=0.6, iterations=iterations, normalize=normalize)
    found = train(Run(model=CNN(norm="batch"), optimizer=optimizer))
    for layer in ("conv1", "linear1"):
        gradients = [gradient[layer]["kernel"] for gradient in GRADIENTS]
        expected = expected_kernel(START[layer]["kernel"], gradients, optimizer)
        np.testing.assert_allclose(found[layer]["kernel"], expected, rtol=2e-4, atol=2e-5)


def test_the_others_move_by_nesterov_at_their_own_rates_and_decay_alike():
    optimizer = Muon(0.1, 0.02, other_momentum=0.8, bias_factor=5.0, output_factor=3.0)
    found = train(Run(model=CNN(norm="batch"), optimizer=optimizer))
    cases = [("linear1", "bias", 5), ("norm1", "bias", 5), ("norm1", "scale", 5), ("output", "kernel", 3)]
    for layer, name, factor in cases:
        gradients = [gradient[layer][name] for gradient in GRADIENTS]
        expected = expected_other(START[layer][name], gradients, 0.1 * factor, 0.02 / factor, 0.8)
        np.testing.assert_allclose(found[layer][name], expected, rtol=2e-5, atol=1e-5)


def test_sgd_has_a_factor_for_the_biases_of_batch_norm():
    optimizer = SGD(0.1, 0.02, momentum=0.7, nesterov=True, bias_factor=4.0)
    found = train(Run(model=CNN(norm="batch"), optimizer=optimizer))
    for layer, name, factor in [("norm1", "bias", 4), ("norm1", "scale", 1), ("linear1", "bias", 1)]:
        gradients = [gradient[layer][name] for gradient in GRADIENTS]
        expected = expected_other(START[layer][name], gradients, 0.1 * factor, 0.02 / factor, 0.7)
        np.testing.assert_allclose(found[layer][name], expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(("epochs", "share"), [(0.0, 1.0), (1.5, 0.5), (3.0, 0.0), (7.0, 0.0)])
def test_the_whitening_bias_is_trained_for_some_epochs(epochs: float, share: float):
    """Its rate falls to 0 in a straight line, whatever the schedule of the others."""
    run = Run(model=WhitenedCNN(bias_epochs=3), optimizer=SGD(0.1, schedule=Cosine()))
    values, w, u = hyperparams(run), jnp.ones(3), jnp.array([1.0, 2.0, 3.0])
    params, update = {"whiten": {"bias": w}, "norm1": {"bias": w}}, {"whiten": {"bias": u}, "norm1": {"bias": u}}
    found = apply_update(run, values, params, update, jnp.float32(0.05), jnp.asarray(epochs))
    np.testing.assert_allclose(found["whiten"]["bias"], w - 0.1 * share * u, rtol=1e-6)
    np.testing.assert_allclose(found["norm1"]["bias"], w - 0.05 * u, rtol=1e-6)
    # A user's own optimizer gives the whole step, with its schedule.
    own = dataclasses.replace(run, optimizer=Optax(factory=optax.sgd, learning_rate=0.1))
    found = apply_update(own, values, params, update, jnp.float32(0.05), jnp.asarray(epochs))
    np.testing.assert_allclose(found["whiten"]["bias"], w + share * u, rtol=1e-6)
    np.testing.assert_allclose(found["norm1"]["bias"], w + u, rtol=1e-6)


def test_muon_is_one_program_for_several_rates():
    """Learning rate and weight decay are traced, so members share their program."""
    run = Run(optimizer=Muon())
    other = dataclasses.replace(run, optimizer=Muon(learning_rate=0.3, weight_decay=0.1))
    assert hyperparams(other).learning_rate == pytest.approx(0.3)
    from jaxcifar.runner.plan import shape_of

    assert shape_of(run) == shape_of(other)
    assert shape_of(run) != shape_of(dataclasses.replace(run, optimizer=Muon(momentum=0.5)))


def test_the_output_kernel_may_stand_at_the_top_of_an_own_network():
    params = {"first": jnp.ones((3, 4)), "head": jnp.ones((4, 2))}
    run = Run(model=Module(own_networks.Bare()), optimizer=Muon(0.1, output_factor=3.0))
    assert roles(run.model).output == "head"
    assert _matrices(params, roles(run.model)) == {"first": True, "head": False}
    assert rate_factors(run.optimizer, params, roles(run.model)) == {"first": 1.0, "head": 3.0}
