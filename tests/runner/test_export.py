"""ONNX files against the networks they come from; .ci/run runs this in an environment with the extra `onnx`."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcifar
from jaxcifar import config, data, models
from jaxcifar.cli import main
from jaxcifar.config import Run, UserError
from jaxcifar.config.stored import begin_records
from jaxcifar.models import roles
from jaxcifar.runner import export
from jaxcifar.training.optimizers import hyperparams
from jaxcifar.training.state import create

MISSING = [name for name in export.PACKAGES if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("JAXCIFAR_TEST_ONNX") != "1",
    reason="the extra onnx is not installed: pip install -e '.[test,onnx]' in an environment of its own",
)
CONFIGS = Path(__file__).parents[2] / "configs"
NETWORKS: dict[str, config.Model] = {
    "cnn": config.CNN(widths=(5, 7), kernel=5, padding=0, head=(16, 12), dropout=0.5, dropout_layers=3),
    "vgg_a": config.VGG(width=8, dropout=0.5),
    "vgg_a_bn": config.VGG(width=8, norm="batch", activation="leaky_relu"),
    "light": config.VGG(form="light", norm="batch", activation="tanh"),
    "light_instance": config.VGG(form="light", norm="instance"),
    "light_l1": config.VGG(form="light", norm="l1"),
    "light_linf": config.VGG(form="light", norm="linf"),
    "resnet18_group": config.ResNet(width=8, norm="group"),
    "noisy": config.VGG(form="light", norm="batch", noise=True),
    "deep_linear": config.DeepLinear(depth=4, width=16, norm="batch"),
    "resnet18": config.ResNet(width=8),
    "plain18": config.ResNet(width=4, skip=False, norm="none", activation="softplus"),
    "resnet50": config.ResNet(depth=50, width=4, activation="sigmoid"),
    "speedrun_94": config.WhitenedCNN(widths=(4, 6, 6), depth=2, output_scale=0.1),
    "speedrun_96": config.WhitenedCNN(widths=(4, 6, 6), depth=3, output_scale=0.1),
}


def network(model: config.Model) -> export.Network:
    """Every variable random, BatchNorm's running statistics too, so that none can be left out."""
    module = models.build(model)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), False))
    generator = np.random.default_rng(0)

    def draw(path: Any, leaf: Any) -> np.ndarray:
        match path[-1].key:
            case "kernel":
                values = generator.normal(size=leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
            case "scale" | "var" | "norm":
                values = generator.uniform(0.5, 1.0, leaf.shape)
            case _:
                values = generator.normal(size=leaf.shape) / 10
        return values.astype(np.float32)

    variables = {"batch_stats": {}, **jax.tree_util.tree_map_with_path(draw, shapes)}
    return export.Network(Run(model=model), variables, "random")


@needs_onnx
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_ours_for_any_number_of_images(name: str, tmp_path: Path):
    import onnx

    given, path = network(NETWORKS[name]), tmp_path / "network.onnx"
    assert export.export(given, path) <= export.TOLERANCE
    for count in (1, 5):
        images = np.random.default_rng(count).normal(size=(count, 32, 32, 3)).astype(np.float32)
        expected = models.build(given.run.model).apply(given.variables, images, False)
        assert np.ptp(np.asarray(expected)) > 0.1
        np.testing.assert_allclose(export.logits(path.read_bytes(), images), expected, rtol=0, atol=1e-4)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    kernels = roles(given.run.model).kernels
    whitening = isinstance(given.run.model, config.WhitenedCNN)
    assert kinds.count("Conv") == sum("conv" in kernel for kernel in kernels) + whitening
    assert kinds.count("Gemm") == sum("conv" not in kernel for kernel in kernels)
    norms = [item for item in jax.tree_util.tree_leaves_with_path(given.variables) if item[0][-1].key == "var"]
    assert kinds.count("BatchNormalization") == len(norms)
    assert "Dropout" not in kinds
    sides = [
        (value.name, [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim])
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert sides == [("images", ["N", 32, 32, 3]), ("logits", ["N", 10])]


@needs_onnx
def test_a_finished_run_keeps_its_accuracy(small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import onnx

    found = jaxcifar.train(small_run, tmp_path / "run")
    assert main(["export", str(tmp_path / "run")]) == 0
    assert "small, seed 0, step 16" in capsys.readouterr().out
    path = tmp_path / "run" / "network.onnx"
    images = data.load(small_run.data)
    described = {item.key: item.value for item in onnx.load(path).metadata_props}
    mean, deviation = (
        np.array(ast.literal_eval(text), np.float32) for text in re.findall(r"\([\d., ]+\)", described["images"])
    )
    logits = export.logits(path.read_bytes(), (images.test_images / np.float32(255) - mean) / deviation)
    accuracy = np.mean(logits.argmax(1) == images.test_labels)
    assert accuracy == pytest.approx(found.summary["last"]["test_accuracy"])
    assert main(["export", str(tmp_path / "run")]) == 2
    assert "exists already" in capsys.readouterr().err


@needs_onnx
def test_a_moving_average_is_what_is_written(small_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = dataclasses.replace(small_run, average=config.EMA(decay=0.9))
    found = jaxcifar.train(run, tmp_path / "run")
    assert main(["export", str(tmp_path / "run")]) == 0
    assert "moving average" in capsys.readouterr().out
    dataset = data.load(run.data)
    mean, deviation = (np.array(values, np.float32) for values in data.statistics(run.data))
    images = (dataset.test_images / np.float32(255) - mean) / deviation
    answers = export.logits((tmp_path / "run" / "network.onnx").read_bytes(), images).argmax(1)
    assert np.mean(answers == dataset.test_labels) == pytest.approx(found.summary["last"]["test_accuracy_ema"])


@needs_onnx
def test_a_config_file_with_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "new" / "light.onnx"
    flags = ["--out", str(out), "--model.norm", "none", "--seed", "3"]
    assert main(["export", str(CONFIGS / "vgg_a_light.py"), *flags]) == 0
    assert "vgg_a_light, untrained, seed 3" in capsys.readouterr().out
    assert out.is_file()


@needs_onnx
def test_slips_are_one_sentence_and_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    begin_records(tmp_path / "begun", Run())
    cases = {
        str(tmp_path / "absent"): "neither a run's folder",
        str(CONFIGS / "vgg_family.py"): "holds several runs",
        str(tmp_path / "begun"): "holds no whole checkpoint",
    }
    for source, says in cases.items():
        assert main(["export", source, "--out", str(tmp_path / "x.onnx")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("Error: ")
        assert error.count("\n") == 1
        assert says in error
    assert main(["export", str(tmp_path / "begun"), "--seed", "3"]) == 2
    assert "'--seed'" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.onnx"))


@needs_onnx
def test_a_network_of_nan_is_refused(tmp_path: Path):
    given = network(NETWORKS["light"])
    given.variables["params"]["output"]["bias"][3] = np.nan
    with pytest.raises(UserError, match="not finite"):
        export.export(given, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not MISSING, reason="the extra onnx is installed")
def test_the_missing_extra_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", str(CONFIGS / "cnn.py"), "--out", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err
    assert "pip install -e '.[onnx]'" in error
    assert error.count("\n") == 1


def test_an_untrained_network_has_the_weights_with_which_training_starts(tmp_path: Path):
    model = "WhitenedCNN(widths=(4, 6, 6))"
    images = 'Data(source="shapes", train_size=200, test_size=10)'
    file = tmp_path / "whitened.py"
    file.write_text(
        "from jaxcifar.config import Data, Run, WhitenedCNN\n\n\n"
        f"def get_config():\n    return Run(model={model}, data={images})\n"
    )
    given = export.read(file, [], print)
    images = data.load(given.run.data).train_images
    start = jax.jit(lambda images: create(given.run, hyperparams(given.run), images))(images)
    expected = {"params": start.params, "batch_stats": start.batch_stats}
    jax.tree.map(np.testing.assert_array_equal, given.variables, expected)
