"""The computed time of a paper on many GPUs."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jaxcifar.config import CNN, VGG, Data, Run

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
scale = importlib.import_module("scale")

SPEED = scale.Speed(training=1e12, exact=1e11, per_layer=0.0)
RUN = Run(model=CNN(), data=Data(source="shapes", train_size=1024, test_size=128), epochs=2, batch_size=32)


def test_a_node_compiles_a_program_once():
    seconds, seeds = SPEED.seconds(RUN), [replace(RUN, seed=seed) for seed in range(4)]
    took, trained = scale.schedule(seeds, SPEED, gpus=1)
    assert took == pytest.approx(4 * (scale.START + seconds) + scale.COMPILE)
    assert trained == pytest.approx(4 * seconds)
    # Two nodes of one GPU each would compile it twice; here both GPUs are of one node.
    assert scale.schedule(seeds[:2], SPEED, gpus=2)[0] == pytest.approx(scale.START + seconds + scale.COMPILE)
    other = replace(RUN, model=VGG(form="light"))
    both = scale.schedule([RUN, other], SPEED, gpus=1)[0]
    assert both == pytest.approx(2 * (scale.START + scale.COMPILE) + seconds + SPEED.seconds(other))


def test_a_small_batch_takes_the_time_of_its_kernels():
    tiny = replace(RUN, batch_size=4)
    assert scale.Speed(1e18, 1e18, 0.0).seconds(tiny) == pytest.approx(scale.SMALL_STEP * 2 * 1024 / 4)


def test_checkpoints_are_written_once_a_minute_and_at_the_end():
    count, size = scale.saves(RUN, 150.0)
    assert count == 3
    assert size > 0
