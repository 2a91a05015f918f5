"""Real processes, killed at random moments, and a disk that is really full."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from jaxcifar import records
from jaxcifar.config.stored import read_records
from jaxcifar.training.checkpoint import sound_steps

pytestmark = pytest.mark.slow

CONFIG = '''"""A run of a few seconds that saves at every chance."""
from jaxcifar.config import CNN, Adam, Checkpoint, Data, Run

def get_config():
    return Run(
        name="small",
        model=CNN(widths=(4,), head=(8,), dropout=0.1),
        data=Data(source="shapes", train_size=256, test_size=50, crop=2, flip="random"),
        optimizer=Adam(),
        epochs=60,
        batch_size=32,
        checkpoint=Checkpoint(every_seconds=0.0),
    )
'''
KILLS = 10


def command(config: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "jaxcifar.cli", "run", "--config", str(config), "--out", str(out)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without a break."""
    out = tmp_path_factory.mktemp("whole")
    subprocess.run(command(config, out), check=True, capture_output=True, timeout=300)
    return out


def kill_after(process: subprocess.Popen, number: int, epochs: int, seconds: float) -> None:
    """Sends a signal shortly after the process has shown a number of epochs, if it is still running."""
    assert process.stderr is not None
    for _ in range(epochs):
        if not process.stderr.readline():
            break
    timer = threading.Timer(seconds, process.send_signal, [number])
    timer.start()
    process.communicate(timeout=300)
    timer.cancel()


def assert_same(a: Path, b: Path) -> None:
    """Parameters, steps.npz, and metrics.jsonl less its two time fields."""
    first, second = read_records(a), read_records(b)
    times = ("seconds", "images_per_second")
    rows = [[{k: v for k, v in row.items() if k not in times} for row in found.metrics] for found in (first, second)]
    assert rows[0] == rows[1]
    assert first.steps.keys() == second.steps.keys()
    for name in first.steps:
        np.testing.assert_array_equal(first.steps[name], second.steps[name])
    last = max(sound_steps(a, print))
    assert last == max(sound_steps(b, print))
    for one, two in zip(*(_arrays(folder, last) for folder in (a, b)), strict=True):
        np.testing.assert_array_equal(one, two)


def _arrays(folder: Path, step: int) -> list[np.ndarray]:
    import jax
    import orbax.checkpoint as ocp

    path = (folder / "checkpoints" / str(step) / "default").absolute()
    return jax.tree.leaves(ocp.StandardCheckpointer().restore(path))


def test_killed_at_random_moments_it_ends_as_if_it_never_was(config: Path, whole: Path, tmp_path: Path):
    draw = random.Random(20)
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(command(config, tmp_path), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        kill_after(process, signal.SIGKILL, draw.randint(0, 5), draw.uniform(0.0, 0.3))
        if process.returncode != -signal.SIGKILL:
            break
        kills += 1
        assert not records.is_complete(tmp_path)
    subprocess.run(command(config, tmp_path), check=True, capture_output=True, timeout=300)
    assert kills == KILLS
    assert_same(whole, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_asked_to_stop_it_saves_and_says_so(config: Path, whole: Path, tmp_path: Path, number: int):
    process = subprocess.Popen(command(config, tmp_path), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert "was stopped at step" in said
    assert "Traceback" not in said
    assert read_records(tmp_path).status == "interrupted"
    subprocess.run(command(config, tmp_path), check=True, capture_output=True, timeout=300)
    assert_same(whole, tmp_path)


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A file system of 3 MiB, where this process may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_full_disk_ends_with_a_sentence_and_resumes_once_there_is_room(
    config: Path, whole: Path, tiny_disk: Path, lines: int
):
    """Fill the disk at the start, or once the process has printed a number of lines."""
    out = tiny_disk / "out"
    out.mkdir()
    filler = None if lines else fill(tiny_disk)
    process = subprocess.Popen(command(config, out), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    told = [process.stderr.readline() for _ in range(lines)]
    filler = filler or fill(tiny_disk)
    said = "".join(told) + process.communicate(timeout=300)[1]
    assert process.returncode == 2, said
    assert "make room" in said
    assert "Traceback" not in said
    filler.unlink()
    subprocess.run(command(config, out), check=True, capture_output=True, timeout=300)
    assert_same(whole, out)
