"""A process's switches, device and caches, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from jaxcifar.config import Run
from jaxcifar.training import state
from jaxcifar.training.optimizers import hyperparams

ROOT = Path(__file__).parent.parent.parent
CONFIGURE = """
import jax
from jaxcifar.errors import UserError
from jaxcifar.training import runtime
try:
    runtime.configure()
    print("cache", jax.config.values["jax_compilation_cache_dir"])
except UserError as error:
    print(error)
"""


def configure(*without: str, **variables: str) -> str:
    bare = {name: value for name, value in os.environ.items() if name not in (*without, "JAX_COMPILATION_CACHE_DIR")}
    environment = {**bare, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", CONFIGURE], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_ENABLE_X64", "1"),
        ("JAX_DISABLE_JIT", "1"),
        ("JAX_NUMPY_RANK_PROMOTION", "raise"),
        ("JAX_TRANSFER_GUARD", "disallow"),
        ("JAX_THREEFRY_PARTITIONABLE", "0"),
    ],
)
def test_a_switch_that_training_cannot_have_is_named(name: str, value: str):
    said = configure(**{name: value})
    assert said.startswith(f"JAX's switch {name.lower()} is ")
    assert f"unset {name}" in said


@pytest.mark.parametrize("platform", ["cuda", "tpu", "nonsense"])
def test_a_device_that_is_not_there_is_named(platform: str):
    if platform == jax.default_backend():
        pytest.skip("it is there")
    said = configure(JAX_PLATFORMS=platform)
    assert said.startswith(f"JAX finds no device with JAX_PLATFORMS={platform}")
    assert said.count("\n") == 0


def test_the_cache_is_in_the_users_folder_or_nowhere():
    assert configure(XDG_CACHE_HOME="/mine") == "cache /mine/jaxcifar/compiled"
    assert configure("XDG_CACHE_HOME", HOME="/home/me") == "cache /home/me/.cache/jaxcifar/compiled"
    assert configure(XDG_CACHE_HOME="relative") == "cache None"


def test_random_numbers_do_not_depend_on_jax_s_default_generator(small_run: Run):
    key = state.key(hyperparams(small_run), "order", 3)
    with jax.default_prng_impl("rbg"):
        other = state.key(hyperparams(small_run), "order", 3)
    assert jax.random.key_impl(key) == jax.random.key_impl(other)
    assert (jax.random.key_data(key) == jax.random.key_data(other)).all()
