"""The network of the speed runs in PyTorch, equivalent to `jaxcifar.models.whitened`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from jaxcifar import config

SIDE, FILTERS, CLASSES = 2, 24, 10


class Whitening(nn.Module):
    """A convolution with a frozen kernel and a trained bias."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(FILTERS, 3, SIDE, SIDE))
        self.bias = nn.Parameter(torch.zeros(FILTERS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, self.get_buffer("weight"), self.bias)


class Norm(nn.BatchNorm2d):
    """BatchNorm without a scale."""

    def __init__(self, width: int, momentum: float):
        # PyTorch's momentum is the weight of the new batch, Flax's that of the old average.
        super().__init__(width, eps=1e-12, momentum=1 - momentum)
        self.weight = None  # type: ignore[assignment]


class WhitenedCNN(nn.Module):
    """Whitening, three stages of convolutions, maximum over the image, one linear layer."""

    def __init__(self, model: config.WhitenedCNN, activation: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.model, self.activation = model, activation
        self.whiten = Whitening()
        channels = FILTERS
        for stage, width in enumerate(model.widths, 1):
            for index in range(1, model.depth + 1):
                self.add_module(f"conv{stage}_{index}", nn.Conv2d(channels, width, 3, padding=1, bias=False))
                self.add_module(f"norm{stage}_{index}", Norm(width, model.norm_momentum))
                channels = width
        self.output = nn.Linear(channels, CLASSES, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.whiten(x))
        before = x
        for stage in range(1, 4):
            for index in range(1, self.model.depth + 1):
                x = self.get_submodule(f"conv{stage}_{index}")(x)
                x = functional.max_pool2d(x, 2) if index == 1 else x
                x = self.get_submodule(f"norm{stage}_{index}")(x)
                x = self.activation(x + before if index == 3 else x)
                # The skip connection starts after the first convolution of a stage and ends at the third.
                before = x if index == 1 else before
        return self.output(x.amax((2, 3))) * self.model.output_scale
