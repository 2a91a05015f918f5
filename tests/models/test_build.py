"""The networks: exact parameter counts, multiply-adds, and their options."""

import dataclasses
import re
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.config import CNN, VGG, Activation, DeepLinear, ResNet, UserError
from jaxcifar.models import build, layers, module_rows, resnet
from jaxcifar.models.activations import activation, activation_and_pool
from jaxcifar.models.layers import ActivationNoise, computed_once

COUNTS = [
    (ResNet(depth=18), 11_173_962),
    (ResNet(depth=34), 21_282_122),
    (ResNet(depth=50), 23_520_842),
    (ResNet(depth=101), 42_512_970),
    (ResNet(depth=152), 58_156_618),
    (VGG(), 9_750_922),
    (VGG(dropout=0.5), 9_750_922),
    (VGG(norm="batch"), 9_756_426),
    (VGG(form="light"), 285_162),
    (VGG(form="light", norm="batch"), 285_258),
    (VGG(norm="batch", noise=True), 9_756_426),
    (DeepLinear(), 3_072 * 100 + 100 + 23 * (100 * 100 + 100) + 100 * 10 + 10),
    (DeepLinear(norm="batch"), 540_610 + 24 * 200),
]


def shapes(model):
    """Shapes of the variables, without computing anything."""
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1), "noise": jax.random.key(2)}
    return jax.eval_shape(lambda: build(model).init(keys, jnp.zeros((2, 32, 32, 3)), True))


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("images", [1, 6, 8, 31])
def test_what_is_computed_once_is_the_same_for_any_number_of_images(images: int):
    x = jax.random.normal(jax.random.key(images), (images, 4, 4, 2))
    assert (computed_once(jax.nn.relu, x) == jax.nn.relu(x)).all()
    exported = jax.export.export(jax.jit(lambda x: computed_once(jax.nn.relu, x)))
    unknown = jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 4, 4, 2"), x.dtype)
    assert (exported(unknown).call(x) == jax.nn.relu(x)).all()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other compilers decide this in their own way")
def test_sums_of_blocks_are_computed_as_often_as_there_are_blocks(monkeypatch):
    """Twice as many blocks of one shape have twice as many additions and activations in the compiled gradient."""

    def operations(blocks: int, chain: int) -> int:
        monkeypatch.setattr(resnet, "CHAIN", chain)
        network = build(ResNet(width=8, norm="none")).clone(stage_sizes=(blocks,))
        images = jnp.ones((8, 32, 32, 3))
        params = network.init(jax.random.key(0), images, True)
        loss = jax.jit(jax.grad(lambda params: network.apply(params, images, True).sum()))
        return len(re.findall(r" = f32\[8,32,32,8\]\S* (?:maximum|add)\(", loss.lower(params).compile().as_text()))

    assert operations(12, chain=3) < 2.2 * operations(6, chain=3)
    # Without loops between them the number grows as the square.
    assert operations(12, chain=100) > 3 * operations(6, chain=100)


@pytest.mark.parametrize(("model", "count"), COUNTS, ids=str)
def test_parameter_counts(model, count):
    assert size(shapes(model)["params"]) == count


def test_running_statistics_of_vgg():
    assert size(shapes(VGG(norm="batch"))["batch_stats"]) == 5_504


@pytest.mark.parametrize(
    ("model", "millions"),
    [(ResNet(depth=18), 555.4), (ResNet(depth=50), 1297.8), (VGG(), 153.3), (VGG(form="light"), 1.9)],
    ids=str,
)
def test_multiply_adds_of_an_image(model, millions):
    assert round(sum(row.multiply_adds for row in module_rows(build(model))) / 1e6, 1) == millions


@pytest.mark.parametrize(
    "model", [CNN(norm="batch"), VGG(width=2, norm="batch"), DeepLinear(3, 8, norm="batch")], ids=str
)
def test_a_bias_before_batch_norm_has_a_gradient_of_zero(model):
    module = build(model)
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = module.init(jax.random.key(1), images, True)

    def loss(params):
        logits, _ = module.apply({**variables, "params": params}, images, True, mutable=["batch_stats"])
        return (logits * jnp.arange(10)).sum()

    gradient = jax.grad(loss)(variables["params"])
    for norm in [layer for layer in gradient if "norm" in layer]:
        layer = norm.replace("norm", "linear" if isinstance(model, DeepLinear) else "conv")
        assert not gradient[layer]["bias"].any()
        assert gradient[layer]["kernel"].any()


@pytest.mark.parametrize("kind", get_args(Activation))
def test_pooling_before_an_increasing_activation_changes_nothing(kind):
    # Some windows lie below zero, where ReLU has ties and GELU decreases.
    x = 2 * jax.random.normal(jax.random.key(0), (4, 8, 6, 3)) - 1
    weight = jax.random.normal(jax.random.key(1), (4, 4, 3, 3))
    expected, ours = (
        jax.value_and_grad(lambda x, f=f: (f(x) * weight).sum())(x)
        for f in (lambda x: layers.max_pool_2x2(activation(kind)(x)), activation_and_pool(kind))
    )
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(ours[1], expected[1], atol=1e-6)


@pytest.mark.parametrize("model", [CNN(widths=(4, 6), head=(8,)), ResNet(width=2)], ids=["cnn", "resnet"])
def test_batch_norm_is_an_option(model):
    with_norm = shapes(dataclasses.replace(model, norm="batch"))
    without = shapes(dataclasses.replace(model, norm="none"))
    assert "batch_stats" in with_norm
    assert "batch_stats" not in without
    convolution = "conv1"
    assert "bias" in without["params"][convolution]
    assert ("bias" in with_norm["params"][convolution]) is isinstance(model, CNN)


@pytest.mark.parametrize(
    "model",
    [CNN(widths=(4,), head=(8,)), pytest.param(ResNet(width=2), marks=pytest.mark.slow), VGG(width=2)],
    ids=str,
)
def test_dropout_zeroes_in_training_alone(model):
    module = build(dataclasses.replace(model, dropout=0.5))
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))
    variables = module.init(jax.random.key(1), images, False)

    def logits(key, train):
        rngs = {"dropout": jax.random.key(key)}
        result = module.apply(variables, images, train, rngs=rngs, mutable=["batch_stats"])
        return result[0]

    assert not jnp.array_equal(logits(2, True), logits(3, True))
    assert jnp.array_equal(logits(2, False), logits(3, False))


def test_the_linear_network_is_linear():
    module = build(DeepLinear(depth=5, width=7))
    images = jax.random.normal(jax.random.key(0), (3, 32, 32, 3))
    variables = module.init(jax.random.key(1), images, False)
    a, b, mean = module.apply(variables, jnp.stack([images[0], images[1], (images[0] + images[1]) / 2]), False)
    assert jnp.allclose(mean, (a + b) / 2, atol=1e-5)


def test_noise_has_the_distributions_of_the_paper():
    noise, x = ActivationNoise(), jnp.ones((64, 32, 32, 6))

    def draw(key, train=True):
        return noise.apply({}, x, train, rngs={"noise": jax.random.key(key)})

    # With x = 1 a channel is s + m: mean σ + μ, variance 0.1² + 0.2² / 12.
    y, again, other = draw(0), draw(0), draw(1)
    means = y.mean((0, 1, 2))
    assert jnp.array_equal(y, again)
    assert not jnp.any(jnp.isclose(means, other.mean((0, 1, 2)), atol=1e-4))
    assert jnp.all((means > 1 - 0.5) & (means < 1.25 + 0.5))
    assert jnp.allclose(y.var((0, 1, 2)), 0.1**2 + 0.2**2 / 12, rtol=0.02)
    many = jnp.stack([draw(key).mean((0, 1, 2)) for key in range(40)]).ravel()
    # Over steps μ + σ has mean 1.125 and variance 1²/12 + 0.25²/12.
    assert abs(float(many.mean()) - 1.125) < 0.06
    assert abs(float(many.var()) - (1 + 0.25**2) / 12) < 0.025
    assert jnp.array_equal(draw(0, train=False), x)


def test_noise_without_batch_norm_is_refused():
    with pytest.raises(UserError, match=r"model\.noise"):
        VGG(noise=True)
