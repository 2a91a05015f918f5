"""The networks, losses and optimizers in PyTorch, as its users write them, and the conversion of weights.

Modules have the names of their Flax equivalents, so only the layout of the arrays differs.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from flax.traverse_util import flatten_dict, unflatten_dict
from torch import nn
from torch.nn import functional
from torch_whitened import WhitenedCNN

from jaxcifar import config
from jaxcifar.config import UserError
from jaxcifar.models.build import GROUP_SIZE

CLASSES = 10
_STAGE_SIZES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def build(model: config.Model) -> nn.Module:
    """Return the network of a config: images [N, 3, 32, 32] to logits [N, 10]; load weights with `state_dict`."""
    match model:
        case config.CNN():
            return _cnn(model)
        case config.ResNet():
            return ResNet(model)
        case config.VGG(noise=False):
            return _vgg(model)
        case config.WhitenedCNN():
            return WhitenedCNN(model, _activation(model.activation))
        case config.DeepLinear():
            return _deep_linear(model)
        case _:
            raise ValueError(f"{model} has no PyTorch equivalent here.")


def _activation(kind: config.Activation) -> nn.Module:
    match kind:
        case "relu":
            return nn.ReLU(inplace=True)
        case "sigmoid":
            return nn.Sigmoid()
        case "leaky_relu":
            return nn.LeakyReLU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "softplus":
            return nn.Softplus()
        case "gelu":
            return nn.GELU()


def _cnn(model: config.CNN) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module]()
    channels, side = 3, 32
    for index, width in enumerate(model.widths, 1):
        layers[f"conv{index}"] = nn.Conv2d(channels, width, model.kernel, padding=model.padding)
        if model.norm != "none":
            layers[f"norm{index}"] = _norm(model)(width)
        layers[f"pool{index}"] = nn.MaxPool2d(2)
        layers[f"activation{index}"] = _activation(model.activation)
        channels, side = width, (side + 2 * model.padding - model.kernel + 1) // 2
    layers["flatten"] = nn.Flatten()
    inputs = channels * side * side
    for index, width in enumerate(model.head, 1):
        layers[f"linear{index}"] = nn.Linear(inputs, width)
        layers[f"linear{index}_activation"] = _activation(model.activation)
        if index <= model.dropout_layers:
            layers[f"dropout{index}"] = nn.Dropout(model.dropout)
        inputs = width
    layers["output"] = nn.Linear(inputs, CLASSES)
    if model.dropout_layers > len(model.head):
        layers["output_dropout"] = nn.Dropout(model.dropout)
    return nn.Sequential(layers)


def _deep_linear(model: config.DeepLinear) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](flatten=nn.Flatten())
    inputs = 32 * 32 * 3
    for index in range(1, model.depth):
        layers[f"linear{index}"] = nn.Linear(inputs, model.width)
        if model.norm not in ("none", "batch"):
            raise ValueError(f"{model} has no PyTorch equivalent here.")
        if model.norm == "batch":
            layers[f"norm{index}"] = nn.BatchNorm1d(model.width)
        inputs = model.width
    layers["output"] = nn.Linear(inputs, CLASSES)
    return nn.Sequential(layers)


def _vgg(model: config.VGG) -> nn.Sequential:
    stages, head = _vgg_form(model)
    layers = OrderedDict[str, nn.Module]()
    channels, side = 3, 32
    for stage, widths in enumerate(stages, 1):
        for index, width in enumerate(widths, 1):
            layers[f"conv{stage}_{index}"] = nn.Conv2d(channels, width, 3, padding=1)
            if model.norm != "none":
                layers[f"norm{stage}_{index}"] = _norm(model)(width)
            layers[f"activation{stage}_{index}"] = _activation(model.activation)
            channels = width
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
        side //= 2
    layers["flatten"] = nn.Flatten()
    inputs = channels * side * side
    for index in (1, 2):
        layers[f"dropout{index}"] = nn.Dropout(model.dropout)
        layers[f"linear{index}"] = nn.Linear(inputs, head)
        layers[f"linear{index}_activation"] = _activation(model.activation)
        inputs = head
    layers["output"] = nn.Linear(inputs, CLASSES)
    return nn.Sequential(layers)


def _vgg_form(model: config.VGG) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Return the channels of each convolution by stage, and the width of the head."""
    if model.form == "light":
        return ((16,), (32,)), 128
    w = model.width
    return ((w,), (2 * w,), (4 * w, 4 * w), (8 * w, 8 * w), (8 * w, 8 * w)), 8 * w


def _norm(model: config.CNN | config.VGG | config.ResNet) -> Callable[[int], nn.Module]:
    match model.norm:
        case "none":
            return lambda channels: nn.Identity()
        case "batch":
            return nn.BatchNorm2d
        case "group":
            # PyTorch takes the number of groups; groups have GROUP_SIZE channels or a divisor of it.
            return lambda channels: nn.GroupNorm(channels // math.gcd(GROUP_SIZE, channels), channels)
        case "layer":
            # One group of all channels is LayerNorm over an image.
            return lambda channels: nn.GroupNorm(1, channels)
        case "instance":
            return lambda channels: nn.InstanceNorm2d(channels, affine=True)
        case "l1" | "linf":
            raise ValueError(f"{model} has no PyTorch equivalent here.")


class Block(nn.Module):
    """A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times the width at the end."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool, model: config.ResNet):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        # The shift of a norm takes the place of the convolution's bias.
        norm, bias = _norm(model), model.norm == "none"
        if bottleneck:
            self.conv1 = nn.Conv2d(inputs, width, 1, bias=bias)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=bias)
            self.conv3 = nn.Conv2d(width, outputs, 1, bias=bias)
            self.norm3 = norm(outputs)
        else:
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=bias)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=bias)
        self.norm1, self.norm2 = norm(width), norm(width)
        self.bottleneck, self.skip = bottleneck, model.skip
        self.projects = model.skip and (stride != 1 or inputs != outputs)
        if self.projects:
            self.conv_shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=bias)
            self.norm_shortcut = norm(outputs)
        self.activation = _activation(model.activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.bottleneck:
            y = self.norm3(self.conv3(self.activation(y)))
        if self.skip:
            y = y + (self.norm_shortcut(self.conv_shortcut(x)) if self.projects else x)
        return self.activation(y)


class ResNet(nn.Module):
    """ResNet for CIFAR: 3x3 convolution, four stages, mean over the image, one linear layer."""

    def __init__(self, model: config.ResNet):
        super().__init__()
        self.conv1 = nn.Conv2d(3, model.width, 3, padding=1, bias=model.norm == "none")
        self.norm1 = _norm(model)(model.width)
        self.activation = _activation(model.activation)
        self.blocks = []
        bottleneck, channels = model.depth >= 50, model.width
        for stage, size in enumerate(_STAGE_SIZES[model.depth]):
            width = model.width * 2**stage
            for index in range(size):
                stride = 2 if stage > 0 and index == 0 else 1
                block = Block(channels, width, stride, bottleneck, model)
                name = f"stage{stage + 1}_block{index + 1}"
                self.add_module(name, block)
                self.blocks.append(name)
                channels = 4 * width if bottleneck else width
        self.dropout = nn.Dropout(model.dropout)
        self.output = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.norm1(self.conv1(x)))
        for name in self.blocks:
            x = getattr(self, name)(x)
        return self.output(self.dropout(x.mean((2, 3))))


def criterion(loss: config.Loss) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss as a function of logits [N, 10] and integer labels [N]."""

    def on_onehot(function: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        return lambda logits, labels: function(logits, functional.one_hot(labels, CLASSES).to(logits.dtype))

    match loss:
        case config.CrossEntropy():
            return nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing)
        case config.MSE():
            return on_onehot(nn.MSELoss())
        case config.SmoothL1():
            return on_onehot(nn.SmoothL1Loss())
        case config.BCEWithLogits():
            return on_onehot(nn.BCEWithLogitsLoss())
        case config.OwnLoss():
            raise ValueError(f"The loss {loss.title} has no PyTorch twin; compare networks with another loss.")


def optimizer(kind: config.Optimizer, parameters: Any, fused: bool = False) -> torch.optim.Optimizer:
    """Return the optimizer of a config; `fused` selects fused kernels, which Adagrad and Adadelta do not have."""
    rate, decay = kind.learning_rate, kind.weight_decay
    match kind:
        case config.Adam():
            make = partial(torch.optim.AdamW if isinstance(kind, config.AdamW) else torch.optim.Adam, fused=fused)
            return make(parameters, rate, (kind.beta1, kind.beta2), kind.epsilon, decay)
        case config.Adagrad():
            return torch.optim.Adagrad(parameters, rate, weight_decay=decay, eps=kind.epsilon)
        case config.Adadelta():
            return torch.optim.Adadelta(parameters, rate, kind.rho, kind.epsilon, decay)
        case config.SGD():
            return torch.optim.SGD(
                parameters, rate, kind.momentum, weight_decay=decay, nesterov=kind.nesterov, fused=fused
            )
        case config.Muon():
            raise ValueError("PyTorch has no Muon for convolutions; compare networks with another optimizer.")
    raise ValueError(f"{kind.title} is not built in PyTorch here; compare networks with another optimizer.")


def state_dict(model: config.Model, variables: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return Flax variables (`params` and, with BatchNorm, `batch_stats`) as the state_dict of `build(model)`."""
    found = {}
    stats = flatten_dict(variables.get("batch_stats", {}))
    # The frozen kernel of a whitening layer is in `batch_stats`, but it is not a running statistic.
    for path, array in [
        *flatten_dict(variables["params"]).items(),
        *(i for i in stats.items() if i[0][-1] == "kernel"),
    ]:
        array = _to_torch_layout(model, path, np.asarray(array))
        # A copy in C order, because JAX gives arrays that cannot be written and a transposed array is only a view.
        found[".".join([*path[:-1], _parameter_name(path[-1])])] = torch.from_numpy(np.array(array, order="C"))
    for path, array in (item for item in stats.items() if item[0][-1] != "kernel"):
        found[".".join([*path[:-1], f"running_{path[-1]}"])] = torch.from_numpy(np.array(array))
        found[".".join([*path[:-1], "num_batches_tracked"])] = torch.tensor(0)
    return found


def from_torch(model: config.Model, tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return tensors by PyTorch's names (weights, gradients, running statistics) as a pytree of NumPy arrays.

    Args:
        model: the network's config.
        tree: `params` or `batch_stats` of the Flax network; only its structure and shapes are read.
        tensors: at least those that the tree names.
    """
    leaves: dict[Any, Any] = flatten_dict(tree)
    result = {}
    for path, array in leaves.items():
        name = f"running_{path[-1]}" if path[-1] in ("mean", "var") else _parameter_name(path[-1])
        tensor = tensors[".".join([*path[:-1], name])].detach().cpu().numpy()
        result[path] = _from_torch_layout(model, path, tensor).reshape(np.shape(array))
    return unflatten_dict(result)


def _parameter_name(name: str) -> str:
    return "bias" if name == "bias" else "weight"


def _to_torch_layout(model: config.Model, path: tuple[str, ...], array: np.ndarray) -> np.ndarray:
    """Convert HWIO to OIHW, [inputs, outputs] to [outputs, inputs], and a flattened image from HWC to CHW."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if array.ndim == 2:
        channels = _flattened_channels(model, path[0])
        return array.reshape(-1, channels, array.shape[1]).transpose(2, 1, 0).reshape(array.shape[::-1])
    return array


def _from_torch_layout(model: config.Model, path: tuple[str, ...], array: np.ndarray) -> np.ndarray:
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        channels = _flattened_channels(model, path[0])
        return array.reshape(array.shape[0], channels, -1).transpose(2, 1, 0).reshape(array.shape[::-1])
    return array


TWINS = config.CNN | config.DeepLinear | config.VGG | config.ResNet | config.WhitenedCNN
"""The networks that are built in PyTorch too."""


def _flattened_channels(model: config.Model, layer: str) -> int:
    """Return the channels of the flattened image that a linear layer reads; 1 if it does not read an image."""
    if not isinstance(model, TWINS):
        raise UserError(f"{model.title} has no PyTorch twin to compare it with; scripts/torch_peer.py has those.")
    match model:
        case config.CNN() if layer == ("linear1" if model.head else "output"):
            return model.widths[-1]
        case config.DeepLinear() if layer == ("linear1" if model.depth > 1 else "output"):
            return 3
        case config.VGG() if layer == "linear1":
            return _vgg_form(model)[0][-1][-1]
        case config.CNN() | config.DeepLinear() | config.VGG() | config.ResNet() | config.WhitenedCNN():
            return 1
