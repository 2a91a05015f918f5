"""The curvature of a finished run from the command line: what is stored, what is skipped, what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import jaxcifar
from jaxcifar import records
from jaxcifar.cli import main
from jaxcifar.config import CNN, SGD, VGG, Adam, Checkpoint, Data, Run, StepDecay, Study, Variant
from jaxcifar.config.stored import begin_records, read_run
from jaxcifar.measures import SNAPSHOT_MEASURES, InputGradients, SnapshotMeasure, Trajectory
from jaxcifar.records import manifest, snapshots
from jaxcifar.runner import networks
from jaxcifar.runner.execute import execute


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("run")
    run = Run(
        model=VGG(form="light", norm="batch", width=2),
        data=Data(source="shapes", train_size=32, test_size=8),
        optimizer=Adam(schedule=StepDecay(epochs=1)),
        epochs=3,
        batch_size=16,
        checkpoint=Checkpoint(snapshots=(0, 1, 2)),
    )
    jaxcifar.train(run, folder)
    return folder


@pytest.mark.slow
def test_measures_are_stored_drawn_and_left_alone(trained, capsys: pytest.CaptureFixture[str]):
    command = ["landscape", str(trained), "--measure", "eigenvalues,trajectory,plane"]
    assert main(command) == 0
    assert "Lanczos keeps" in capsys.readouterr().err
    eigenvalues, path = snapshots.read(trained, "eigenvalues"), snapshots.read(trained, "trajectory")
    assert eigenvalues["steps"].tolist() == [0, 2, 4, 6]
    assert np.all(eigenvalues["top"][:, 0] >= eigenvalues["bottom"][:, 0])
    assert np.isnan(eigenvalues["stability"][0])
    assert np.isfinite(eigenvalues["stability"][1:]).all()
    # The rate falls to a tenth after each epoch of two steps; a snapshot's is that of the step before it.
    np.testing.assert_allclose(eigenvalues["threshold"], 38 / (1e-3 * np.array([1, 1, 0.1, 0.01])), rtol=1e-5)
    assert 0 < path["explained"].sum() <= 1 + 1e-6
    np.testing.assert_allclose(path["coordinates"][-1], 0, atol=1e-6)
    middle = snapshots.read(trained, "plane")["losses"][4, 4]
    np.testing.assert_allclose(middle, path["true_losses"][-1], rtol=1e-5)
    for name in ("eigenvalues", "trajectory", "plane"):
        assert (trained / "curvature" / f"{name}.png").stat().st_size > 5000
        assert (trained / "curvature" / f"{name}.svg").is_file()
    before = snapshots.path(trained, "eigenvalues").stat().st_mtime_ns
    assert main(command) == 0
    assert snapshots.path(trained, "eigenvalues").stat().st_mtime_ns == before
    assert not list(trained.rglob("*.partial"))


@pytest.mark.parametrize("damage", [None, "missing", "cut"])
def test_the_steps_measured_do_not_depend_on_the_summary(damage: str | None, trained: Path, tmp_path: Path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    summary = folder / "summary.json"
    match damage:
        case "missing":
            summary.unlink()
        case "cut":
            summary.write_text(summary.read_text()[:-20])
    run = read_run(folder)
    saved_by_the_clock = [0, 2, 3, 4, 6]
    assert networks.snapshot_steps(run, folder, saved_by_the_clock) == [0, 2, 4, 6]


def test_the_steps_measured_of_a_diverged_run(trained: Path, tmp_path: Path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    rows = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text(rows[0] + rows[1] + '{"epoch": 0, "step": null}\n')
    (folder / "summary.json").write_text('{"status": "diverged", "steps": 5}')
    assert networks.snapshot_steps(read_run(folder), folder, [0, 2, 3, 4]) == [0, 2, 4]


@pytest.mark.slow
def test_a_study_s_folder_means_each_of_its_runs(tmp_path: Path):
    data = Data(source="shapes", train_size=32, test_size=8)
    base = Run(model=CNN(widths=(2,), head=(4,)), data=data, epochs=1, batch_size=16)
    execute(Study("mine", base, (Variant("a"), Variant("b", {"model.norm": "batch"}))), tmp_path)
    # A run of a paper that is equal to another one has no checkpoints of its own.
    equal = tmp_path / "b" / "seed-1"
    begin_records(equal, base)
    records.write_summary(equal, {"same_as": "../../a/seed-0"})
    value = manifest.read(tmp_path)
    manifest.write(tmp_path, {**value, "runs": [*value["runs"], {**value["runs"][1], "folder": "b/seed-1"}]})
    assert main(["landscape", str(tmp_path), "--measure", "trace"]) == 0
    measured = {path.parent.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("trace.npz")}
    assert measured == {"a/seed-0", "b/seed-0"}


@pytest.mark.slow
def test_moved_data_are_named_and_other_data_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    old, new, other, folder = (tmp_path / name for name in ("old", "new", "other", "run"))
    write_official(old, 5)
    write_official(other, 6)
    data = Data(source="auto", dir=str(old), train_size=32, test_size=8)
    checkpoint = Checkpoint(snapshots=(0, 1))
    jaxcifar.train(
        Run(model=VGG(form="light", width=2), data=data, epochs=1, batch_size=16, checkpoint=checkpoint), folder
    )
    old.rename(new)
    command = ["landscape", str(folder), "--measure", "trace"]
    assert main([*command, "--data.dir", str(other)]) == 2
    assert "not on this cifar10" in capsys.readouterr().err
    monkeypatch.setenv("JAXCIFAR_DATA", str(other))
    assert main(command) == 2
    assert not snapshots.path(folder, "trace").exists()
    assert main([*command, "--data.dir", str(new)]) == 0
    assert np.isfinite(snapshots.read(folder, "trace")["mean"]).all()
    assert main(command) == 0  # stored measures need no data
    monkeypatch.setenv("JAXCIFAR_DATA", str(new))
    assert main(["landscape", str(folder), "--measure", "sharpness"]) == 0


def write_official(folder: Path, seed: int) -> None:
    """Write files of CIFAR-10's official size in its binary form, with images of noise."""
    folder.mkdir()
    draw = np.random.default_rng(seed)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        rows = np.repeat(draw.integers(0, 256, (100, 3073), np.uint8), 100, axis=0)
        rows[:, 0] = np.arange(10_000) % 10
        rows.tofile(folder / f"{name}.bin")


def test_unknown_measure(trained, capsys: pytest.CaptureFixture[str]):
    assert main(["landscape", str(trained), "--measure", "sharpnes"]) == 2
    error = capsys.readouterr().err
    assert "'sharpnes'" in error
    assert all(cls.name in error for cls in SNAPSHOT_MEASURES)


@pytest.mark.parametrize("cls", SNAPSHOT_MEASURES, ids=lambda cls: cls.__name__)
def test_help_lists_every_measure(cls: type[SnapshotMeasure], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["landscape", "--help"])
    assert cls.name in capsys.readouterr().out.split("--measure", 2)[2]


def test_no_run(tmp_path, capsys: pytest.CaptureFixture[str]):
    assert main(["landscape", str(tmp_path), "--measure", "trace"]) == 2
    assert "is not a run folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_no_checkpoints(trained, tmp_path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.json").write_text((trained / "config.json").read_text())
    assert main(["landscape", str(tmp_path), "--measure", "trace"]) == 2
    assert "holds no whole checkpoint" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if not records.is_lock(path.name)] == ["config.json"]


@pytest.mark.slow
def test_a_trajectory_of_two_checkpoints(tmp_path, capsys: pytest.CaptureFixture[str]):
    run = Run(data=Data(source="shapes", train_size=32, test_size=8), model=VGG(form="light"), epochs=1, batch_size=16)
    jaxcifar.train(dataclasses.replace(run, checkpoint=Checkpoint(snapshots=(0,))), tmp_path)
    assert main(["landscape", str(tmp_path), "--measure", "trajectory"]) == 2
    assert "has 2 checkpoints, too few for a trajectory" in capsys.readouterr().err
    assert main(["landscape", str(tmp_path), "--measure", "trace,trajectory"]) == 0
    assert "has 2 checkpoints, too few for a trajectory" in capsys.readouterr().err
    assert snapshots.read(tmp_path, "trace")["steps"].tolist() == [0, 2]


def test_memory_that_is_not_there(trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("jaxcifar.runner.snapshots.available_memory", lambda: 1000)
    assert main(["landscape", str(trained), "--measure", "density"]) == 2
    assert "GB are free" in capsys.readouterr().err
    assert not snapshots.path(trained, "density").exists()


@pytest.mark.slow
def test_a_measure_that_cannot_be_taken_keeps_no_other_and_no_page_waiting(tmp_path, capsys):
    """A path that does not move has no principal plane."""
    study = Study(
        "still",
        Run(
            model=CNN(widths=(2,), head=(4,)),
            data=Data(source="shapes", train_size=7, test_size=8),
            optimizer=SGD(learning_rate=0.0),
            epochs=2,
            batch_size=4,
            probes=(Trajectory(), InputGradients()),
            checkpoint=Checkpoint(snapshots=(0, 1, 2)),
        ),
        (Variant("a"),),
    )
    execute(study, tmp_path)
    run = tmp_path / "a" / "seed-0"
    assert f"{run} has no trajectory: " in capsys.readouterr().err
    assert np.isfinite(snapshots.read(run, "input_gradients")["cosine"]).all()
    assert main(["landscape", str(run), "--measure", "trajectory,trace"]) == 2
    assert "has no trajectory: " in capsys.readouterr().err
    assert "steps" in snapshots.read(run, "trace")
