"""Plans: every study of the project, scaled runs, runs of equal config, costs."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flax import linen as nn

from jaxcifar.cli import main
from jaxcifar.config import (
    CNN,
    SGD,
    VGG,
    Adam,
    Checkpoint,
    Data,
    Model,
    Module,
    Paper,
    ResNet,
    Run,
    StepDecay,
    Study,
    UserError,
    Variant,
    load,
)
from jaxcifar.measures import (
    Beta,
    Density,
    FeatureRank,
    GradientDirection,
    GradientDistance,
    InputGradients,
    Plane,
    ResidualShare,
    Trace,
)
from jaxcifar.models import training_flops
from jaxcifar.runner.deduplicate import plan
from jaxcifar.runner.estimate import outline
from jaxcifar.runner.plan import make_plan, programs
from jaxcifar.runner.scale import scale_run
from jaxcifar.runner.speed import Rate, Speed
from jaxcifar.training.cost import cost_of
from jaxcifar.training.step import check_parts

CONFIGS = Path(__file__).parent.parent.parent / "configs"
STUDIES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "paper")


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_config_plans_one_epoch(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = CONFIGS / f"{name}.py"
    assert main(["run", "--config", str(path), "--out", str(tmp_path), "--plan", "--epochs", "1"]) == 0
    assert "In all" in capsys.readouterr().out
    assert all(item.run.epochs == 1 for study in plan(load(path, ["--epochs", "1"])) for item in study.runs)


@pytest.mark.slow
def test_the_papers_runs_are_planned_once():
    paper = load(CONFIGS / "paper.py")
    whole = plan(paper)
    assert [study.folder.as_posix() for study in whole] == [study.study.name for study in whole]
    by_folder = {study.folder / item.folder: item for study in whole for item in study.runs}
    shared = {folder: item.same_as for folder, item in by_folder.items() if item.same_as}
    assert shared[Path("cnn/cnn/seed-0")] == Path("batch_size/batch-4/seed-0")
    assert shared[Path("optimizers/sgd/seed-0")] == Path("resnet_depth/resnet-18/seed-0")
    for target in shared.values():
        assert by_folder[target].same_as is None
    rows = outline(whole, Speed("test", {kind: Rate(1.0, 0.0, 0.0) for kind in ("CNN", "VGG", "ResNet")}))
    assert rows.seconds == sum(row.steps for row in rows.trained)
    assert rows.time.startswith("Estimated time on test: ")
    assert rows.study_time("speedrun_94") == "4 min"
    assert (outline(whole, None).time, outline(whole, None).study_time("cnn")) == ("", "")
    assert len(rows.trained) == len(by_folder) - len(shared)


def test_a_slice_trains_what_it_needs_and_has_the_configs_of_the_whole():
    paper = load(CONFIGS / "paper.py")
    part = plan(paper, only=("residual",))
    assert [study.study.name for study in part] == ["residual"]
    assert all(item.same_as is None for item in part[0].runs)
    whole = {study.study.name: study for study in plan(paper)}
    assert [item.run for item in part[0].runs] == [item.run for item in whole["residual"].runs]
    depth = {item.member: item.run for item in whole["resnet_depth"].runs}
    assert depth["resnet-18"].checkpoint.snapshots == (0, 1)
    with pytest.raises(UserError, match="--only names 'lossses', which is not a study of paper; it has cnn, "):
        plan(paper, only=("lossses",))


def _two_studies(**second) -> Paper:
    base = Run(model=CNN(widths=(4,), head=(8,)), epochs=2)
    one = Study("one", base, (Variant("a"), Variant("b", {"batch_size": 64})))
    return Paper("p", (one, Study("two", base, (Variant("c"), Variant("d", {"epochs": 3})), **second)))


def test_a_run_whose_seconds_are_compared_trains_alone():
    one, two = plan(_two_studies())
    assert [item.same_as for item in two.runs] == [Path("one/a/seed-0"), None]
    assert [len(items) for items in programs(two)] == [1]
    one, two = plan(_two_studies(alone=True))
    assert [item.same_as for item in one.runs] == [Path("two/c/seed-0"), None]
    assert [len(items) for items in programs(two)] == [1, 1]


def test_equal_runs_unite_their_probes_and_snapshots():
    base = Run(model=CNN(widths=(4,), head=(8,)), probes=(Beta(),), checkpoint=Checkpoint(snapshots=(3,)))
    distance = (GradientDistance(), Beta())
    other = Variant("b", {"probes": distance, "checkpoint": Checkpoint(snapshots=(1,))})
    bare = Variant("c", {"probes": ()})
    one, two = plan(Paper("p", (Study("one", base, (Variant("a"),)), Study("two", base, (other, bare)))))
    assert [item.same_as for item in two.runs] == [Path("one/a/seed-0"), None]
    assert one.runs[0].run.probes == (Beta(), GradientDistance())
    assert one.runs[0].run.checkpoint.snapshots == (1, 3)
    assert two.runs[1].run.probes == ()


def test_scaled_runs():
    run = Run(
        model=VGG(), epochs=50, probes=(Beta(every=1),), data=Data(), checkpoint=Checkpoint(snapshots=(0, 1, 25, 50))
    )
    small = scale_run(run, 0.02)
    assert (small.data.train_size, small.data.test_size, small.epochs) == (1000, 512, 1)
    assert small.probes[0].every == 10
    assert small.checkpoint.snapshots == (0, 1)
    light = scale_run(dataclasses.replace(run, probes=(Trace(),)), 0.02)
    assert (light.model, light.epochs, light.checkpoint.snapshots) == (VGG(form="light"), 2, (0, 1, 2))
    assert scale_run(run, 1.0) == run
    # Two epochs of 50 are left, so a decay after half of the training stays one.
    halved = dataclasses.replace(run, optimizer=Adam(schedule=StepDecay(epochs=25)), probes=(Trace(),))
    assert scale_run(halved, 0.01).optimizer.schedule.epochs == 1
    deep = scale_run(dataclasses.replace(run, model=ResNet(depth=101)), 0.02)
    assert (deep.data.train_size, deep.batch_size) == (64, 16)
    tiny = scale_run(Run(data=Data(source="shapes", train_size=300, test_size=100)), 0.5)
    assert (tiny.data.train_size, tiny.data.test_size) == (300, 100)


def test_a_study_without_variants_is_one_run_in_the_folder_itself():
    study = Study("s", Run(name="a", seed=4), seeds=(4,))
    (single,) = make_plan(study)
    assert [(item.member, item.run.seed, item.folder) for item in single.runs] == [("a", 4, Path())]
    (several,) = make_plan(study, seeds=2)
    assert [item.folder.as_posix() for item in several.runs] == ["a/seed-4", "a/seed-5"]
    (others,) = make_plan(study, seeds=range(7, 9))
    assert [item.folder.as_posix() for item in others.runs] == ["a/seed-7", "a/seed-8"]
    (paper,) = make_plan(Paper("p", (study,)))
    assert [(paper.folder / item.folder).as_posix() for item in paper.runs] == ["s/a/seed-4"]


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.1, float("nan")])
def test_a_scale_out_of_range_is_refused(scale: float):
    with pytest.raises(UserError, match=r"--scale is .*; it must be above 0 and at most 1"):
        make_plan(Run(), scale=scale)


def test_options_that_do_not_fit():
    with pytest.raises(UserError, match="--seeds is 0"):
        make_plan(Run(), seeds=0)
    with pytest.raises(UserError, match="--only a chooses among a paper's studies"):
        plan(Run(), only=("a",))
    with pytest.raises(UserError, match="two studies of one name"):
        Paper("p", (_two_studies().studies[0],) * 2)


def test_the_cost_of_a_run():
    run = Run(model=ResNet(depth=18), optimizer=SGD(momentum=0.9), epochs=2, batch_size=128)
    cost = cost_of(run)
    multiply_adds, first = 555_422_720, 32 * 32 * 27 * 64
    assert cost.steps == 780
    images = 780 * 128
    assert cost.flops == 2 * (3 * multiply_adds - first) * images + 2 * multiply_adds * 10_000 * 2
    assert cost.disk == 2 * 2 * 4 * 11_173_962 + 4 * 780 * 2
    probed = dataclasses.replace(run, probes=(Beta(batch="same_batch", every=2), Beta(batch="cross_batch")))
    assert cost_of(probed).flops - cost.flops == 0.5 * 2 * (3 * multiply_adds - first) * images


def test_the_cost_of_measures_at_snapshots():
    run = Run(model=VGG(form="light"), data=Data(train_size=1000), checkpoint=Checkpoint(snapshots=(0, 1)))
    gradient = 512 * training_flops(run.model)
    # Hessian-vector products are two gradients, and a plane of a small version has 9 x 9 forward passes.
    counts = {Trace(): 2 * 2 * 10, Density(): 2 * 2 * 20 * 4, Plane(): 81 / 3, FeatureRank(): 2}
    for measure, gradients in counts.items():
        measured = dataclasses.replace(run, probes=(measure,))
        assert cost_of(measured).measuring == pytest.approx(gradients * gradient, rel=1e-12)
        assert cost_of(measured).flops == cost_of(run).flops
        speed = Speed("two cores", {VGG.timed_as: Rate(0.0, 1e-9, 0.0)})
        found, plain = (outline(make_plan(each), speed).seconds for each in (measured, run))
        assert found is not None
        assert plain is not None
        assert found - plain == pytest.approx(1e-9 * gradients * gradient, rel=1e-6)


def test_measures_that_write_one_array_in_two_ways_are_not_united():
    base = Run(model=CNN(widths=(4,), head=(8,)), probes=(GradientDirection(every=2), Beta()))
    given, rarer = (
        Variant(name, {"probes": (measure,)})
        for name, measure in (("b", GradientDirection(steps=(0.05, 0.4))), ("c", GradientDirection(every=4)))
    )
    one, two = plan(Paper("p", (Study("one", base, (Variant("a"),)), Study("two", base, (given, rarer)))))
    assert [item.same_as for item in two.runs] == [None, Path("one/a/seed-0")]
    assert two.runs[0].run.probes == (GradientDirection(steps=(0.05, 0.4)),)
    assert one.runs[0].run.probes == (GradientDirection(every=2), Beta(), GradientDirection(every=4))
    check_parts(one.runs[0].run)
    rivals = dataclasses.replace(base, probes=(GradientDirection(), GradientDirection(steps=(0.05, 0.4))))
    with pytest.raises(UserError, match="two step measures that write gradient_direction/loss_low and differ in more"):
        check_parts(rivals)


@pytest.mark.parametrize("model", [ResNet(18, width=2, skip=False), VGG(width=2), Module(nn.Dense(10))])
def test_a_measure_of_branches_is_refused_before_training_where_there_are_none(model: Model):
    check_parts(Run(model=ResNet(18, width=2), probes=(ResidualShare(), FeatureRank(), InputGradients())))
    with pytest.raises(UserError, match=rf"the measure residual_share, .* and {re.escape(model.title)} shows none"):
        check_parts(Run(model=model, probes=(ResidualShare(),)))


def test_a_study_of_a_paper_has_the_name_of_a_folder():
    with pytest.raises(UserError, match=r"has the study '\.\./x', which names files"):
        Paper("p", (Study("../x", Run()),))


def test_a_plan_does_not_start_jax():
    """Processes that train one run together plan it before they meet, and JAX can be started only once."""
    code = """
from jaxcifar.config import shipped
from jaxcifar.runner.deduplicate import plan
from jaxcifar.config import Paper
plan(Paper("p", (shipped.study("gradients"), shipped.study("santurkar"))))
from jax._src import xla_bridge
print(sorted(xla_bridge._backends))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
