"""The residual networks as a table, in the ImageNet form of the study's Fig. 8 and in the CIFAR form that is trained,
and the graphs of a block and of a stage, all taken from the modules themselves.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcifar import config
from jaxcifar.models import build, layers, module_rows
from jaxcifar.models.resnet import ResNet, stages
from jaxcifar.models.summary import LayerRow, layer_rows

DEPTHS: tuple[config.Depth, ...] = (18, 34, 50, 101, 152)


class ImageNetResNet(nn.Module):
    """The stages of a CIFAR network behind ImageNet's first layer (7x7, stride 2, and 3x3 max-pool), 1000 classes."""

    cifar: ResNet

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        network = self.cifar
        x = network.conv(network.width, (7, 7), 2, 3, name="conv1")(x)
        x = network.activation(network.norm(name="norm1")(x, use_running_average=not train))
        # After a ReLU no value is below zero, so a border of zeros changes no maximum.
        x = nn.max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (2, 2))
        x = stages(network, x, train)
        return network.linear(1000, name="output")(x.mean(axis=(1, 2)))


def tables() -> dict[str, dict[str, Any]]:
    """Return both forms: for every depth the layers' output sizes, the blocks and the multiply-adds of an image."""
    found: dict[str, dict[str, Any]] = {"imagenet": {}, "cifar": {}}
    for depth in DEPTHS:
        found["cifar"][str(depth)] = _summarize(layer_rows(config.ResNet(depth=depth)))
        found["imagenet"][str(depth)] = _summarize(_imagenet_rows(depth))
    return found


@cache
def _imagenet_rows(depth: config.Depth) -> tuple[LayerRow, ...]:
    module = build(config.ResNet(depth=depth))
    assert isinstance(module, ResNet)
    return tuple(module_rows(ImageNetResNet(cifar=module), (224, 224, 3)))


def _summarize(rows: Sequence[LayerRow]) -> dict[str, Any]:
    stages: dict[str, dict[str, Any]] = {}
    for row in rows:
        place = re.match(r"stage(\d)_block(\d+)/", row.name)
        if place and row.role == "convolution":
            stage = stages.setdefault(f"conv{int(place[1]) + 1}_x", {"blocks": 0, "kernels": []})
            stage["blocks"] = int(place[2])
            stage["side"] = row.output_shape[0]
            if place[2] == "1":
                stage["kernels"].append([_side(row, rows), row.output_shape[-1]])
    first = rows[0]
    return {
        "conv1": {"side": first.output_shape[0], "channels": first.output_shape[-1], "kernel": _kernel(first, 3)},
        "stages": stages,
        "classes": rows[-1].output_shape[-1],
        "multiply_adds": sum(row.multiply_adds for row in rows),
        "parameters": sum(row.parameters for row in rows),
    }


def _side(row: LayerRow, rows: Sequence[LayerRow]) -> int:
    """Side of a block's kernel, from its parameters and its input channels."""
    convolutions = [r for r in rows if r.role == "convolution"]
    index = convolutions.index(row)
    return _kernel(row, convolutions[index - 1].output_shape[-1])


def _kernel(row: LayerRow, channels: int) -> int:
    """Side of a square kernel without bias."""
    return round((row.parameters / (channels * row.output_shape[-1])) ** 0.5)


def graph(depth: config.Depth, stage: int, blocks: int, image: int = 32) -> list[dict[str, Any]]:
    """Return the nodes of the first blocks of a stage, in the order in which the module calls them.

    Args:
        depth: of the residual network.
        stage: 1 to 4; conv2_x is stage 1.
        blocks: number of blocks.
        image: side of the images.

    Returns:
        Nodes with `label`, `kind` (`input | conv | norm | activation | add`), `shape`, `block` and `inputs`, the
        indices of their input nodes.
    """
    tracer = _Tracer(f"stage{stage}_block", blocks)
    module = build(config.ResNet(depth=depth))
    assert isinstance(module, ResNet)
    module = dataclasses.replace(module, activation=partial(tracer.activation, module.activation))

    def init(key: jax.Array) -> Any:
        with nn.intercept_methods(tracer.record):
            return module.init(key, jnp.zeros((1, image, image, 3)), False)

    jax.eval_shape(init, jax.random.key(0))
    return tracer.nodes


class _Tracer:
    """Record the calls inside some blocks; an array's identity tells which node made the input of another."""

    def __init__(self, prefix: str, blocks: int):
        self.names = [f"{prefix}{index + 1}" for index in range(blocks)]
        self.nodes: list[dict[str, Any]] = []
        self.made_by: dict[int, int] = {}
        # An array that is freed could give its id to another, so all are kept.
        self.kept: list[Any] = []
        self.block: str | None = None
        self.block_input = self.main = 0
        self.shortcut: int | None = None

    def record(self, next_call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """Record a call of a submodule."""
        path = context.module.path
        if context.method_name != "__call__" or not path or path[0] not in self.names:
            return next_call(*args, **kwargs)
        if len(path) == 1:
            return self._block(path[0], next_call, args, kwargs)
        source = self.made_by[id(args[0])]
        # The normalisation of a shortcut takes what the shortcut's convolution made.
        shortcut = getattr(context.module, "role", None) == "shortcut" or source == self.shortcut
        output = next_call(*args, **kwargs)
        match context.module:
            case layers.Conv(kernel=kernel, features=features, stride=stride):
                step = f", stride {stride}" if stride != 1 else ""
                self._add(f"{kernel[0]}×{kernel[1]} conv, {features}{step}", "conv", output, [source], shortcut)
            case layers.BatchNorm():
                self._add("BatchNorm", "norm", output, [source], shortcut)
        return output

    def activation(self, function: Any, x: jax.Array) -> jax.Array:
        """Record a call of the activation; an input that no recorded layer produced is the residual sum."""
        output = function(x)
        if self.block is not None:
            source = self.made_by.get(id(x))
            if source is None:
                shortcut = self.shortcut if self.shortcut is not None else self.block_input
                source = self._add("+", "add", x, [self.main, shortcut])
            self._add("ReLU", "activation", output, [source])
        return output

    def _block(self, name: str, next_call: Any, args: Any, kwargs: Any) -> Any:
        self.block, self.shortcut = name, None
        if id(args[0]) not in self.made_by:
            self._add("input", "input", args[0], [])
        self.block_input = self.main = self.made_by[id(args[0])]
        output = next_call(*args, **kwargs)
        self.block = None
        return output

    def _add(self, label: str, kind: str, output: Any, inputs: list[int], shortcut: bool = False) -> int:
        index = len(self.nodes)
        shape = list(output.shape[1:])
        self.nodes.append({"label": label, "kind": kind, "shape": shape, "block": self.block, "inputs": inputs})
        self.made_by[id(output)] = index
        self.kept.append(output)
        if shortcut:
            self.shortcut = index
        else:
            self.main = index
        return index
