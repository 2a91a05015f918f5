"""A user's own measures, by the command line: arrays, figure and table, drawn again without the user's file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import text_of

from jaxcifar.cli import main
from jaxcifar.config.stored import read_records

OWN = """
from dataclasses import dataclass

from jaxcifar import landscape
from jaxcifar.config import CNN, Data, Run, Study
from jaxcifar.measures import Axis, Beta, Display, SnapshotMeasure, StepMeasure, series


@dataclass(frozen=True)
class WeightNorm(StepMeasure):
    def displays(self, layers):
        return (series("weight_norm", "Norm of the weights", short="‖w‖", unit="a unit", scale="log"),)

    def compute(self, step):
        return {RETURNED}


@dataclass(frozen=True)
class Sizes(SnapshotMeasure):
    name = "sizes"

    def displays(self):
        return (Display("sizes", "Size at snapshots", "The norm.", "points", (Axis("Size", ("size",)),)),)

    def compute(self, snapshots):
        return snapshots.each(lambda loss, state, key: {"size": landscape.tree_norm(state.params)})


def get_config():
    data = Data(source="shapes", train_size=64, test_size=20)
    model = CNN(widths=(4,), head=(8,))
    probes = (WeightNorm(every=2), Beta(), Sizes())
    return Study("mine", Run(model=model, data=data, epochs=2, batch_size=16, probes=probes))
"""
GOOD = '{"weight_norm": landscape.tree_norm(step.after)}'


def config(folder: Path, returned: str) -> str:
    path = folder / "mine.py"
    path.write_text(OWN.replace("{RETURNED}", returned))
    return str(path)


@pytest.mark.slow
def test_an_own_measure_is_recorded_drawn_and_tabled_and_needs_its_file_no_more(tmp_path: Path):
    out = tmp_path / "out"
    own = config(tmp_path, GOOD)
    assert main(["run", "--config", own, "--out", str(out)]) == 0
    assert main(["run", "--config", own, "--out", str(out)]) == 0  # it is finished
    Path(own).unlink()
    found = read_records(out)
    assert found.problems == ()
    norms = found.steps["weight_norm"]
    np.testing.assert_array_equal(np.isfinite(norms), np.arange(8) % 2 == 0)
    assert main(["report", str(out)]) == 0
    text = text_of(out / "report" / "index.html")
    assert "Norm of the weights" in text
    assert "‖w‖ (a unit)" in text
    assert "Size at snapshots" in text
    assert {"weight-norm", "sizes", "beta-same-batch"} <= {
        path.stem.partition("-")[2] for path in (out / "report" / "figures").glob("*.png")
    }
    stored = json.loads((out / "measures.json").read_text())
    assert stored["displays"][0]["title"] == "Norm of the weights"


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("{}", "WeightNorm computes nothing but announces weight_norm"),
        (
            '{"weight_norm": step.after["output"]["bias"]}',
            "computes weight_norm of the shape (10,); it must be",
        ),
        ('{"weight_norm": step.no_such_thing}', "WeightNorm fails with AttributeError"),
        ("7", "WeightNorm computes 7; compute() returns a dictionary"),
    ],
)
def test_slips_of_an_own_measure_are_told_before_training(
    returned: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["run", "--config", config(tmp_path, returned), "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out" / "steps.npz").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("short=", "shirt=", "The measure WeightNorm fails with TypeError"),
        ('"points"', '"bars"', "kind of the figure 'sizes' is 'bars'; allowed are series"),
        ('name = "sizes"', 'name = "../sizes"', "The measure Sizes has the name '../sizes', which names files"),
        ('name = "sizes"', 'name = "trace"', "The measure Sizes has the name 'trace', which is that of Trace"),
        ('{"size":', '{"length":', "Sizes computes length, but its figure 'sizes' shows size"),
    ],
)
def test_slips_of_an_own_measure_are_one_sentence(
    old: str, new: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    own = Path(config(tmp_path, GOOD))
    own.write_text(own.read_text().replace(old, new))
    assert main(["run", "--config", str(own), "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err


def test_flags_reach_the_measures_of_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["run", "--config", config(tmp_path, GOOD), "--out", str(tmp_path / "out"), "--epochs", "1"]
    assert main([*command, "--probes.0.every", "3", "--probes.1.batch", "cross_batch"]) == 0
    found = read_records(tmp_path / "out")
    np.testing.assert_array_equal(np.isfinite(found.steps["weight_norm"]), [True, False, False, True])
    assert "beta/cross_batch" in found.steps
    assert main(command) == 2
    assert "probes.0.every: 3 -> 2; probes.1.batch: 'cross_batch' -> 'same_batch'" in capsys.readouterr().err
