"""A small CIFAR-10: the official layout, 100 images a batch."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest

from jaxcifar.data.formats import BATCHES

ROWS = 100


@pytest.fixture(scope="session")
def batches():
    """Records uint8 [ROWS, 3073] by name: label first, then the red, green and blue planes."""
    generator = np.random.default_rng(0)
    found = {name: generator.integers(0, 256, (ROWS, 3073), np.uint8) for name in BATCHES}
    for records in found.values():
        records[:, 0] %= 10
    return found


@pytest.fixture(scope="session")
def images(batches):
    """What the batches mean: uint8 [6 ROWS, 32, 32, 3], pixel by pixel."""
    records = np.concatenate([batches[name] for name in BATCHES])
    meant = np.empty((6 * ROWS, 32, 32, 3), np.uint8)
    for y in range(32):
        for x in range(32):
            for channel in range(3):
                meant[:, y, x, channel] = records[:, 1 + 1024 * channel + 32 * y + x]
    return meant


@pytest.fixture(scope="session")
def labels(batches):
    return np.concatenate([batches[name][:, 0] for name in BATCHES]).astype(np.int32)


@pytest.fixture(scope="session")
def binary_folder(batches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("binary") / "cifar-10-batches-bin"
    folder.mkdir()
    for name, records in batches.items():
        records.tofile(folder / f"{name}.bin")
    return folder


@pytest.fixture(scope="session")
def archive(binary_folder):
    path = binary_folder.parent / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(binary_folder, binary_folder.name)
    return path


class Notices(list):
    """What was told the user."""

    __call__ = list.append


@pytest.fixture
def notices():
    return Notices()
