"""Both sides of a comparison with PyTorch: the same weights, the same batch, the same step."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import config
from jaxcifar.models import layer_rows, roles
from jaxcifar.training import optimizers, state, step

if os.environ.get("CI") == "true":
    import torch
else:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'jaxcifar[parity]'")

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
import torch_peer

NETWORKS: dict[str, config.Model] = {
    "cnn": config.CNN(),
    "cnn_bn": config.CNN(widths=(8, 16), head=(32,), norm="batch"),
    "light": config.VGG(form="light"),
    "light_bn": config.VGG(form="light", norm="batch"),
    "vgg_a": config.VGG(),
    "vgg_bn": config.VGG(norm="batch"),
    **{f"resnet{depth}": config.ResNet(depth) for depth in (18, 34, 50, 101, 152)},  # pyright: ignore
    "light_group": config.VGG(form="light", norm="group"),
    "light_instance": config.VGG(form="light", norm="instance"),
    "cnn_layer": config.CNN(widths=(8, 12), head=(32,), norm="layer"),
    "group18": config.ResNet(18, width=8, norm="group"),
    "bare18": config.ResNet(18, width=8, norm="none"),
    "plain18": config.ResNet(18, skip=False),
    "whitened": config.WhitenedCNN(widths=(8, 12, 16)),
    "whitened_residual": config.WhitenedCNN(widths=(8, 12, 16), depth=3),
    "linear": config.DeepLinear(width=20, norm="batch"),
}


Batch = tuple[np.ndarray, np.ndarray]

# One run of each program: LLVM's slow passes cost more than they save.
QUICK_COMPILATION: dict[str, Any] = {"xla_backend_optimization_level": 0}


Measured = dict[str, Any]
"""What a training pass gives, in NumPy and in Flax's layout: logits, loss, batch_stats, gradient."""


def relative(ours: Any, theirs: Any) -> float:
    """‖ours - theirs‖ / ‖theirs‖ over a whole pytree."""
    pairs = jax.tree.map(lambda a, b: [np.sum((np.float64(a) - b) ** 2), np.sum(np.float64(b) ** 2)], ours, theirs)
    difference, norm = np.reshape(jax.tree.leaves(pairs), (-1, 2)).sum(axis=0)
    return float(np.sqrt(difference / norm))


def errors(run: config.Run, initial: state.State, examples: Batch, backward: bool = True) -> dict[str, float]:
    """The relative differences between our training pass and PyTorch's."""
    ours, theirs = jax_pass(run, initial, examples, backward), torch_pass(run, initial, examples, backward)
    assert ours["logits"].dtype == examples[0].dtype
    return {name: relative(ours[name], theirs[name]) for name in theirs if jax.tree.leaves(theirs[name])}


def batch(size: int, dtype: Any = np.float64, seed: int = 0) -> Batch:
    """Smooth random images plus noise, of mean 0 and deviation 1, [N, 32, 32, 3], and labels [N]."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(size, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    images = coarse + 0.5 * rng.normal(size=(size, 32, 32, 3))
    return ((images - images.mean()) / images.std()).astype(dtype), rng.integers(0, 10, size).astype(np.int32)


def initial_state(run: config.Run, dtype: Any = np.float64) -> state.State:
    """A state with random weights of the given dtype; scales and running statistics are off their initial 0 and 1."""
    values = optimizers.hyperparams(run)
    shapes = jax.eval_shape(partial(state.create, run), values)
    rng = np.random.default_rng(0)

    def draw(path: Any, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        match path[-1].key:
            case "kernel":
                value = rng.normal(size=leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
            case "scale" | "var":
                value = rng.uniform(0.7, 1.3, leaf.shape)
            case _:
                value = 0.1 * rng.normal(size=leaf.shape)
        return jnp.asarray(value, dtype)

    params, batch_stats = jax.tree_util.tree_map_with_path(draw, (shapes.params, shapes.batch_stats))
    opt_state = optimizers.direction(run.optimizer, values, roles(run.model)).init(params)
    return shapes.replace(step=jnp.int32(0), params=params, batch_stats=batch_stats, opt_state=opt_state)


def torch_module(model: config.Model, initial: state.State) -> Any:
    """PyTorch's twin with the weights of a state, in their dtype, channels first, in training mode."""
    variables = {"params": initial.params, "batch_stats": initial.batch_stats}
    weights = torch_peer.state_dict(model, variables)
    module = torch_peer.build(model).to(weights["output.weight"].dtype)
    module.load_state_dict(weights)
    return module.train()


def torch_batch(images: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels.astype(np.int64))


def jax_pass(run: config.Run, initial: state.State, examples: Batch, backward: bool = True) -> Measured:
    """Forward and, if asked for, backward in training mode."""

    def measure(values: Any, params: Any, batch_stats: Any) -> Measured:
        loss = step.loss_function(run, values)
        arguments = (params, batch_stats, examples, jnp.int32(0))
        if not backward:
            value, (logits, updated) = loss(*arguments)
            return {"logits": logits, "loss": value, "batch_stats": updated}
        (value, (logits, updated)), gradient = jax.value_and_grad(loss, has_aux=True)(*arguments)
        return {"logits": logits, "loss": value, "batch_stats": updated, "gradient": gradient}

    arguments = optimizers.hyperparams(run), initial.params, initial.batch_stats
    compiled = jax.jit(measure).lower(*arguments).compile(compiler_options=QUICK_COMPILATION)
    return jax.device_get(compiled(*arguments))


def torch_pass(run: config.Run, initial: state.State, examples: Batch, backward: bool = True) -> Measured:
    """The same in PyTorch; the running variances are taken back to Flax's biased form."""
    module = torch_module(run.model, initial)
    images, labels = torch_batch(*examples)
    with torch.set_grad_enabled(backward):
        logits = module(images)
        loss = torch_peer.criterion(run.loss)(logits, labels)
    stats = torch_peer.from_torch(run.model, initial.batch_stats, dict(module.named_buffers()))
    stats = biased(run.model, stats, initial.batch_stats, len(images))
    measured = {"logits": logits.detach().numpy(), "loss": loss.detach().numpy(), "batch_stats": stats}
    if backward:
        loss.backward()
        gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
        measured["gradient"] = torch_peer.from_torch(run.model, initial.params, gradients)
    return measured


def biased(model: config.Model, new: Any, old: Any, images: int) -> Any:
    """Running variances after one step with the N/(N - 1) of PyTorch's new share (N values a channel) taken off."""
    counts = {
        tuple(row.name.split("/")): images * int(np.prod(row.output_shape[:-1]))
        for row in layer_rows(model)
        if row.kind == "BatchNorm"
    }

    def convert(path: Any, value: np.ndarray, before: jax.Array) -> np.ndarray:
        *layer, kind = (entry.key for entry in path)
        if kind != "var":
            return value
        n = counts[tuple(layer)]
        kept = (model.norm_momentum if isinstance(model, config.WhitenedCNN) else 0.9) * np.asarray(before)
        return kept + (value - kept) * (n - 1) / n

    return jax.tree_util.tree_map_with_path(convert, new, old)
