"""The layer table of a network: output shapes, parameters and floating-point operations, computed from the module."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar import config
from jaxcifar.models import layers
from jaxcifar.models.build import build


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network, for one image."""

    name: str
    """Its path in the parameters, such as `stage1_block1/conv1`."""
    kind: str
    role: layers.Role
    output_shape: tuple[int, ...]
    """Without the batch."""
    parameters: int
    multiply_adds: int
    """Multiply-adds of the forward pass; as usual, BatchNorm and activations are not counted."""


def layer_rows(model: config.Model) -> list[LayerRow]:
    """Return the layers of a network that have a role, in the order they are applied."""
    return module_rows(build(model))


@dataclass(frozen=True)
class Roles:
    """The layers of a network by what they are for, as paths in the parameters, in the order they are applied."""

    output: str
    """The last linear layer."""
    kernels: tuple[str, ...]
    """All layers whose kernel is trained."""
    norms: tuple[str, ...]
    whitening: tuple[str, ...]
    """Convolutions with frozen kernels, which are computed from the images."""


@functools.cache
def roles(model: config.Model) -> Roles:
    """Return which layers of a network have which role, by its forward pass.

    Raises:
        ValueError: the network has no linear layer, so nothing is its output.
    """

    def named(*wanted: layers.Role) -> tuple[str, ...]:
        return tuple(row.name for row in rows if row.role in wanted)

    rows = layer_rows(model)
    if not named("linear"):
        raise ValueError(f"{model} has no linear layer; its last one makes the logits.")
    return Roles(named("linear")[-1], named(*layers.KERNELS), named("norm"), named("whitening"))


def at(tree: Any, layer: str) -> Any:
    """Return a layer's part of a tree of parameters or statistics, by the layer's path."""
    for name in layer.split("/"):
        tree = tree[name]
    return tree


def module_rows(module: nn.Module, shape: tuple[int, int, int] = (32, 32, 3)) -> list[LayerRow]:
    """Return the layers of any module that takes images [N, *shape], in the order they are applied."""
    rows: list[LayerRow] = []

    def record(next_call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        output = next_call(*args, **kwargs)
        if context.method_name == "__call__" and hasattr(context.module, "role"):
            rows.append(_row(context.module, output))
        return output

    def init(key: jax.Array) -> Any:
        with nn.intercept_methods(record):
            return module.init(key, jnp.zeros((1, *shape)), False)

    jax.eval_shape(init, jax.random.key(0))
    return rows


def _row(module: nn.Module, output: jax.Array) -> LayerRow:
    arrays = {name: value for collection in module.variables.values() for name, value in collection.items()}
    positions = prod(output.shape[1:-1])
    return LayerRow(
        name="/".join(module.path),
        kind=type(module).__name__,
        role=module.role,  # type: ignore[attr-defined]
        output_shape=output.shape[1:],
        parameters=count_parameters(module.variables["params"]),
        multiply_adds=positions * arrays["kernel"].size if "kernel" in arrays else 0,
    )


def count_parameters(params: Any) -> int:
    """Return the number of scalars in a pytree."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def training_flops(model: config.Model) -> int:
    """Return the floating-point operations of a training step per image: 2 (3 MACs - MACs of the first layer).

    The backward pass costs two products per layer. The first layer needs one of them, since the images need no
    gradient, and none where its kernel is frozen.
    """
    rows = layer_rows(model)
    saved = 2 if rows[0].role == "whitening" else 1
    return 2 * (3 * sum(row.multiply_adds for row in rows) - saved * rows[0].multiply_adds)
