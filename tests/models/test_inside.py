"""Compare the inner values that a network reports with those that its layers compute."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcifar.config import VGG, Model, Module, ResNet, UserError, WhitenedCNN
from jaxcifar.models import build, layer_groups
from jaxcifar.models.inside import inside
from jaxcifar.models.layers import conv2d

IMAGES = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))


def looked(model: Model):
    network = build(model)
    variables = network.init(jax.random.key(1), IMAGES, False)
    return network, variables, inside(network, variables, IMAGES, {})


def test_logits_are_those_of_training_mode():
    network, variables, found = looked(ResNet(18, width=2))
    logits, _ = network.apply(variables, IMAGES, True, mutable=["batch_stats"])
    np.testing.assert_array_equal(found.logits, logits)


def test_features_follow_the_normalisation():
    model = VGG(form="light", norm="batch")
    _, _, found = looked(model)
    assert list(found.features) == list(layer_groups(model))
    for layer, norm in (("conv1_1", "norm1_1"), ("conv2_1", "norm2_1")):
        taken = found.normalized[norm]
        expected = (taken - taken.mean((0, 1, 2))) / jnp.sqrt(taken.var((0, 1, 2)) + 1e-5)
        np.testing.assert_allclose(found.features[layer], expected, atol=1e-4)
    np.testing.assert_array_equal(found.features["output"], found.logits)


def test_what_a_normalisation_takes_has_the_bias_of_its_layer():
    _, variables, found = looked(VGG(form="light", norm="batch"))
    first = variables["params"]["conv1_1"]
    expected = conv2d(IMAGES, first["kernel"], padding=1) + first["bias"]
    np.testing.assert_allclose(found.normalized["norm1_1"], expected, atol=1e-6)


def test_without_normalisation_features_are_the_layers_own():
    _, variables, found = looked(VGG(form="light"))
    assert found.normalized == {}
    flat = jnp.maximum(found.features["linear2"], 0)
    output = variables["params"]["output"]
    np.testing.assert_allclose(found.logits, flat @ output["kernel"] + output["bias"], rtol=1e-4, atol=1e-5)


def test_a_block_adds_its_branch_to_its_input():
    _, _, found = looked(ResNet(18, width=2))
    assert len(found.branches) == 8
    branch, shortcut = found.branches["stage1_block1"]
    np.testing.assert_array_equal(branch, found.features["stage1_block1/conv2"])
    np.testing.assert_array_equal(shortcut, jnp.maximum(found.features["conv1"], 0))
    _, projected = found.branches["stage2_block1"]
    assert projected.shape == (4, 16, 16, 4)
    assert not any("shortcut" in layer for layer in found.features)


@pytest.mark.parametrize("model", [ResNet(18, width=2), ResNet(18, width=2, skip=False), WhitenedCNN((4, 4, 4), 3)])
def test_a_network_shows_branches_where_its_config_says_so(model: Model):
    assert ("branches" in model.shows) == bool(jax.eval_shape(lambda: looked(model)[2]).branches)


def test_a_network_of_ones_own_is_refused():
    network = build(Module(nn.Dense(10)))
    with pytest.raises(UserError, match="of your own"):
        inside(network, {}, IMAGES, {})
