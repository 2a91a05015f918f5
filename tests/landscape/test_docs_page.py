"""The lines that docs/landscape.md shows, run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

from jaxcifar import landscape

PAGE = Path(__file__).parents[2] / "docs" / "landscape.md"


@pytest.fixture(scope="module")
def shown():
    """The names that the page's code leaves behind."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names = {"__name__": "page"}
    exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
    return names


def test_the_measures_take_about_twenty_lines():
    block = PAGE.read_text(encoding="utf-8").split("The measures:\n\n```python\n")[1].split("```")[0]
    assert len(block.splitlines()) <= 20


@pytest.mark.slow
def test_the_page_measures_what_it_says(shown):
    loss, largest, lowest = shown["loss"], shown["largest"], shown["eigenvalues"].bottom.values[0]
    assert 0 < shown["residual"] < 1e-2 * largest
    assert 0 < shown["beta"] < 2 * max(largest, -lowest)
    np.testing.assert_allclose(np.max(shown["spectrum"].nodes, axis=1), np.full(4, largest), rtol=1e-2)
    np.testing.assert_allclose(shown["spectrum"].integral, 1, atol=1e-3)
    assert shown["plane"].losses.shape == (11, 11)
    np.testing.assert_allclose(shown["plane"].losses[5, 5], shown["path"].losses[-1], rtol=1e-5)
    np.testing.assert_allclose(shown["path"].losses, [loss(s) for s in shown["snapshots"]], rtol=1e-5)
    assert 0.5 < np.sum(shown["path"].explained) <= 1 + 1e-6
    assert len(shown["over_training"]) == len(shown["snapshots"])


def test_the_table_names_every_function():
    table = PAGE.read_text(encoding="utf-8").split("## The measures")[1].split("## What makes")[0]
    helpers = {"density_on_grid", "group_of_leaves", "hessian_operator", "lanczos_memory", "probe_step_sizes"}
    helpers |= {"noise_floor_from_gradients", "adam_preconditioner", "watch"}
    measures = {name for name in landscape.__all__ if name.islower() and not name.startswith("tree_")} - helpers
    named = set(re.findall(r"`(\w+)`", table))
    assert measures <= named
    assert {name for name in named if "_" in name} <= set(landscape.__all__)
