"""The compiled step: what it must not do."""

from __future__ import annotations

import re

import jax
import pytest

from jaxcifar import data
from jaxcifar.config import CNN, SGD, VGG, Adam, Data, Model, Optimizer, Run
from jaxcifar.training import program, sharding
from jaxcifar.training.chunk import ChunkLength
from jaxcifar.training.optimizers import hyperparams

SMALL = Data(source="shapes", train_size=64, test_size=16)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="copies are decided by the platform's compiler")
@pytest.mark.parametrize(
    ("model", "optimizer", "layer"),
    [
        (CNN(widths=(4, 4), head=(97, 8)), SGD(learning_rate=0.1, momentum=0.9), "linear1"),
        (VGG(form="light", norm="batch"), Adam(learning_rate=1e-3), "linear1"),
    ],
    ids=["cnn", "vgg"],
)
def test_parameters_are_updated_in_place(model: Model, optimizer: Optimizer, layer: str):
    """No copy of a large kernel is made in the loop over steps."""
    run = Run(model=model, optimizer=optimizer, data=SMALL, batch_size=4)
    dataset = data.load(SMALL)
    split = dataset.train_images, dataset.train_labels
    built = program.build(run, 64, 16, sharding.make_mesh(1, 4), stacked=False)
    values = hyperparams(run)
    state = built.create(values, split[0])
    order = built.order(values, 0)
    lowered = jax.jit(built.chunk, donate_argnums=1).lower(values, state, split, order, jax.numpy.array([0, 1]))
    shape = ",".join(map(str, state.params[layer]["kernel"].shape))
    text = lowered.compile().as_text()
    assert f"f32[{shape}]" in text
    assert not re.findall(rf"f32\[{shape}\]\S* copy\(.*", text)


def test_a_chunk_grows_to_a_second_for_each_program():
    alone, four = ChunkLength(1000), ChunkLength(1000, programs=4)
    for _ in range(5):
        alone.took(alone.steps, 0.01 * alone.steps)
        four.took(four.steps, 0.04 * four.steps)
    assert (alone.steps, four.steps) == (100, 100)
    many = ChunkLength(1000, programs=16)
    for _ in range(5):
        many.took(many.steps, 0.16 * many.steps)
    assert many.steps == 25
    alone.took(1, 0.0)
    assert alone.steps == 800
    alone.took(800, 1e4)
    assert alone.steps == 1
