"""What every test shares: a compilation cache of its own, and a small run."""

from __future__ import annotations

import os

# Compiling is most of the work of small tests; unoptimised code computes the same.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"

import pytest

from jaxcifar.config import CNN, Data, Run


@pytest.fixture(scope="session", autouse=True)
def _own_compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Programs compiled by one test, or by a process that it starts, serve the next; the user's cache is left alone."""
    import jax

    # One folder for all workers of pytest-xdist.
    root = tmp_path_factory.getbasetemp()
    folder = str((root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "compiled")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@pytest.fixture(scope="session")
def small_run() -> Run:
    """A run of seconds: a narrow CNN on a few procedural images."""
    return Run(
        name="small",
        model=CNN(widths=(4, 8), head=(16, 16), dropout=0.1),
        data=Data(source="shapes", train_size=256, test_size=100, crop=2, flip="random"),
        epochs=2,
        batch_size=32,
    )
