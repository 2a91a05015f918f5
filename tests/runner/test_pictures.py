"""Data for pictures, compared with known facts of the networks."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcifar import records
from jaxcifar.config import CNN, Checkpoint, Data, Run, Study, Variant
from jaxcifar.data import load, normalize
from jaxcifar.models import build
from jaxcifar.records import pictures
from jaxcifar.runner import networks, residual_blocks
from jaxcifar.runner.execute import execute
from jaxcifar.runner.samples import samples
from jaxcifar.training.losses import per_example

IMAGENET = {"18": (1.814, 11_689_512), "34": (3.664, 21_797_672), "50": (4.089, 25_557_032)}
"""Multiply-adds in 1e9 and parameters of the networks as PyTorch has them."""


@pytest.fixture(scope="module")
def tables():
    return residual_blocks.tables()


@pytest.mark.slow
@pytest.mark.parametrize("depth", IMAGENET)
def test_the_imagenet_form_is_the_published_one(tables, depth):
    table = tables["imagenet"][depth]
    assert (round(table["multiply_adds"] / 1e9, 3), table["parameters"]) == IMAGENET[depth]
    assert table["conv1"] == {"side": 112, "channels": 64, "kernel": 7}
    assert [stage["side"] for stage in table["stages"].values()] == [56, 28, 14, 7]


@pytest.mark.slow
def test_the_cifar_form(tables):
    table = tables["cifar"]["50"]
    assert table["parameters"] == 23_520_842
    assert table["stages"]["conv4_x"] == {"blocks": 6, "side": 8, "kernels": [[1, 256], [3, 256], [1, 1024]]}


def test_a_stage_of_blocks_adds_each_block_to_its_input():
    nodes = residual_blocks.graph(34, stage=1, blocks=3)
    additions = [node for node in nodes if node["kind"] == "add"]
    assert len(additions) == 3
    kinds = [[nodes[source]["kind"] for source in node["inputs"]] for node in additions]
    assert kinds == [["norm", "input"], ["norm", "activation"], ["norm", "activation"]]
    assert nodes[0]["shape"] == [32, 32, 64]


def test_a_projection_stands_where_the_shape_changes():
    nodes = residual_blocks.graph(18, stage=2, blocks=1)
    (addition,) = [node for node in nodes if node["kind"] == "add"]
    shortcut = nodes[addition["inputs"][1]]
    assert (shortcut["label"], nodes[shortcut["inputs"][0]]["label"]) == ("BatchNorm", "1×1 conv, 128, stride 2")


def test_samples_are_of_their_class():
    dataset = load(Data(source="shapes", train_size=300, test_size=10))
    sheet = samples(dataset)
    assert sheet["images"].shape == (10, 10, 32, 32, 3)
    for label in range(10):
        own = dataset.train_images[dataset.train_labels == label]
        assert any(np.array_equal(sheet["images"][label, 0], image) for image in own)


@pytest.mark.slow
def test_a_study_leaves_gradients_and_features(tmp_path: Path):
    data = Data(source="shapes", train_size=64, test_size=10)
    base = Run(
        model=CNN(widths=(3,), head=(8,)), data=data, epochs=1, batch_size=32, checkpoint=Checkpoint(snapshots=(0, 1))
    )
    study = Study("views", base, (Variant("a"),), pictures=("gradients", "features"))
    execute(study, tmp_path)
    folder = tmp_path / "a" / "seed-0"
    run = Run(**{**vars(base), "name": "a"})
    dataset = load(data)
    measured = pictures.read_gradients(folder)
    assert list(measured) == [0, 1]
    state = networks.restore(run, folder, 2)
    images, labels = normalize(jnp.asarray(dataset.train_images), data), jnp.asarray(dataset.train_labels)

    def mean_loss(params):
        logits = build(run.model).apply({"params": params}, images, True)
        return per_example(run.loss, logits, labels, 0.0).mean()

    gradient = jax.grad(mean_loss)(state.params)
    for layer in ("conv1", "linear1", "output"):
        assert measured[1][layer] == pytest.approx(float(jnp.linalg.norm(gradient[layer]["kernel"])), rel=1e-4)
    # Damaged norms are measured again.
    path = folder / pictures.GRADIENTS
    whole = path.read_text()
    path.write_text(whole.replace('"batch": 128', '"batch": 129'))
    execute(study, tmp_path)
    assert path.read_text() == whole
    features = records.read_arrays(folder / pictures.FEATURES)
    assert np.array_equal(features["filters"], state.params["conv1"]["kernel"])
    assert features["map/conv1"].shape == (32, 32, 3)
