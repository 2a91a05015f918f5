"""From a model's config to its Flax module."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, assert_never

from flax import linen as nn

from jaxcifar import config
from jaxcifar.models import layers, own
from jaxcifar.models.activations import activation, activation_and_pool
from jaxcifar.models.cnn import CNN
from jaxcifar.models.deep_linear import DeepLinear
from jaxcifar.models.resnet import BasicBlock, Bottleneck, ResNet
from jaxcifar.models.vgg import VGG
from jaxcifar.models.whitened import WhitenedCNN, Whitening

Layer = Callable[..., Any]
GROUP_SIZE = 8
"""Channels per group of GroupNorm: 8 groups of 8 in 64 channels; a narrow network keeps groups of more than one."""

_STAGE_SIZES = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def build(model: config.Model, dtype: Any = None) -> nn.Module | own.Own:
    """Return the module of a model's config; call it as `module.apply(variables, images, train)`.

    Args:
        model: what to build.
        dtype: dtype of the computation, such as `jnp.bfloat16`; None computes in the dtype of images and parameters.
            Parameters, statistics and logits have float32 or higher in any case.

    Returns:
        A module from normalised images [N, *model.image] to logits [N, classes], with the collections `params` and,
        where it has BatchNorm or whitening, `batch_stats`. Dropout needs the rng `dropout` where `train` is True,
        noise `noise`.
    """
    if isinstance(model, config.Module):
        return own.build(model)
    linear = partial(layers.Linear, initialization=model.initialization, dtype=dtype)
    conv = partial(layers.Conv, initialization=model.initialization, dtype=dtype)
    match model:
        case config.CNN():
            return _cnn(model, conv, linear, dtype)
        case config.ResNet():
            return _resnet(model, conv, linear, dtype)
        case config.VGG():
            return _vgg(model, conv, linear, dtype)
        case config.DeepLinear():
            return DeepLinear(
                model.depth, model.width, norm=_norm(model.norm, dtype), linear=linear, classes=model.classes
            )
        case config.WhitenedCNN():
            return _whitened(model, conv, linear, dtype)
        case unknown:
            assert_never(unknown)


def _norm(norm: config.Norm, dtype: Any) -> Layer:
    match norm:
        case "none":
            return layers.without_norm
        case "batch":
            return partial(layers.BatchNorm, dtype=dtype)
        case "group":
            return partial(layers.GroupNorm, group_size=GROUP_SIZE, dtype=dtype)
        case "layer":
            return partial(layers.GroupNorm, group_size=None, dtype=dtype)
        case "instance":
            return partial(layers.GroupNorm, group_size=1, dtype=dtype)
        case "l1":
            return partial(layers.LpNorm, order="1", dtype=dtype)
        case "linf":
            return partial(layers.LpNorm, order="inf", dtype=dtype)
        case unknown:
            assert_never(unknown)


def _cnn(model: config.CNN, conv: Layer, linear: Layer, dtype: Any) -> CNN:
    return CNN(
        widths=model.widths,
        head=model.head,
        dropout=model.dropout,
        dropout_layers=model.dropout_layers,
        conv=partial(conv, kernel=(model.kernel, model.kernel), padding=model.padding),
        norm=_norm(model.norm, dtype),
        linear=linear,
        activation=activation(model.activation),
        classes=model.classes,
    )


def _resnet(model: config.ResNet, conv: Layer, linear: Layer, dtype: Any) -> ResNet:
    block, stage_sizes = _STAGE_SIZES[model.depth]
    return ResNet(
        block=block,
        stage_sizes=stage_sizes,
        width=model.width,
        skip=model.skip,
        dropout=model.dropout,
        # A normalisation subtracts the mean, so a bias before it would have no effect.
        conv=partial(conv, use_bias=model.norm == "none"),
        norm=_norm(model.norm, dtype),
        linear=linear,
        activation=activation(model.activation),
        classes=model.classes,
    )


def _vgg(model: config.VGG, conv: Layer, linear: Layer, dtype: Any) -> VGG:
    stages, head = vgg_form(model)
    return VGG(
        stages=stages,
        head=head,
        dropout=model.dropout,
        conv=conv,
        norm=_norm(model.norm, dtype),
        noise=layers.ActivationNoise if model.noise else layers.without_noise,
        linear=linear,
        activation=activation(model.activation),
        activation_and_pool=activation_and_pool(model.activation),
        classes=model.classes,
    )


def _whitened(model: config.WhitenedCNN, conv: Layer, linear: Layer, dtype: Any) -> WhitenedCNN:
    return WhitenedCNN(
        widths=model.widths,
        depth=model.depth,
        output_scale=model.output_scale,
        whitening=partial(Whitening, dtype=dtype),
        conv=partial(conv, use_bias=False),
        # Epsilon and the missing scale are those of the network's reference implementation (Jordan 2024).
        norm=partial(layers.BatchNorm, momentum=model.norm_momentum, epsilon=1e-12, use_scale=False, dtype=dtype),
        linear=partial(linear, use_bias=False),
        activation=activation(model.activation),
        classes=model.classes,
    )


def vgg_form(model: config.VGG) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Return the channels of each convolution by stage, and the width of the head."""
    if model.form == "light":
        return ((16,), (32,)), 128
    w = model.width
    return ((w,), (2 * w,), (4 * w, 4 * w), (8 * w, 8 * w), (8 * w, 8 * w)), 8 * w
