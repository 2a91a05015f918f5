"""The loop: records, resumption, divergence, members, devices."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcifar
from jaxcifar import data, records
from jaxcifar.config import CNN, SGD, Checkpoint, Run, UserError, Vectorize
from jaxcifar.config.stored import begin_records, read_records
from jaxcifar.records import Records
from jaxcifar.training import Member, interrupt, train_members
from jaxcifar.training.checkpoint import sound_steps
from jaxcifar.training.progress import PlainProgress, Status

TIMES = ("seconds", "images_per_second")


class Recorder(PlainProgress):
    """A display that remembers, and asks to stop at a step if told to."""

    def __init__(self, stop: interrupt.Stop, at: int | None = None):
        super().__init__()
        self.stop, self.at = stop, at
        self.messages: list[str] = []
        self.steps: list[int] = []

    def update(self, status: Status) -> None:
        self.steps.append(status.step)
        if self.at is not None and status.step >= self.at:
            self.stop.signal_number = 2

    def message(self, text: str) -> None:
        self.messages.append(text)


class Broken(Exception):
    """Ends training at once, as a kill does."""


class Breaking(PlainProgress):
    """A display that ends training in the second epoch, before anything of it is saved."""

    def update(self, status: Status) -> None:
        if status.step > 8:
            raise Broken


def fit(runs: list[Run], folder: Path, vectorize: Vectorize = "off", at: int | None = None) -> Recorder:
    stop = interrupt.Stop()
    shown = Recorder(stop, at)
    members = [Member(run, folder / str(index)) for index, run in enumerate(runs)]
    try:
        train_members(members, data.load(runs[0].data), vectorize, shown, stop)
    except interrupt.Interrupted as stopped:
        shown.messages.append(str(stopped))
    return shown


def without_times(found: Records) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in found.metrics]


def assert_same(a: Records, b: Records) -> None:
    assert without_times(a) == without_times(b)
    assert a.steps.keys() == b.steps.keys()
    for name, values in a.steps.items():
        np.testing.assert_array_equal(values, b.steps[name])


@pytest.fixture(scope="module")
def whole(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Records:
    """The small run, trained without a break through the public function."""
    return jaxcifar.train(small_run, tmp_path_factory.mktemp("whole"))


def test_the_records_are_complete_and_consistent(whole: Records, small_run: Run):
    assert whole.status == "finished"
    assert whole.config == small_run
    assert whole.environment["data"]["name"] == "shapes"
    assert [row["step"] for row in whole.metrics] == [8, 16]
    assert whole.steps["loss"].shape == (16,)
    for row, values in zip(whole.metrics, np.split(whole.steps["loss"], 2), strict=True):
        np.testing.assert_allclose(row["train_loss"], values.mean(dtype=np.float64), rtol=1e-12)
    keys = "epoch step train_loss train_accuracy test_loss test_accuracy seconds images_per_second learning_rate"
    assert list(whole.metrics[0]) == keys.split()


def test_the_test_figures_are_those_of_the_saved_parameters(whole: Records, small_run: Run):
    """Evaluated image by image with the plain module, off the last checkpoint."""
    from jaxcifar.models import build
    from jaxcifar.training import state
    from jaxcifar.training.checkpoint import Checkpoints
    from jaxcifar.training.optimizers import hyperparams

    shapes = jax.eval_shape(lambda: state.create(small_run, hyperparams(small_run)))
    checkpoints = Checkpoints(whole.folder)
    restored = checkpoints.restore(16, shapes)
    checkpoints.close()
    images = data.load(small_run.data)
    logits = build(small_run.model).apply(
        {"params": restored.params}, data.normalize(images.test_images, small_run.data), False
    )
    accuracy = np.mean(np.argmax(np.asarray(logits), axis=1) == images.test_labels)
    assert whole.metrics[-1]["test_accuracy"] == pytest.approx(accuracy, abs=1e-9)


def test_an_interrupted_run_goes_on_bit_for_bit(whole: Records, small_run: Run, tmp_path: Path):
    shown = fit([small_run], tmp_path, at=5)
    assert read_records(tmp_path / "0").status == "interrupted"
    assert "give the same command again to continue" in shown.messages[-1]
    shown = fit([small_run], tmp_path)
    assert "continues from step" in shown.messages[0]
    assert_same(read_records(tmp_path / "0"), whole)


def test_a_lost_newest_checkpoint_costs_only_time(whole: Records, small_run: Run, tmp_path: Path):
    often = dataclasses.replace(small_run, checkpoint=Checkpoint(every_seconds=0))
    fit([often], tmp_path, at=10)
    newest = max(sound_steps(tmp_path / "0", print))
    for path in (tmp_path / "0" / "checkpoints" / str(newest)).rglob("*"):
        if path.is_file() and path.name != "manifest.txt":
            path.write_bytes(b"damaged")
    shown = fit([often], tmp_path)
    assert any(f"step {newest}" in text and "passed over" in text for text in shown.messages)
    assert_same(read_records(tmp_path / "0"), whole)


def _cut_steps(folder: Path) -> None:
    steps = read_records(folder).steps
    records.write_steps(folder, {name: values[:-3] for name, values in steps.items()})


def _spoil_first_row(folder: Path) -> None:
    path = folder / records.METRICS
    path.write_text("null\n" + path.read_text().split("\n", 1)[1])


@pytest.mark.parametrize(
    "damage",
    [_cut_steps, lambda folder: (folder / records.STEPS).unlink(), _spoil_first_row],
    ids=["cut", "lost", "row"],
)
def test_damaged_records_cost_only_time(whole: Records, small_run: Run, tmp_path: Path, damage: Callable[[Path], None]):
    often = dataclasses.replace(small_run, checkpoint=Checkpoint(every_seconds=0))
    fit([often], tmp_path, at=10)
    damage(tmp_path / "0")
    shown = fit([often], tmp_path)
    assert any("are damaged before step" in text for text in shown.messages)
    assert_same(read_records(tmp_path / "0"), whole)


def test_an_environment_that_says_nothing_is_written_anew(small_run: Run, tmp_path: Path):
    fit([small_run], tmp_path, at=5)
    (tmp_path / "0" / records.ENVIRONMENT).write_text('{"data": "x"}')
    fit([small_run], tmp_path)
    assert read_records(tmp_path / "0").data["name"] == "shapes"


def test_a_file_in_the_checkpoints_place_is_refused(small_run: Run, tmp_path: Path):
    begin_records(tmp_path / "0", small_run)
    (tmp_path / "0" / "checkpoints").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        fit([small_run], tmp_path)


def test_a_diverged_run_says_where_and_keeps_what_it_has(small_run: Run, tmp_path: Path):
    run = dataclasses.replace(small_run, optimizer=SGD(learning_rate=1e18))
    fit([run], tmp_path)
    found = read_records(tmp_path / "0")
    assert found.status == "diverged"
    losses = found.steps["loss"]
    assert found.summary["diverged_step"] == len(losses)
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])


def test_weights_that_explode_in_the_last_step_have_diverged(small_run: Run, tmp_path: Path):
    """No later step's loss tells it, but the test loss does."""
    data = dataclasses.replace(small_run.data, train_size=32)
    run = dataclasses.replace(small_run, data=data, epochs=1, optimizer=SGD(learning_rate=1e30))
    fit([run], tmp_path)
    found = read_records(tmp_path / "0")
    assert np.isfinite(found.steps["loss"]).all()
    assert [row["epoch"] for row in found.metrics] == [1]
    assert (found.status, found.summary["diverged_step"]) == ("diverged", 1)


def test_a_run_that_exploded_in_the_last_step_is_killed_before_its_summary(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = dataclasses.replace(small_run.data, train_size=32)
    run = dataclasses.replace(small_run, data=data, epochs=1)
    runs = [dataclasses.replace(run, optimizer=SGD(learning_rate=rate)) for rate in (0.01, 1e30)]

    def killed(*arguments) -> None:
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr("jaxcifar.training.history.History.summarize", killed)
        with pytest.raises(Broken):
            fit(runs, tmp_path, "map")
    shown = fit(runs, tmp_path, "map")
    assert "small and 1 more continues from step 1 of 1." in shown.messages
    assert [read_records(tmp_path / name).status for name in ("0", "1")] == ["finished", "diverged"]


@pytest.mark.parametrize("vectorize", ["vmap", "map"])
def test_members_equal_their_single_runs(whole: Records, small_run: Run, tmp_path: Path, vectorize: Vectorize):
    """Another seed, another rate, and one that diverges: none disturbs the first."""
    wild = dataclasses.replace(small_run, optimizer=SGD(learning_rate=1e18))
    other = dataclasses.replace(small_run, seed=1)
    fit([small_run, wild, other], tmp_path, vectorize)
    first, diverged, third = (read_records(tmp_path / str(index)) for index in range(3))
    np.testing.assert_allclose(first.steps["loss"], whole.steps["loss"], rtol=1e-4)
    assert [row["step"] for row in first.metrics] == [8, 16]
    assert diverged.status == "diverged"
    assert third.status == "finished"
    assert not np.allclose(third.steps["loss"], first.steps["loss"], rtol=1e-2)
    assert [first.summary["members_in_program"], max(sound_steps(tmp_path / "2", print))] == [3, 16]


def test_interrupted_members_go_on(small_run: Run, tmp_path: Path):
    runs = [small_run, dataclasses.replace(small_run, seed=1)]
    fit(runs, tmp_path / "a", "map")
    fit(runs, tmp_path / "b", "map", at=5)
    fit(runs, tmp_path / "b", "map")
    for index in ("0", "1"):
        assert_same(read_records(tmp_path / "a" / index), read_records(tmp_path / "b" / index))


def test_snapshots_stay(small_run: Run, tmp_path: Path):
    run = dataclasses.replace(small_run, checkpoint=Checkpoint(every_seconds=0, snapshots=(0, 1)))
    fit([run], tmp_path)
    assert {0, 8, 16} <= set(sound_steps(tmp_path / "0", print))


@pytest.mark.parametrize("vectorize", ["map", "vmap"])
def test_a_diverged_member_keeps_its_snapshots_alone(small_run: Run, tmp_path: Path, vectorize: Vectorize):
    """Which other steps are saved depends on how long a chunk takes."""
    kept = Checkpoint(every_seconds=0, snapshots=(0, 1, 2))
    runs = [dataclasses.replace(small_run, optimizer=SGD(rate), checkpoint=kept) for rate in (0.01, 1e6)]
    fit(runs, tmp_path, vectorize)
    diverged = read_records(tmp_path / "1").summary["diverged_step"]
    assert 2 < diverged < 8
    assert list(sound_steps(tmp_path / "1", print)) == [0]
    assert {0, 8, 16} <= set(sound_steps(tmp_path / "0", print))


def test_a_diverged_member_does_not_take_the_others_back(small_run: Run, tmp_path: Path):
    often = dataclasses.replace(small_run, checkpoint=Checkpoint(every_seconds=0))
    runs = [dataclasses.replace(often, optimizer=SGD(rate)) for rate in (0.01, 1e18)]
    fit(runs, tmp_path / "whole", "map")
    members = [Member(run, tmp_path / "cut" / str(index)) for index, run in enumerate(runs)]
    with pytest.raises(Broken):
        train_members(members, data.load(runs[0].data), "map", Breaking(), interrupt.Stop())
    shown = fit(runs, tmp_path / "cut", "map")
    assert "small and 1 more continues from step 8 of 16." in shown.messages
    for index in ("0", "1"):
        assert_same(read_records(tmp_path / "whole" / index), read_records(tmp_path / "cut" / index))


def test_other_data_are_refused(small_run: Run, tmp_path: Path):
    fit([small_run], tmp_path, at=5)
    path = tmp_path / "0" / records.ENVIRONMENT
    value = json.loads(path.read_text())
    right = value["data"]["sha256"]
    # The second differs from the right one in its last digit.
    for wrong, says in (("0" * 64, "0" * 12 + ","), (right[:-1] + ("1" if right[-1] == "0" else "0"), right)):
        path.write_text(json.dumps({**value, "data": {**value["data"], "sha256": wrong}}))
        with pytest.raises(UserError, match=f"data set shapes that its environment.json names with SHA-256.*{says}"):
            fit([small_run], tmp_path)


def test_a_batch_larger_than_the_data_is_refused(small_run: Run, tmp_path: Path):
    with pytest.raises(UserError, match="batch_size is 257 with 256 training images"):
        fit([dataclasses.replace(small_run, batch_size=257)], tmp_path)
    assert not (tmp_path / "0").exists()


def test_one_program_serves_every_chunk(small_run: Run, tmp_path: Path):
    """The number of steps is an argument, so no chunk compiles again."""
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **kwargs: compiled.append(event) if "backend_compile" in event else None
    )
    try:
        shown = fit([dataclasses.replace(small_run, epochs=1)], tmp_path / "short")
        few = len(compiled)
        compiled.clear()
        shown = fit([dataclasses.replace(small_run, epochs=4)], tmp_path / "long")
        assert len(shown.steps) >= 5
        assert len(compiled) <= few
    finally:
        jax.monitoring.clear_event_listeners()


@pytest.mark.parametrize("vectorize", ["map", "vmap"])
def test_the_training_images_are_evaluated_too(small_run: Run, tmp_path: Path, vectorize: Vectorize):
    images = dataclasses.replace(small_run.data, train_size=128, crop=0, flip="none")
    model = CNN(widths=(4, 8), head=(16, 16))
    still = dataclasses.replace(small_run, model=model, data=images, batch_size=64, evaluate_train=True)
    runs = [dataclasses.replace(still, optimizer=SGD(rate)) for rate in (1e-30, 1e-1)]
    fit(runs, tmp_path, vectorize)
    resting, learning = (read_records(tmp_path / str(index)).metrics for index in (0, 1))
    for row in resting:
        # Nothing moves and nothing is random, so both modes see the same network on the same images.
        assert row["train_eval_loss"] == pytest.approx(row["train_loss"], rel=1e-5)
        assert row["train_eval_accuracy"] == pytest.approx(row["train_accuracy"])
    assert learning[-1]["train_eval_loss"] < learning[-1]["train_loss"]
