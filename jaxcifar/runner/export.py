"""A network as an ONNX file: in inference mode, in float32, for any number of images, checked with onnxruntime."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

import jaxcifar
from jaxcifar import data, records
from jaxcifar.config import Module, Run, Study, UserError, load
from jaxcifar.config.stored import read_run
from jaxcifar.models import build, layers, roles, whitened
from jaxcifar.runner import safetensors
from jaxcifar.training import state as states
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.trained import weights

INPUT, OUTPUT, BATCH = "images", "logits", "N"
TOLERANCE = 1e-4
"""Largest difference of onnxruntime's logits from ours, as a share of the largest logit or of 1."""
CHECKED_IMAGES = 8
PACKAGES = ("jax2onnx", "onnx", "onnxruntime")


def check_installed() -> None:
    """Raise UserError if a package of the extra `onnx` is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"ONNX export needs {missing[0]}, which is not installed; install it by pip install -e '.[onnx]', best in "
            "a separate virtual environment, because it needs an older Orbax."
        )


@dataclass(frozen=True)
class Network:
    """A network with its weights, ready to be exported."""

    run: Run
    """The network, and how its images are normalised."""
    variables: Any
    """`params` and `batch_stats`."""
    origin: str
    """Where the variables come from, in words."""


def read(source: Path, flags: Sequence[str], notify: Callable[[str], None]) -> Network:
    """Return the network of a run's newest checkpoint, or of a config file with its initial weights.

    For a run with a moving average of its weights, return the average.

    Args:
        source: a run's folder, or a config file.
        flags: overrides of the config file, such as `--model.depth 34`.
        notify: told of checkpoints that are damaged.

    Raises:
        UserError: the source is neither, or holds several runs or no checkpoint.
    """
    if source.is_file():
        config = load(source, flags, prog="jaxcifar export")
        run = config.base if isinstance(config, Study) and config.is_single else config
        if not isinstance(run, Run):
            raise UserError(f"{str(source)!r} holds several runs; give the config file of one, or a run's folder.")
        run = data.fitted(run, data.load)
        return Network(run, _initial(run), f"{source.stem}, untrained, seed {run.seed}")
    if not (source / records.CONFIG).is_file():
        raise UserError(f"{str(source)!r} is neither a run's folder (it holds no {records.CONFIG}) nor a config file.")
    run = read_run(source)
    if flags:
        raise UserError(f"jaxcifar export got {flags[0]!r}; with a run's folder it takes only --out.")
    # Lookahead moves the weights themselves to its average, so only an EMA is written in their place.
    is_average = run.average.figure is not None
    step, params, batch_stats = weights(source, average=is_average, notify=notify)
    origin = f"{run.name}, seed {run.seed}, step {step}" + ", the moving average of its weights" * is_average
    return Network(run, {"params": params, "batch_stats": batch_stats}, origin)


def _initial(run: Run) -> Any:
    # The filters of a whitening layer are made from the images.
    images = data.load(run.data).train_images if roles(run.model).whitening else None
    state = jax.jit(lambda images: states.create(run, hyperparams(run), images))(images)
    return {"params": state.params, "batch_stats": state.batch_stats}


def write_weights(network: Network, path: Path) -> None:
    """Write parameters and statistics as a safetensors file, `params.conv1.kernel` and so on.

    Args:
        network: what to write; the file says its origin and the normalisation of its images.
        path: the file.
    """
    arrays = {name: np.asarray(array) for name, array in flatten_dict(network.variables, sep=".").items()}
    safetensors.write(path, arrays, _properties(network))


def export(network: Network, path: Path) -> float:
    """Write an ONNX file from `images` [N, H, W, C], normalised, to `logits` [N, K]; BatchNorm as in evaluation.

    Args:
        network: what to write; the file says its origin and the normalisation of its images.
        path: the file.

    Returns:
        The largest difference of onnxruntime's logits from ours, on random images.

    Raises:
        UserError: a package is missing, the logits are not finite, or they differ by more than TOLERANCE; nothing is
            written.
    """
    check_installed()
    _check_known(network.run)
    images = np.random.default_rng(0).normal(size=(CHECKED_IMAGES, *network.run.model.image)).astype(np.float32)
    module = build(network.run.model)
    # Accelerators multiply float32 matrices with fewer bits by default, and would differ from onnxruntime.
    with jax.default_matmul_precision("highest"):
        expected = np.asarray(jax.jit(lambda x: module.apply(network.variables, x, False))(images))
    if not np.isfinite(expected).all():
        raise UserError("The network's logits are not finite, so nothing was written; the run seems to have diverged.")
    stored = _described(_convert(network), network).SerializeToString()
    difference = float(np.abs(logits(stored, images) - expected).max())
    if difference > TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise UserError(
            f"onnxruntime's logits differ from ours by {difference:.1e}, so nothing was written; other versions of "
            f"{', '.join(PACKAGES)} may agree."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.replacing(path) as file:
        file.write(stored)
    return difference


def _check_known(run: Run) -> None:
    if isinstance(run.model, Module):
        raise UserError(f"{run.model.title} is a network of the user's own, which is not written as ONNX.")


def logits(model: bytes, images: np.ndarray) -> np.ndarray:
    """Return onnxruntime's logits of images [N, H, W, C]."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: images})[0])


def _described(model: Any, network: Network) -> Any:
    """The model with a text for viewers."""
    import onnx  # pyright: ignore[reportMissingImports]

    properties = _properties(network)
    model.doc_string = "\n".join(f"{key}: {value}" for key, value in properties.items())
    onnx.helper.set_model_props(model, properties)
    return model


def _properties(network: Network) -> dict[str, str]:
    """The description of the network that the exported file carries."""
    mean, deviation = data.statistics(network.run.data)
    channels = "RGB" if network.run.model.image[2] == 3 else "C"
    layout = f"layout {BATCH}, H, W, {channels}"
    return {
        "network": str(network.run.model),
        "origin": network.origin,
        "images": f"(pixel / 255 - mean) / deviation, mean {mean}, deviation {deviation}, {layout}",
        "written by": f"jaxcifar {jaxcifar.__version__}",
    }


def _convert(network: Network) -> Any:
    import jax2onnx  # pyright: ignore[reportMissingImports]
    import onnx  # pyright: ignore[reportMissingImports]

    logging.getLogger("onnx_ir.serde").setLevel(logging.ERROR)  # it reports every shape that it leaves open

    def apply(images: jax.Array) -> Any:
        # Built here, because the converter has replaced Flax's activations by its own.
        with nn.intercept_methods(_as_standard_layer):
            return build(network.run.model).apply(network.variables, images, False)

    model = jax2onnx.to_onnx(
        apply,
        [(BATCH, *network.run.model.image)],
        model_name=type(network.run.model).__name__,
        input_names=[INPUT],
        output_names=[OUTPUT],
    )
    assert isinstance(model, onnx.ModelProto)
    _remove_dropout(model.graph)
    # The converter leaves shapes from before it moved transpositions; they are computed again.
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def _as_standard_layer(next_call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Flax's own layer on the same variables: the converter knows it, and viewers show it as one node."""
    layer = context.module
    if context.method_name != "__call__":
        return next_call(*args, **kwargs)
    # `parent=None`: each is applied to the variables of `layer`, and is no submodule of the network.
    match layer:
        case layers.Conv():
            padding = [(p, p) for p in np.broadcast_to(layer.padding, 2).tolist()]
            strides = np.broadcast_to(layer.stride, 2).tolist()
            standard = nn.Conv(layer.features, layer.kernel, strides, padding, use_bias=layer.use_bias, parent=None)
        case layers.BatchNorm():
            standard = nn.BatchNorm(
                use_running_average=True, epsilon=layer.epsilon, use_scale=layer.use_scale, parent=None
            )
        case layers.Linear():
            standard = nn.Dense(layer.features, parent=None)
        case whitened.Whitening():
            kernel, bias = layer.variables["batch_stats"]["kernel"], layer.variables["params"]["bias"]
            standard = nn.Conv(kernel.shape[-1], kernel.shape[:2], padding="VALID", parent=None)
            return standard.apply({"params": {"kernel": kernel, "bias": bias}}, args[0])
        case _:
            return next_call(*args, **kwargs)
    return standard.apply(layer.variables, args[0])


def _remove_dropout(graph: Any) -> None:
    """In inference mode it is the identity."""
    for node in [node for node in graph.node if node.op_type == "Dropout"]:
        graph.node.remove(node)
        for other in graph.node:
            # The output's name stays and the input's goes, because the former may be an output of the whole graph.
            for names in (other.input, other.output):
                names[:] = [node.output[0] if name == node.input[0] else name for name in names]
    used = {name for node in graph.node for name in node.input}
    for constant in [item for item in graph.initializer if item.name not in used]:
        graph.initializer.remove(constant)
