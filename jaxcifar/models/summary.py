"""The layer table of a network: output shapes, parameters and floating-point operations, computed from the module."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar import config
from jaxcifar.models import layers
from jaxcifar.models.build import build
from jaxcifar.models.whitened import Whitening


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network, for one image."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    """Without the batch."""
    parameters: int
    multiply_adds: int
    """Of the forward pass; BatchNorm and activations are not counted, as is usual."""


def layer_rows(model: config.Model) -> list[LayerRow]:
    """The convolutions, BatchNorm and linear layers of a network, in the order they are applied."""
    return module_rows(build(model))


def module_rows(module: nn.Module, shape: tuple[int, int, int] = (32, 32, 3)) -> list[LayerRow]:
    """The same of a module that takes images [N, *shape]."""
    rows: list[LayerRow] = []

    def record(next_call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        output = next_call(*args, **kwargs)
        if context.method_name == "__call__" and isinstance(context.module, _COUNTED):
            rows.append(_row(context.module, output))
        return output

    def init(key: jax.Array) -> Any:
        with nn.intercept_methods(record):
            return module.init(key, jnp.zeros((1, *shape)), False)

    jax.eval_shape(init, jax.random.key(0))
    return rows


_COUNTED = (layers.Conv, layers.BatchNorm, layers.Linear, Whitening)


def _row(module: nn.Module, output: jax.Array) -> LayerRow:
    arrays = {name: value for collection in module.variables.values() for name, value in collection.items()}
    positions = prod(output.shape[1:-1])
    return LayerRow(
        name="/".join(module.path),
        kind=type(module).__name__,
        output_shape=output.shape[1:],
        parameters=count_parameters(module.variables["params"]),
        multiply_adds=positions * arrays["kernel"].size if "kernel" in arrays else 0,
    )


def count_parameters(params: Any) -> int:
    """The number of scalars in a pytree."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def training_flops(model: config.Model) -> int:
    """Floating-point operations of one training step per image: 2 (3 MACs - MACs of the first convolution).

    The backward pass costs two products a layer, less the first layer's, whose input needs no gradient, and less both
    where the first layer's kernel is frozen.
    """
    rows = layer_rows(model)
    saved = 2 if rows[0].kind == Whitening.__name__ else 1
    return 2 * (3 * sum(row.multiply_adds for row in rows) - saved * rows[0].multiply_adds)
