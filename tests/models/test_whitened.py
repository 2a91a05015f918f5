"""The network made for speed: filters that whiten, exact counts, initial weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.config import Data, Run, WhitenedCNN
from jaxcifar.data import load, normalize
from jaxcifar.models import build, layer_rows, training_flops, whitening_kernel
from jaxcifar.models.layers import conv2d
from jaxcifar.training import state
from jaxcifar.training.optimizers import hyperparams


@pytest.fixture(scope="module")
def images() -> jax.Array:
    """Neighbouring pixels of these are alike, so their patches are far from white."""
    raw = load(Data(source="shapes", train_size=200, test_size=1)).train_images
    return normalize(jnp.asarray(raw), Data())


def moments(responses: Any) -> np.ndarray:
    rows = np.asarray(responses, np.float64).reshape(-1, responses.shape[-1])
    return rows.T @ rows / len(rows)


def test_responses_to_the_patches_are_white(images: jax.Array):
    kernel = whitening_kernel(images, epsilon=0.0)
    found = moments(conv2d(images, kernel))
    np.testing.assert_allclose(found[:12, :12], np.eye(12), atol=5e-3)
    np.testing.assert_array_equal(np.asarray(kernel[..., 12:]), -np.asarray(kernel[..., :12]))
    raw = moments(jnp.concatenate([images[:, :-1, :-1], images[:, 1:, 1:]], axis=-1))
    assert np.abs(raw - np.eye(6)).max() > 0.5


def damped(images: jax.Array, kernel: jax.Array, epsilon: float) -> None:
    """Responses have the second moments λ / (λ + ε), with λ from NumPy in float64."""
    patches = [np.asarray(images, np.float64)[:, r : 31 + r, c : 31 + c] for r in (0, 1) for c in (0, 1)]
    values = np.linalg.eigvalsh(moments(np.concatenate(patches, axis=-1)))
    found = moments(conv2d(images, kernel))[:12, :12]
    np.testing.assert_allclose(found, np.diag(values / (values + epsilon)), atol=5e-3)


def test_epsilon_damps_what_has_little_variance(images: jax.Array):
    damped(images, whitening_kernel(images, epsilon=0.05), 0.05)


def test_the_initial_state_takes_the_filters_of_the_training_images(images: jax.Array):
    run = Run(model=WhitenedCNN(widths=(2, 2, 2)))
    raw = jnp.asarray(load(Data(source="shapes", train_size=200, test_size=1)).train_images)
    created = jax.jit(lambda raw: state.create(run, hyperparams(run), raw))(raw)
    damped(images, created.batch_stats["whiten"]["kernel"], 5e-4)
    assert set(created.params["whiten"]) == {"bias"}


@pytest.mark.parametrize(
    ("model", "parameters", "multiply_adds"),
    [
        # 2x2x3x24 filters on 31 x 31 pixels, then 3x3 kernels at sides 31, 15, 15, 7, 7, 3; biases of BatchNorm.
        (
            WhitenedCNN(),
            24 + 9 * (24 * 64 + 64**2 + 64 * 256 + 3 * 256**2) + 2 * (64 + 256 + 256) + 2560,
            961 * 12 * 24
            + 9 * (961 * 24 * 64 + 225 * 64**2 + 225 * 64 * 256 + 49 * 256**2 + 49 * 256**2 + 9 * 256**2)
            + 2560,
        ),
        (
            WhitenedCNN(widths=(128, 384, 512), depth=3),
            24
            + 9 * (24 * 128 + 2 * 128**2 + 128 * 384 + 2 * 384**2 + 384 * 512 + 2 * 512**2)
            + 3 * (128 + 384 + 512)
            + 5120,
            961 * 12 * 24
            + 9 * (961 * 24 * 128 + 2 * 225 * 128**2 + 225 * 128 * 384 + 2 * 49 * 384**2)
            + 9 * (49 * 384 * 512 + 2 * 9 * 512**2)
            + 5120,
        ),
    ],
    ids=["94", "96"],
)
def test_counts(model: WhitenedCNN, parameters: int, multiply_adds: int):
    rows = layer_rows(model)
    assert sum(row.parameters for row in rows) == parameters
    assert sum(row.multiply_adds for row in rows) == multiply_adds
    # The filters of the first layer are frozen: neither of its gradients is taken.
    assert training_flops(model) == 2 * (3 * multiply_adds - 2 * rows[0].multiply_adds)
    variables = jax.eval_shape(lambda: build(model).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), False))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters


@pytest.mark.slow
def test_a_dirac_kernel_hands_the_image_on():
    model = WhitenedCNN(widths=(32, 8, 8))
    params = build(model).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), False)["params"]
    x = jax.random.normal(jax.random.key(1), (2, 7, 7, 24))
    y = conv2d(x, params["conv1_1"]["kernel"], padding=1)
    np.testing.assert_allclose(y[..., :24], x, atol=1e-5)
    assert float(jnp.abs(params["conv1_1"]["kernel"][..., 24:]).max()) > 0
    narrowing = conv2d(jnp.concatenate([x, x[..., :8]], -1), params["conv2_1"]["kernel"], padding=1)
    np.testing.assert_allclose(narrowing, x[..., :8], atol=1e-5)


@pytest.mark.slow
def test_the_whole_network_by_hand():
    """One image through a narrow residual net in NumPy-like steps of its own."""
    model = WhitenedCNN(widths=(3, 4, 5), depth=3, output_scale=0.25, activation="relu")
    module = build(model)
    x = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = module.init(jax.random.key(1), x, False)
    params = variables["params"]
    y = nonneg(conv2d(x, variables["batch_stats"]["whiten"]["kernel"]))
    for stage in (1, 2, 3):
        kernels = [params[f"conv{stage}_{index}"]["kernel"] for index in (1, 2, 3)]
        y = conv2d(y, kernels[0], padding=1)
        side = y.shape[1] // 2
        y = nonneg(y[:, : 2 * side, : 2 * side].reshape(2, side, 2, side, 2, -1).max((2, 4)))
        y = nonneg(y + conv2d(nonneg(conv2d(y, kernels[1], padding=1)), kernels[2], padding=1))
    expected = 0.25 * y.max((1, 2)) @ params["output"]["kernel"]
    np.testing.assert_allclose(module.apply(variables, x, False), expected, rtol=1e-4, atol=1e-5)


def nonneg(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)
