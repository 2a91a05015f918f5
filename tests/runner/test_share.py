"""Workers of one process on one folder, whose order is fixed: what each leaves to the others."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import jaxcifar
from jaxcifar import records
from jaxcifar.cli import main
from jaxcifar.config import CNN, SGD, Checkpoint, Data, Run, Study, UserError, Variant
from jaxcifar.config.stored import begin_records
from jaxcifar.measures import SNAPSHOT_MEASURES, Trace
from jaxcifar.records import Holder, lock, manifest
from jaxcifar.records.manifest import Invocation
from jaxcifar.runner import execute, opening, pictures, snapshots
from jaxcifar.runner.deduplicate import plan
from jaxcifar.runner.plan import Planned, PlannedStudy
from jaxcifar.runner.worker import joined, share

SUMMARY = {"status": "finished", "epochs": 1, "steps": 2}
HELD = Holder(7, "", certain=True)
STUDY = Study(
    "s",
    Run(
        model=CNN(widths=(2,), head=(4,)),
        data=Data(source="shapes", train_size=64, test_size=20),
        epochs=1,
        batch_size=32,
    ),
    (Variant("a"),),
    seeds=(0, 1),
    vectorize="off",
)


def finish(folder: Path) -> None:
    """What training leaves in the end, as far as other workers look at it."""
    folder.mkdir(parents=True, exist_ok=True)
    records.write_summary(folder, SUMMARY)


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Sets what happens while a run trains, of which only the end is stored."""

    def during(happens: Callable[[str], object]) -> None:
        def run(session: execute._Session, study: PlannedStudy, items: Sequence[Planned]) -> None:
            for item in items:
                happens(item.folder.as_posix())
                finish(session.out / study.folder / item.folder)

        monkeypatch.setattr(execute._Session, "_run", run)

    monkeypatch.setattr(execute.speed, "of_plan", lambda *arguments, **options: None)
    monkeypatch.setattr(execute.data, "load", lambda *arguments: None)
    return during


def test_what_was_held_before_a_long_training_is_looked_at_again(tmp_path: Path):
    """Program 0 becomes free while this worker trains program 1, which was held when it started."""
    held, order = {0, 1}, []

    def attempt(index: int) -> Holder | None:
        if index in held:
            return HELD
        order.append(index)
        held.discard(index - 1)
        return None

    with joined(tmp_path) as worker:
        share(worker, range(3), attempt, lambda: None)
    assert (order, worker.others) == ([2, 1, 0], 0)


def test_a_program_that_another_only_looks_at_has_ended(tmp_path: Path, training: Callable):
    with joined(tmp_path) as worker, joined(tmp_path) as other:
        (first := tmp_path / "a/seed-0").mkdir(parents=True)
        other.locks.take(first)
        training(lambda name: finish(first))  # its run ends meanwhile, but its lock is still held
        execute.execute(STUDY, tmp_path, worker=worker)
        assert (worker.others, worker.met) == (0, True)
        with worker.ending() as is_last:
            assert is_last


def test_other_seeds_train_while_one_that_is_complete_is_measured(
    tmp_path: Path, training: Callable, monkeypatch: pytest.MonkeyPatch
):
    trained: list[str] = []
    training(trained.append)
    study = dataclasses.replace(STUDY, vectorize="map")  # both seeds are one program
    (tmp_path / "a/seed-0").mkdir(parents=True)
    begin_records(tmp_path / "a/seed-0", dataclasses.replace(STUDY.base, name="a"))

    def measure(run: Run, folder: Path, *arguments: object) -> list[str]:
        with joined(tmp_path) as worker:
            execute.execute(study, tmp_path, worker=worker)
            assert worker.others == (0 if records.is_complete(folder) else 1)
        with pytest.raises(UserError, match="is in use by"):
            jaxcifar.train(run, folder, restart=True)
        assert main(["landscape", str(folder), "--measure", "trace"]) == 2
        return []

    monkeypatch.setattr(snapshots, "measure_run", measure)
    command = ["landscape", str(tmp_path / "a/seed-0"), "--measure", "trace"]
    assert main(command) == 0
    assert trained == [], "a run that is not complete is kept from training"
    finish(tmp_path / "a/seed-0")
    assert main(command) == 0
    assert trained == ["a/seed-1"]


@pytest.mark.parametrize("name", [lock.RUN, lock.MEASURES])
def test_a_restart_deletes_no_run_in_which_another_command_is_at_work(tmp_path: Path, training: Callable, name: str):
    training(lambda name: None)
    out, seeds = tmp_path / "out", dataclasses.replace(STUDY, seeds=(0, 1, 2))
    execute.execute(seeds, out)
    shutil.rmtree(out / "a/seed-1")
    # Of the earlier plan, and not of this one.
    with records.locked(out / "a/seed-2", name), pytest.raises(UserError, match=r"is in use by .* deletes nothing"):
        execute.execute(STUDY, out, restart=True)
    assert sorted(path.name for path in (out / "a").iterdir()) == ["seed-0", "seed-2"]
    assert records.is_complete(out / "a/seed-0")
    shutil.rmtree(out / "a/seed-2")
    execute.execute(STUDY, out, restart=True)
    assert sorted(path.name for path in (out / "a").iterdir()) == ["seed-0", "seed-1"]


def test_other_values_are_refused_while_another_is_at_work_also_before_a_run_has_begun(
    tmp_path: Path, training: Callable
):
    def changed(rate: float) -> Study:
        return dataclasses.replace(STUDY, base=dataclasses.replace(STUDY.base, optimizer=SGD(rate), name=str(rate)))

    trained: list[str] = []
    training(trained.append)
    given = Invocation("jaxcifar run s")
    with joined(tmp_path) as worker, joined(tmp_path):
        opening.write(tmp_path, plan(changed(0.1), tmp_path), given, worker)
        with pytest.raises(UserError, match="with other runs, other settings or another --scale"):
            execute.execute(changed(0.2), tmp_path, invocation=given, worker=worker)
        assert trained == []
        stored = manifest.read(tmp_path)
        del stored["configs"]
        manifest.write(tmp_path, stored)  # as an earlier version wrote it
        execute.execute(changed(0.1), tmp_path, invocation=given, worker=worker)
    assert trained == ["a/seed-0", "a/seed-1"]


def test_what_does_not_change_the_training_may_differ_between_workers(tmp_path: Path, training: Callable):
    checkpoint = Checkpoint(every_seconds=1.0, keep=5)
    data = dataclasses.replace(STUDY.base.data, dir="elsewhere")
    base = dataclasses.replace(STUDY.base, checkpoint=checkpoint, data=data, probes=(SNAPSHOT_MEASURES[0](),))
    training(lambda name: None)
    with joined(tmp_path) as worker, joined(tmp_path):
        opening.write(tmp_path, plan(STUDY, tmp_path), Invocation(), worker)
        opening.write(tmp_path, plan(dataclasses.replace(STUDY, base=base), tmp_path), Invocation("x"), worker)


@pytest.mark.parametrize("name", [lock.RUN, lock.MEASURES])
def test_what_another_command_is_writing_stays(tmp_path: Path, training: Callable, name: str):
    training(lambda name: None)
    with records.locked(tmp_path / "a/seed-0", name), joined(tmp_path) as worker:
        for seed in (0, 1):
            (tmp_path / f"a/seed-{seed}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"a/seed-{seed}/steps.npz.partial").write_text("")
        execute._remove_partial(tmp_path, plan(STUDY, tmp_path), worker)
    assert [path.parent.name for path in tmp_path.rglob("*.partial")] == ["seed-0"]


def test_a_study_and_a_command_do_not_measure_one_run_at_once(tmp_path: Path, training: Callable, monkeypatch):
    training(lambda name: None)
    study = dataclasses.replace(STUDY, base=dataclasses.replace(STUDY.base, probes=(Trace(),)), seeds=(0,))
    finish(tmp_path / "a/seed-0")
    held, waits = records.locked(tmp_path / "a/seed-0", lock.MEASURES), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        held.__exit__(None, None, None)

    def measure(run: Run, folder: Path, *arguments: object, **options: object) -> list[str]:
        assert waits
        with pytest.raises(UserError, match="is in use by"), records.locked(folder, lock.MEASURES):
            pass
        waits.append(0.0)
        return []

    monkeypatch.setattr(execute.time, "sleep", wait)
    monkeypatch.setattr(pictures, "measure_run", measure)
    monkeypatch.setattr(pictures, "read_records", lambda folder: records.Records(folder, None, {}, [], {}, SUMMARY))
    held.__enter__()
    execute.execute(study, tmp_path)
    assert len(waits) == 2
