"""Every config file of the project, shrunk, trains two steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import jaxcifar
from jaxcifar import config
from jaxcifar.config import CNN, VGG, ResNet, Run, WhitenedCNN

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))


def shrunk(run: Run) -> Run:
    """Return a run of the same form with few channels, few layers, two batches of two images and one epoch.

    What was written stays; that the deep ResNets have their exact parameters is tests/models/test_build.py's.
    """
    match run.model:
        case CNN():
            model = dataclasses.replace(run.model, widths=(2,) * len(run.model.widths), head=(4,) * len(run.model.head))
        case ResNet():
            model = dataclasses.replace(run.model, width=2, depth=18 if run.model.depth < 50 else 50)
        case VGG():
            model = dataclasses.replace(run.model, width=2)
        case WhitenedCNN():
            model = dataclasses.replace(run.model, widths=(2, 2, 2))
    data = dataclasses.replace(run.data, source="shapes", dir=None, train_size=4, test_size=2, holdout=0)
    checkpoint = dataclasses.replace(run.checkpoint, snapshots=())
    return dataclasses.replace(run, model=model, data=data, epochs=1, batch_size=2, checkpoint=checkpoint)


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_two_steps(path: Path, tmp_path: Path):
    loaded = config.load(path)
    if not isinstance(loaded, Run | config.Study):
        pytest.skip("a list of other config files, each of which is trained here by itself")
    run = shrunk(loaded if isinstance(loaded, Run) else loaded.base)
    found = jaxcifar.train(run, tmp_path)
    assert found.status in ("finished", "diverged")
    assert found.steps["loss"].shape == (2,)
    assert np.isfinite(found.steps["loss"][0])
