"""The roles of layers are declared by the layers and read from the forward pass; names mean nothing."""

from __future__ import annotations

from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from jaxcifar.config import CNN, SGD, VGG, DeepLinear, Muon, ResNet, WhitenedCNN
from jaxcifar.models import at, build, layer_rows, layers, module_rows, roles
from jaxcifar.training.optimizers import rate_factors


def shapes(model):
    return jax.eval_shape(lambda key: build(model).init(key, jnp.zeros((1, 32, 32, 3)), False), jax.random.key(0))


@pytest.mark.parametrize(
    ("model", "counts"),
    [
        (CNN(norm="batch"), {"convolution": 2, "norm": 2, "linear": 3}),
        (CNN(head=(), dropout_layers=0), {"convolution": 2, "linear": 1}),
        (VGG(norm="batch", noise=True), {"convolution": 8, "norm": 8, "linear": 3}),
        (ResNet(18), {"convolution": 17, "shortcut": 3, "norm": 20, "linear": 1}),
        (ResNet(50, skip=False), {"convolution": 49, "norm": 49, "linear": 1}),
        (DeepLinear(depth=4), {"linear": 4}),
        (WhitenedCNN(), {"whitening": 1, "convolution": 6, "norm": 6, "linear": 1}),
    ],
    ids=str,
)
def test_roles_of_the_shipped_networks(model, counts: dict[str, int]):
    rows, found = layer_rows(model), roles(model)
    assert Counter(row.role for row in rows) == counts
    assert found.output == rows[-1].name
    assert len(found.norms) == counts.get("norm", 0)
    variables = shapes(model)
    for layer in found.kernels:
        assert "kernel" in at(variables["params"], layer)
    for layer in found.whitening:
        assert "kernel" in at(variables["batch_stats"], layer)
    assert at(variables["params"], found.output)["kernel"].shape[-1] == 10


class Misnamed(nn.Module):
    """Layers whose names say something else."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = layers.Conv(2, name="output")(x)
        x = layers.Conv(2, (1, 1), padding=0, role="shortcut", name="conv")(x) + x
        x = layers.BatchNorm(name="linear")(x, use_running_average=not train)
        return layers.Linear(10, name="norm1")(x.mean((1, 2)))


def test_names_mean_nothing():
    rows = module_rows(Misnamed())
    assert [(row.name, row.role) for row in rows] == [
        ("output", "convolution"),
        ("conv", "shortcut"),
        ("linear", "norm"),
        ("norm1", "linear"),
    ]


def test_optimizers_go_by_role():
    model = ResNet(18, width=2)
    params = shapes(model)["params"]
    found = rate_factors(SGD(bias_factor=4.0), params, roles(model))
    assert Counter(jax.tree.leaves(found)) == {4.0: 20, 1.0: len(jax.tree.leaves(params)) - 20}
    assert found["stage2_block1"]["norm_shortcut"] == {"bias": 4.0, "scale": 1.0}
    muon = rate_factors(Muon(bias_factor=3.0, output_factor=5.0), params, roles(model))
    assert muon["output"] == {"kernel": 5.0, "bias": 3.0}
    assert muon["stage2_block1"]["conv_shortcut"] == {"kernel": 1.0}
