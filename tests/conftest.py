"""What every test shares: a compilation cache that outlives a test, warnings of ours as errors, a small run."""

from __future__ import annotations

import pytest

from jaxcifar.config import CNN, Data, Run


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
