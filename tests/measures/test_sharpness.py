"""Sharpness of layers inside blocks: rescaling one of them changes none."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar.config import SGD
from jaxcifar.measures import Sharpness
from jaxcifar.measures.context import Snapshot, Snapshots


def test_a_block_of_two_scale_free_layers_is_two_layers():
    random = np.random.default_rng(0)
    x, y, readout = (jnp.asarray(random.normal(size=s), jnp.float32) for s in ((16, 3), (16,), (4,)))
    weights = [jnp.asarray(random.normal(size=s), jnp.float32) for s in ((3, 4), (4, 4))]

    def loss(params: Any) -> Any:
        hidden = x
        for name in ("conv1", "conv2"):
            hidden = hidden @ params["block"][name]["kernel"]
            hidden = jnp.tanh((hidden - hidden.mean(0)) / jnp.std(hidden, axis=0))
        return jnp.mean((hidden @ readout + params["head"] - y) ** 2)

    def sharpness(scale: float) -> np.ndarray:
        block = {"conv1": {"kernel": scale * weights[0]}, "conv2": {"kernel": weights[1]}}
        states = [Snapshot(jnp.int32(0), {"block": block, "head": jnp.float32(0.5)}, ())]
        taken = Snapshots(states, (), lambda batch: loss, lambda *_: None, SGD(), lambda step: step, 9, lambda *_: None)  # pyright: ignore[reportArgumentType]
        return Sharpness().compute(taken)["sharpness"][0]

    found = sharpness(1.0)
    assert found.shape == (3,)
    # d²L/db² = 2 for the shift b of the output.
    assert found[2] == pytest.approx(0.5**2 * 2, rel=1e-4)
    np.testing.assert_allclose(sharpness(5.0), found, rtol=2e-3)
