"""A device or a machine without memory is told in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcifar.errors import UserError, memory_errors_told

SMALL_MACHINE = """
import resource, sys
import psutil
from jaxcifar import cli
from jaxcifar.training import runtime
import jax

jax.block_until_ready(jax.numpy.ones(1) + 1)
runtime.configure()
room = psutil.Process().memory_info().vms + (2 << 30)
resource.setrlimit(resource.RLIMIT_AS, (room, room))
sys.exit(cli.main(sys.argv[1:]))
"""
FLAGS = "--data.source shapes --data.train-size 4096 --data.test-size 64 --batch-size 4096 --epochs 1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory that a process may ask for")
def test_a_command_on_a_machine_with_little_memory(tmp_path: Path):
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    words = ["run", "cnn", *FLAGS.split(), "--model.widths", "512", "--model.head", "8", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", SMALL_MACHINE, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    said = (
        r"Error: The device has no memory left \([\d.]+ GiB were asked for\); end other processes that use it and .*\."
    )
    assert re.fullmatch(said, done.stderr.splitlines()[-1]), done.stderr


SAID = {
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2.82GiB with allocator GPU_0_bfc": "2.82 GiB",
    "RESOURCE_EXHAUSTED: Out of memory allocating 3600000000 bytes.": "3.35 GiB",
    "RESOURCE_EXHAUSTED: Failed to allocate request for 512.5MiB (537395200B) on device ordinal 0": "512.5 MiB",
    "RESOURCE_EXHAUSTED: Allocation failed": None,
    "NOT_FOUND: All configs failed during profiling": None,
    "INTERNAL: failed to call cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory": None,
}


@pytest.mark.parametrize("said", SAID)
def test_a_device_without_memory_is_one_sentence(said: str):
    asked = f" ({SAID[said]} were asked for)" if SAID[said] else ""
    sentence = f"^The device has no memory left{re.escape(asked)}; end other .*--batch-size"
    with pytest.raises(UserError, match=sentence), memory_errors_told():
        raise jax.errors.JaxRuntimeError(said)


def test_it_is_found_behind_another_error():
    group = ExceptionGroup("while closing", [ValueError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no memory")])
    with pytest.raises(UserError, match="The device has no memory left"), memory_errors_told():
        raise RuntimeError from group


def test_an_array_that_does_not_fit_into_the_machine():
    with pytest.raises(UserError, match=r"The machine has no memory left \(.* were asked for\)"), memory_errors_told():
        np.zeros(2**62, np.uint8)


def test_other_errors_of_a_device_stay():
    with pytest.raises(jax.errors.JaxRuntimeError), memory_errors_told():
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: shapes differ")
