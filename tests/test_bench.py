"""The bench: small real measurements, and its answers to wrong arguments."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import bench
import bench_report
import bench_trees
from bench import turns
from bench_parts import Gap, forms
from bench_report import Comparison, Cost
from bench_worker import started, training

from jaxcifar.config import CNN, Run
from jaxcifar.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HAS_TORCH = importlib.util.find_spec("torch") is not None
DOCUMENT = (
    "before\n<!-- bench:cpu -->\nold\n<!-- /bench:cpu -->\n<!-- bench:gpu -->\nkept\n<!-- /bench:gpu -->\nafter\n"
)


def test_measures_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    figures, document = tmp_path / "bench.json", tmp_path / "performance.md"
    document.write_text(DOCUMENT)
    command = f"--networks cnn_batch4 --precision float32 --steps 5 --rounds 2 --json {figures} --write {document}"
    assert bench.main([*command.split(), *(["--against", "torch"] if HAS_TORCH else [])]) == 0

    report = json.loads(figures.read_text())
    platform = report["platform"]
    assert report["matrix_product_rate"] > 1e9
    [row] = report["rows"]
    assert (row["network"], row["batch_size"], report["precision"], row["steps"]) == ("cnn_batch4", 4, "float32", 10)
    assert row["extrapolated"]
    assert row["seconds_per_epoch"] == pytest.approx(12.5 * row["milliseconds_per_step"])
    assert row["images_per_second"] == pytest.approx(4000 / row["milliseconds_per_step"])
    assert row["cached_compile_seconds"] < row["compile_seconds"]
    assert 0 < row["share_of_matrix_product"] < 1
    assert row["peak_bytes"] > 50_000 * 3072
    if HAS_TORCH:
        assert row["torch"]["lowest"] <= row["torch"]["ratio"] <= row["torch"]["highest"]
    else:
        assert row["torch"] is None

    table = document.read_text().split(f"<!-- bench:{platform} -->")[1].split("<!--")[0]
    assert "| cnn_batch4 | 4 |" in table
    assert document.read_text().startswith("before\n")
    assert document.read_text().endswith("after\n")
    assert "cnn_batch4" in capsys.readouterr().out


def test_members_of_one_program_take_turns_with_a_single_run(tmp_path: Path):
    runs = [Run(model=CNN(widths=(2,), head=(4,)), batch_size=4, seed=seed) for seed in range(2)]
    with (
        started(training("jax", runs[:1]), tmp_path) as single,
        started(training("jax", runs, "map"), tmp_path) as program,
    ):
        found = turns(program, single, members=2, rounds=2, seconds=0.01)
    assert len(found) == 2
    assert all(ours > 0 and plain > 0 for ours, plain in found)


def test_a_cost_is_the_program_over_its_plain_steps():
    cost = Cost.of("4 members", 4, [(0.4, 0.1), (0.3, 0.1), (0.6, 0.1)])
    assert (cost.milliseconds, cost.plain_milliseconds) == pytest.approx((400, 100))
    assert (cost.ratio, cost.lowest, cost.highest) == pytest.approx((1, 0.75, 1.5))
    assert bench_report.cost_line(cost) == "4 members: 400 ms, ratio 1.00 (0.75–1.50)"


def test_trains_a_checkout_in_turn_with_itself(tmp_path: Path):
    found = bench_trees.compare(ROOT, "cnn", batch_size=4, steps=20, rounds=1, cache=tmp_path)
    assert found.milliseconds_per_step > 0
    assert found.lowest == found.ratio == found.highest > 0


def test_a_checkout_that_cannot_train_is_named(tmp_path: Path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/run.py").write_text("raise SystemExit('no such flag')")
    with pytest.raises(UserError, match=f"{tmp_path} could not train cnn: no such flag"):
        bench_trees.compare(tmp_path, "cnn", batch_size=4, steps=4, rounds=1, cache=tmp_path)


def test_ratios_of_checkouts_are_new_over_old():
    found = Comparison.of([(0.2, 0.1), (0.1, 0.1), (0.3, 0.2)])
    assert bench_report.trees_line("cnn", found) == "cnn: old 100 ms per step, new / old 1.50 (1.00–2.00)"


def test_a_difference_of_precisions_above_the_spread_of_seeds_is_found():
    assert Gap("shapes", (1.0, 1.2), (1.1, 1.1)).within()
    assert not Gap("shapes", (1.0, 1.2), (1.1, 1.41)).within()
    assert not Gap("shapes", (1.0, 1.2), (1.1, float("nan"))).within()


@pytest.mark.parametrize("layer", ["14x14x6", "2x2x512"])
def test_times_the_forms_of_a_convolution(layer: str, capsys: pytest.CaptureFixture[str]):
    forms(layer)
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "| layer | direction | lax.conv | winograd | small image | row tiles | patches |"
    assert [row.split(" | ")[1] for row in rows] == ["forward", "input gradient", "kernel gradient"]
    # The form that the layers choose was measured, and is the only bold one.
    assert all(len(re.findall(r"\*\*\d+\.\d\*\*", row)) == 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--networks cnn,vgg_b", "names 'vgg_b'; allowed are cnn, cnn_batch4"),
        ("--steps 1", "--steps x --rounds is 5; a time needs at least 10 steps"),
        ("--rounds 0", "--rounds is 0; it must be at least 1"),
        ("--batch-size 0", "--batch-size is 0; it must be at least 1"),
        ("--batch-size 50001", "--batch-size is 50001; it must be at most 50000"),
        ("--write nowhere.md", "'nowhere.md' must contain the line <!-- bench:cpu --> exactly once"),
        ("--json nowhere/bench.json", "--json 'nowhere/bench.json' cannot be written"),
        ("--old nowhere", "--old 'nowhere' has no scripts/run.py; give the folder of a checkout"),
        ("--old . --against torch", "--old cannot be combined with --against"),
    ],
)
def test_refuses_a_slip(arguments: str, message: str, capsys: pytest.CaptureFixture[str]):
    assert bench.main(arguments.split()) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", ["--against tensorflow", "--network cnn", "--steps many"])
def test_refuses_what_does_not_parse(arguments: str, capsys: pytest.CaptureFixture[str]):
    assert bench.main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert arguments.split()[0] in error


@pytest.mark.skipif(HAS_TORCH, reason="PyTorch is installed here")
def test_says_how_to_get_torch(capsys: pytest.CaptureFixture[str]):
    assert bench.main(["--against", "torch"]) == 2
    assert "pip install 'jaxcifar[parity]'" in capsys.readouterr().err
