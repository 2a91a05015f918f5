"""From a model's config to its Flax module."""

from __future__ import annotations

from functools import partial
from typing import Any

from flax import linen as nn

from jaxcifar import config
from jaxcifar.models import layers
from jaxcifar.models.activations import activation
from jaxcifar.models.cnn import CNN
from jaxcifar.models.deep_linear import DeepLinear
from jaxcifar.models.resnet import BasicBlock, Bottleneck, ResNet
from jaxcifar.models.vgg import VGG
from jaxcifar.models.whitened import WhitenedCNN, Whitening

_STAGE_SIZES = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def build(model: config.Model, dtype: Any = None) -> nn.Module:
    """The module of a model's config; call it as `module.apply(variables, images, train)`.

    Args:
        model: what to build.
        dtype: of the computation, e.g. `jnp.bfloat16`; None computes in the dtype of images and parameters. Parameters,
            statistics and logits have float32 or higher whatever it is.

    Returns:
        A module from normalised images [N, 32, 32, 3] to logits [N, 10], with the collections `params` and, where it
        has BatchNorm or whitening, `batch_stats`. Dropout needs the rng `dropout` where `train` is True, noise `noise`.
    """
    linear = partial(layers.Linear, initialization=model.initialization, dtype=dtype)
    conv = partial(layers.Conv, initialization=model.initialization, dtype=dtype)
    if isinstance(model, config.WhitenedCNN):
        return WhitenedCNN(
            widths=model.widths,
            depth=model.depth,
            output_scale=model.output_scale,
            whitening=partial(Whitening, dtype=dtype),
            conv=partial(conv, use_bias=False),
            norm=partial(layers.BatchNorm, momentum=model.norm_momentum, epsilon=1e-12, use_scale=False, dtype=dtype),
            linear=partial(linear, use_bias=False),
            activation=activation(model.activation),
        )
    norm = partial(layers.BatchNorm, dtype=dtype) if model.norm == "batch" else layers.without_norm
    match model:
        case config.CNN():
            return CNN(
                widths=model.widths,
                head=model.head,
                dropout=model.dropout,
                dropout_layers=model.dropout_layers,
                conv=partial(conv, kernel=(model.kernel, model.kernel), padding=model.padding),
                norm=norm,
                linear=linear,
                activation=activation(model.activation),
            )
        case config.ResNet():
            block, stage_sizes = _STAGE_SIZES[model.depth]
            return ResNet(
                block=block,
                stage_sizes=stage_sizes,
                width=model.width,
                skip=model.skip,
                dropout=model.dropout,
                conv=partial(conv, use_bias=model.norm == "none"),
                norm=norm,
                linear=linear,
                activation=activation(model.activation),
            )
        case config.VGG():
            stages, head = vgg_form(model)
            return VGG(
                stages=stages,
                head=head,
                dropout=model.dropout,
                conv=conv,
                norm=norm,
                noise=layers.ActivationNoise if model.noise else layers.without_noise,
                linear=linear,
                activation=activation(model.activation),
            )
        case config.DeepLinear():
            return DeepLinear(model.depth, model.width, norm=norm, linear=linear)


def vgg_form(model: config.VGG) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Channels of each convolution by stage, and the width of the head."""
    if model.form == "light":
        return ((16,), (32,)), 128
    w = model.width
    return ((w,), (2 * w,), (4 * w, 4 * w), (8 * w, 8 * w), (8 * w, 8 * w)), 8 * w
