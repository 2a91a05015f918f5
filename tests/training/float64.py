"""Trains twenty steps in float64 on any number of processes, and writes the parameters: run by `test_processes.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxcifar import data
from jaxcifar.config import CNN, SGD, VGG, Data, Model, ResNet, Run
from jaxcifar.training.group import Group
from jaxcifar.training.rendezvous import joined, place

NETWORKS: dict[str, Model] = {
    "cnn": CNN(widths=(8, 16), head=(32,), dropout=0.0),
    "vgg": VGG(form="light", norm="batch"),
    "resnet": ResNet(width=8),
}
STEPS, BATCH = 20, 32


def final(model: Model) -> dict[str, np.ndarray]:
    """The parameters after twenty steps, by path."""
    images = Data(source="shapes", train_size=STEPS * BATCH, test_size=BATCH, crop=0)
    run = Run(model=model, optimizer=SGD(learning_rate=0.01, momentum=0.9), data=images, epochs=1, batch_size=BATCH)
    found = data.load(run.data)
    train, test = (found.train_images, found.train_labels), (found.test_images, found.test_labels)
    group = Group([run], train, test, STEPS, "off")
    group.create()
    group.load([jax.tree.map(in_float64, state) for state in group.states()])
    # Runs are compiled for float32 only, so the training program is compiled here.
    (part,) = group._parts
    part.devices.chunk = jax.jit(part.devices.program.chunk)
    group.train(0, STEPS, 0)
    return {path: np.asarray(leaf) for path, leaf in flatten_dict(group.states()[0].params, sep="/").items()}


def in_float64(leaf: np.ndarray) -> np.ndarray:
    return np.asarray(leaf, np.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def main(out: Path, coordinator: str = "", count: int = 1, index: int = 0) -> None:
    jax.config.update("jax_enable_x64", True)
    with joined(place(coordinator, count, index) if coordinator else None, dict):
        for name, model in NETWORKS.items():
            arrays = final(model)
            assert all(array.dtype == np.float64 for array in arrays.values())
            if index == 0:
                np.savez(out / f"{name}.npz", **{path.replace("/", "."): array for path, array in arrays.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:]))
