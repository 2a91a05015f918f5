"""One run over several real processes, which meet on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxcifar.config.stored import read_records
from jaxcifar.training.channel import GRACE_SECONDS, SILENCE_SECONDS, free_port

pytestmark = pytest.mark.slow

CONFIG = """
from jaxcifar.config import CNN, Checkpoint, Data, Run, Study, Variant


def get_config() -> Study:
    return Study(
        "rates",
        Run(
            model=CNN(widths=(4, 8), head=(16,)),
            data=Data(source="shapes", train_size=256, test_size=100),
            epochs=20,
            batch_size=32,
            checkpoint=Checkpoint(every_seconds=0.0),
        ),
        (Variant("one"),),
        sweep={"optimizer.learning_rate": (1e-3, 2e-3, 4e-3)},
    )
"""
RUNS = tuple(f"one-learning-rate-{rate}/seed-0" for rate in (0.001, 0.002, 0.004))
FLOAT64 = str(Path(__file__).with_name("float64.py"))
LIMIT = SILENCE_SECONDS + 3 * GRACE_SECONDS
"""Seconds, with room for a machine that is busy."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "rates.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def alone(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process with one device trains."""
    out = tmp_path_factory.mktemp("alone")
    said(start(1, command(config, out)))
    return out


def command(config: Path, out: Path, *flags: str) -> list[str]:
    return ["-m", "jaxcifar", "run", "--config", str(config), "--out", str(out), *flags]


def start(devices: int, arguments: list[str]) -> subprocess.Popen[str]:
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags}
    return subprocess.Popen([sys.executable, *arguments], stdout=-1, stderr=-1, text=True, env=environment)


def start_together(count: int, devices: int, arguments: list[str]) -> list[subprocess.Popen[str]]:
    place = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", str(count)]
    return [start(devices, [*arguments, *place, "--process", str(index)]) for index in range(count)]


def said(process: subprocess.Popen[str], code: int = 0, seconds: float = 300.0) -> str:
    """Return the output of a process, without the lines of the library that connects CPUs."""
    lines = "".join(process.communicate(timeout=seconds)).splitlines()
    # Its threads write at once, so a line may be cut in two.
    text = "\n".join(line for line in lines if "[Gloo]" not in line and "peer ranks" not in line)
    assert process.returncode == code, text
    assert "Traceback" not in text
    return text


def assert_alike(out: Path, alone: Path, devices: int, processes: int) -> None:
    for name in RUNS:
        found, expected = read_records(out / name), read_records(alone / name)
        assert (found.status, len(found.metrics)) == ("finished", 20)
        device = found.environment["device"]
        assert (device["used"], device["count"], device["processes"]) == (devices, devices, processes)
        np.testing.assert_allclose(found.steps["loss"][:3], expected.steps["loss"][:3], rtol=1e-6)
        np.testing.assert_allclose(found.steps["loss"], expected.steps["loss"], rtol=1e-3)


@pytest.mark.parametrize("vectorize", ["off", "map", "vmap"])
def test_two_processes_train_what_one_trains(vectorize: str, config: Path, alone: Path, tmp_path: Path):
    texts = [said(each) for each in start_together(2, 2, command(config, tmp_path, "--vectorize", vectorize))]
    assert_alike(tmp_path, alone, devices=4, processes=2)
    assert "Report:" in texts[0]
    assert texts[1] == ""


def test_processes_that_share_the_members_train_the_same_bits(config: Path, alone: Path, tmp_path: Path):
    for process in start_together(2, 1, command(config, tmp_path)):
        said(process)
    assert_alike(tmp_path, alone, devices=2, processes=2)
    for name in RUNS:
        found, expected = read_records(tmp_path / name), read_records(alone / name)
        np.testing.assert_array_equal(found.steps["loss"], expected.steps["loss"])
        assert [row["test_loss"] for row in found.metrics] == [row["test_loss"] for row in expected.metrics]


PAPER = """
from jaxcifar.config import CNN, Data, Paper, Run, Study, Variant
from jaxcifar.measures import Beta, GradientDistance


def get_config() -> Paper:
    base = Run(
        model=CNN(widths=(4,), head=(8,)),
        data=Data(source="shapes", train_size=64, test_size=20),
        epochs=1,
        batch_size=32,
        probes=(Beta(),),
    )
    rates = {"optimizer.learning_rate": (1e-3, 2e-3)}
    same = {"probes": (GradientDistance(),)}
    return Paper("both", (Study("one", base, sweep=rates), Study("two", base, (Variant("a", same),), sweep=rates)))
"""


def test_a_paper_with_equal_runs_of_other_measures(tmp_path: Path):
    config = tmp_path / "both.py"
    config.write_text(PAPER)
    for process in start_together(2, 1, command(config, tmp_path / "out")):
        said(process)
    (study,) = {path.parent.parent.parent.name for path in (tmp_path / "out").rglob("steps.npz")}
    found = [read_records(path.parent).steps for path in (tmp_path / "out" / study).rglob("steps.npz")]
    assert len(found) == 2
    assert all({"beta/same_batch", "gradient_distance/same_batch/last_linear"} <= set(steps) for steps in found)


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs Open MPI's mpirun")
def test_mpirun_starts_them(config: Path, alone: Path, tmp_path: Path):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    started = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2", sys.executable]
    arguments = command(config, tmp_path, "--coordinator", "auto")
    environment = {**os.environ, "XLA_FLAGS": flags}
    said(subprocess.Popen([*started, *arguments], stdout=-1, stderr=-1, text=True, env=environment))
    assert_alike(tmp_path, alone, devices=4, processes=2)


def saved(out: Path) -> int:
    """The newest step that was saved as a whole."""
    found = (out / RUNS[-1] / "checkpoints").glob("*/manifest.txt")
    return max((int(path.parent.name) for path in found), default=0)


def wait_for_save(out: Path) -> None:
    before, deadline = saved(out), time.monotonic() + 120
    while saved(out) == before and time.monotonic() < deadline:
        time.sleep(0.02)


def test_the_end_of_one_process_ends_all_and_other_numbers_continue(config: Path, alone: Path, tmp_path: Path):
    run = command(config, tmp_path)
    first, killed = start_together(2, 2, run)
    wait_for_save(tmp_path)
    killed.kill()
    text = said(first, 2, LIMIT)
    assert text.count("Error: Process 1 of 2 has ended, so all end; start all again with the same command") == 1

    four = start_together(4, 1, run)
    wait_for_save(tmp_path)
    four[3].send_signal(signal.SIGTERM)
    texts = [said(process, 128 + signal.SIGTERM, LIMIT) for process in four]
    assert "continues from step" in texts[0]
    assert f"was stopped at step {saved(tmp_path)} of 160 and saved" in texts[0]
    assert texts[1:] == ["", "", ""]

    killed, second = start_together(2, 2, run)
    wait_for_save(tmp_path)
    killed.kill()
    assert said(second, 2, LIMIT) == (
        "Error: Process 0 of 2 has ended, so all end; start all again with the same command to continue."
    )

    said(start(1, run))
    for name in RUNS:
        found = read_records(tmp_path / name)
        assert (found.status, [row["epoch"] for row in found.metrics]) == ("finished", [*range(1, 21)])
        assert [each["device"].get("processes", 1) for each in found.environment["history"]] == [2, 4, 2]
        np.testing.assert_allclose(found.steps["loss"], read_records(alone / name).steps["loss"], rtol=1e-3)


def test_other_flags_are_refused_on_each(config: Path, tmp_path: Path):
    place = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", "2"]
    both = [
        start(1, [*command(config, tmp_path / "out", "--epochs", str(3 - i)), *place, "--process", str(i)])
        for i in range(2)
    ]
    expected = "Error: Process 1 of 2 has other flags (--epochs 2) than process 0 (--epochs 3); give all the same."
    assert [said(process, 2) for process in both] == [expected] * 2
    assert not (tmp_path / "out").exists()


IN_PYTHON = """
import sys
import jax
import jaxcifar
from jaxcifar.config import Run, UserError

jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[3]))
try:
    jaxcifar.train(Run(), sys.argv[1])
except UserError as error:
    print(error)
"""


def test_train_is_refused_where_the_user_has_started_jax_distributed(tmp_path: Path):
    address = f"127.0.0.1:{free_port()}"
    both = [start(1, ["-c", IN_PYTHON, str(tmp_path / "out"), address, str(index)]) for index in range(2)]
    for process in both:
        assert "train(…) was called in one of 2 processes of jax.distributed; give each" in said(process)
    assert not (tmp_path / "out").exists()


def test_twenty_steps_in_float64_do_not_depend_on_processes_and_devices(tmp_path: Path):
    port, found = free_port(), {}
    for name in ("one", "eight", "two"):
        (tmp_path / name).mkdir()
    said(start(1, [FLOAT64, str(tmp_path / "one")]))
    said(start(8, [FLOAT64, str(tmp_path / "eight")]))
    both = [start(4, [FLOAT64, str(tmp_path / "two"), f"127.0.0.1:{port}", "2", str(i)]) for i in range(2)]
    for process in both:
        said(process)
    for network in ("cnn", "vgg", "resnet"):
        found = {name: np.load(tmp_path / name / f"{network}.npz") for name in ("one", "eight", "two")}
        for path, whole in found["one"].items():
            for name in ("eight", "two"):
                np.testing.assert_allclose(found[name][path], whole, rtol=1e-9, atol=1e-12, err_msg=f"{network} {path}")
