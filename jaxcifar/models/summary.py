"""The layer table of a network: output shapes, parameters and floating-point operations, computed from the module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar import config
from jaxcifar.config.module import by_code
from jaxcifar.errors import UserError
from jaxcifar.landscape import kernels
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


@by_code
def layer_rows(model: config.Model) -> tuple[LayerRow, ...]:
    """Return the layers of a network that have a role, in the order they are applied."""
    if isinstance(model, config.Module):
        return tuple(_own_rows(model))
    module: Any = build(model)
    return tuple(module_rows(module, model.image))


@dataclass(frozen=True)
class Roles:
    """The layers of a network by what they are for, as paths in the parameters, in the order they are applied."""

    output: str
    """The last linear layer; of a user's own network without any, the last layer with a kernel."""
    kernels: tuple[str, ...]
    """All layers whose kernel is trained."""
    norms: tuple[str, ...]
    whitening: tuple[str, ...]
    """Convolutions with frozen kernels, which are computed from the images."""


def roles(model: config.Model) -> Roles:
    """Return which layers of a network have which role, by its forward pass.

    Raises:
        ValueError: the network has no linear layer, so nothing is its output.
    """

    def named(*wanted: layers.Role) -> tuple[str, ...]:
        return tuple(row.name for row in rows if row.role in wanted)

    rows = layer_rows(model)
    if isinstance(model, config.Module):
        return Roles(_own_output(model, rows), named(*layers.KERNELS), named("norm"), ())
    if not named("linear"):
        raise ValueError(f"{model} has no linear layer; its last one makes the logits.")
    return Roles(named("linear")[-1], named(*layers.KERNELS), named("norm"), named("whitening"))


def _own_output(model: config.Module, rows: Sequence[LayerRow]) -> str:
    found = [row for row in rows if row.role in layers.KERNELS]
    if model.output and model.output not in (row.name for row in found):
        raise UserError(
            f"Module got the output {model.output!r}; {model.class_name} has {', '.join(row.name for row in found)}."
        )
    linear = [row for row in found if row.role == "linear"]
    return model.output or (linear or found)[-1].name


def kernel(tree: Any, layer: str) -> Any:
    """Return a layer's kernel from a tree of parameters; of a parameter that is its own layer, itself."""
    part = at(tree, layer)
    return part["kernel"] if isinstance(part, Mapping) else part


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

    # Only shapes are traced, so the largest network takes no memory. Evaluation mode needs no further random keys.
    jax.eval_shape(init, jax.random.key(0))
    return rows


def _own_rows(model: config.Module) -> list[LayerRow]:
    """The layers of a user's own network: kernels by the products that take them, normalisations by their scale."""
    uses, params = _own_uses(model)
    rows = []
    for use in uses:
        layer, _, last = use.leaf.rpartition("/")
        if use.kind or last == "scale":
            name = layer if last in ("kernel", "scale") and layer else use.leaf
            own = count_parameters(at(params, name))
            role: Any = use.kind or "norm"
            rows.append(LayerRow(name, role, role, use.output_shape, own, use.multiply_adds))
    if not any(row.multiply_adds for row in rows):
        raise UserError(
            f"The network {model.class_name} has no kernel that meets its images in a convolution or matrix product."
        )
    return rows


@by_code
def _own_uses(model: config.Module) -> tuple[list[kernels.Use], Any]:
    """The first use of each parameter of a user's own network, and the parameters' shapes."""
    network, images = build(model), jax.ShapeDtypeStruct((1, *model.image), jnp.float32)
    variables: Any = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, False), images)

    def forward(params: Any, stats: Any, images: jax.Array) -> Any:
        return network.apply({"params": params, "batch_stats": stats}, images, False)

    return kernels.uses(forward, variables["params"], variables["batch_stats"], images), variables["params"]


def layer_groups(model: config.Model) -> dict[str, list[str]]:
    """Return the layers with a kernel from input to output, each with the paths of the parameters that go with it.

    These are the layer's own and those of the normalisation after it; of a user's own network also every other
    parameter that is used before the next layer, or before the first one.
    """
    if isinstance(model, config.Module):
        return _own_groups(model)
    found: dict[str, list[str]] = {}
    for row in layer_rows(model):
        if row.role == "norm":
            list(found.values())[-1].append(row.name)
        else:
            found[row.name] = [row.name]
    return found


def _own_groups(model: config.Module) -> dict[str, list[str]]:
    rows = {row.name: row for row in layer_rows(model) if row.role in layers.KERNELS}
    unknown = next((name for name in model.layers if name not in rows), None)
    if unknown is not None:
        raise UserError(f"Module got the layer {unknown!r}; {model.class_name} has {', '.join(rows)}.")
    wanted = [name for name in rows if not model.layers or name in model.layers]
    found: dict[str, list[str]] = {name: [] for name in wanted}
    current = wanted[0]
    for use in _own_uses(model)[0]:
        owner = next((name for name in wanted if use.leaf == name or use.leaf.startswith(f"{name}/")), current)
        found[owner].append(use.leaf)
        current = owner if use.kind else current
    # A parameter that is its own layer comes last: a layer of the package is told by its path, which comes first.
    return {name: sorted(leaves, key=name.__eq__) for name, leaves in found.items()}


def _row(module: nn.Module, output: jax.Array) -> LayerRow:
    # All collections, because a whitening layer keeps its kernel in `batch_stats`.
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
