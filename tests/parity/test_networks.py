"""One training pass of each network against PyTorch's; `pytest -s` prints the relative differences."""

from __future__ import annotations

import jax
import numpy as np
import peers
import pytest

from jaxcifar.config import Run

FLOAT64 = ("cnn", "cnn_bn", "light", "light_bn", "vgg_a", "vgg_bn", "linear", "whitened", "whitened_residual")
FLOAT64 += ("light_group", "light_instance", "cnn_layer", "group18", "resnet18", "resnet34", "resnet50", "bare18")
FORWARD_ONLY = ("plain18", "resnet101", "resnet152")
SLOW = ("resnet34", "resnet101", "resnet152")
FLOAT32 = ("cnn", "light", "vgg_a", "vgg_bn", "resnet18")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FLOAT64 + FORWARD_ONLY]
)
def test_training_pass_in_float64(name: str):
    with jax.enable_x64(True):
        run = Run(model=peers.NETWORKS[name])
        errors = peers.errors(run, peers.initial_state(run), peers.batch(8), backward=name not in FORWARD_ONLY)
    print(name, errors)
    assert max(errors.values()) < 1e-8, errors


@pytest.mark.parametrize("name", FLOAT32)
def test_training_pass_in_float32(name: str):
    run = Run(model=peers.NETWORKS[name])
    errors = peers.errors(run, peers.initial_state(run, np.float32), peers.batch(16, np.float32))
    print(name, errors)
    assert errors.pop("gradient") < 5e-3
    assert max(errors.values()) < 1e-4, errors
