"""The free memory that Lanczos asks for before it starts."""

import sys

import jax.numpy as jnp
import psutil

from jaxcifar import landscape
from jaxcifar.landscape import memory


def test_free_memory_is_what_the_system_has_available():
    free = memory.available_memory()
    assert free is not None
    assert 0 < free <= psutil.virtual_memory().total


def test_without_psutil_nothing_is_known_and_nothing_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert memory.available_memory() is None
    memory.require_memory({"w": jnp.ones(10)}, 10**13, None)


def test_python_numbers_count_as_float32():
    assert landscape.lanczos_memory({"w": 1.0, "b": jnp.ones(9, jnp.bfloat16)}, 2) == 80
