"""Two simulated devices train what one trains: a batch cut in two, members shared by `map` and by `vmap`."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcifar import data
from jaxcifar.config import Run, Vectorize
from jaxcifar.config.stored import read_records
from jaxcifar.training import Member, interrupt, train_members
from jaxcifar.training.progress import PlainProgress

pytestmark = pytest.mark.slow

FORMS: dict[str, tuple[Vectorize, int]] = {
    "batch": ("off", 1),
    "odd": ("map", 3),
    "even": ("map", 2),
    "axis": ("vmap", 2),
}


def fit(runs: list[Run], folder: Path, vectorize: Vectorize) -> None:
    members = [Member(run, folder / str(run.seed)) for run in runs]
    train_members(members, data.load(runs[0].data), vectorize, PlainProgress(), interrupt.Stop())


def main(folder: Path) -> None:
    assert jax.local_device_count() == 2
    runs = [read_records(folder / "one" / str(seed)).config for seed in range(3)]
    for name, (vectorize, members) in FORMS.items():
        fit([run for run in runs[:members] if run], folder / name, vectorize)
    fit([dataclasses.replace(run, batch_size=31) for run in runs[:1] if run], folder / "idle", "off")


@pytest.fixture(scope="module")
def trained(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    for seed in range(3):
        fit([dataclasses.replace(small_run, epochs=1, seed=seed)], folder / "one", "off")
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    with open(folder / "said.txt", "w") as said:
        command = [sys.executable, __file__, str(folder)]
        subprocess.run(command, check=True, stderr=said, env={**os.environ, "XLA_FLAGS": flags})
    return folder


@pytest.mark.parametrize("name", FORMS)
def test_two_devices_train_what_one_trains(trained: Path, name: str):
    for seed in range(FORMS[name][1]):
        found, alone = read_records(trained / name / str(seed)), read_records(trained / "one" / str(seed))
        device = found.environment["device"]
        assert (found.status, device["count"], device["used"]) == ("finished", 2, 2)
        np.testing.assert_allclose(found.steps["loss"], alone.steps["loss"], rtol=1e-4)
        assert abs(found.metrics[-1]["test_accuracy"] - alone.metrics[-1]["test_accuracy"]) <= 0.01


def test_devices_that_stay_idle_are_told_and_recorded(trained: Path):
    assert read_records(trained / "idle" / "0").environment["device"]["used"] == 1
    assert (trained / "said.txt").read_text().count(
        "A batch of 31 cannot be cut into 2 equal parts, so 1 of 2 devices stay idle; give a --batch-size that is a "
        "multiple of 2.\n"
    ) == 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
