"""bfloat16 against float32: a quarter-width VGG-A + BatchNorm over 100 steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from bench_parts import Gap

SCRIPTS = Path(__file__).parents[2] / "scripts"
COMPARE = """
import dataclasses, json
from bench_parts import precision_gap
from jaxcifar.config import VGG, Adam, Data, Run
run = Run(model=VGG(width=16, norm="batch"), optimizer=Adam(), data=Data(source="shapes"), batch_size=32)
print(json.dumps(dataclasses.asdict(precision_gap(run))))
"""


@pytest.mark.slow
def test_bfloat16_stays_within_the_spread_of_float32_over_seeds():
    # A process of its own, because the other tests compile without optimisation, which takes longer to train.
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent)])
    done = subprocess.run([sys.executable, "-c", COMPARE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    gap = Gap(**json.loads(done.stdout.splitlines()[-1]))
    assert gap.within(), gap
    # Both learn, by more than the spread, and they do not compute the same.
    assert max(*gap.float32, *gap.bfloat16) < 2.2, gap
    assert all(difference != 0 for difference in gap.differences()), gap
