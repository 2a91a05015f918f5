"""Real processes that are given the same command on one folder."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxcifar.cli import main
from jaxcifar.config.stored import read_records
from jaxcifar.records import lock
from jaxcifar.runner.worker import joined

CONFIG = """'''Six small programs.'''
from jaxcifar.config import CNN, Checkpoint, Data, Run, Study, Variant

def get_config():
    return Study(
        "six",
        Run(
            model=CNN(widths=(2,), head=(4,)),
            data=Data(source="shapes", train_size=64, test_size=20),
            epochs=20,
            batch_size=32,
            checkpoint=Checkpoint(every_seconds=0.0),
        ),
        (Variant("a"), Variant("b", {"batch_size": 16})),
        seeds=(0, 1, 2),
        vectorize="off",
    )
"""
KILLS = int(os.environ.get("WORKER_KILLS", "5"))
RUNS = [f"{member}/seed-{seed}" for member in "ab" for seed in range(3)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "six.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process alone trains."""
    out = tmp_path_factory.mktemp("whole")
    assert main(["run", "--config", str(config), "--out", str(out)]) == 0
    return out


def start(config: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jaxcifar.cli", "run", "--config", str(config), "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    text = "".join(process.communicate(timeout=300))
    assert process.returncode == code, text
    assert "Traceback" not in text
    return text


def assert_same(out: Path, whole: Path) -> None:
    for name in RUNS:
        found, alone = read_records(out / name), read_records(whole / name)
        assert (found.status, len(found.metrics)) == ("finished", 20)
        np.testing.assert_array_equal(found.steps["loss"], alone.steps["loss"])
    assert (out / "report" / "index.html").is_file()


@pytest.mark.slow
def test_two_processes_share_the_programs_and_one_makes_the_report(config: Path, whole: Path, tmp_path: Path):
    texts = [said(process) for process in [start(config, tmp_path) for _ in range(2)]]
    assert_same(tmp_path, whole)
    assert sum("Report:" in text for text in texts) == 1, texts
    assert not any("continues from step" in text for text in texts), "none was trained twice"
    assert not (tmp_path / ".workers").exists()
    beside = {read_records(tmp_path / name).summary["processes_beside"] for name in RUNS}
    assert 1 in beside, "both trained at once for a while"
    assert {read_records(whole / name).summary["processes_beside"] for name in RUNS} == {0}


def test_a_report_is_not_left_to_a_process_killed_before_it_had_written_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(lock, "STALE_SECONDS", 2.5)
    with joined(tmp_path) as worker:
        (tmp_path / ".lock-report-1").touch()
        with worker.ending() as is_last:
            assert is_last
    assert "Waiting up to 2 s to see whether another process is still at work" in capsys.readouterr().out


@pytest.mark.parametrize("read", [True, False])
def test_a_report_is_left_to_another_only_if_that_has_read_what_this_one_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], read: bool
):
    file, page, summary = (tmp_path / name for name in (".lock-report-1", "report/index.html", "a/seed-0/summary.json"))
    for path in (page, summary):
        path.parent.mkdir(parents=True)
    beats = iter(range(1, 5))

    def sleep(seconds: float) -> None:
        """The other shows that it is alive, and in the end that it has made the report, which it began at time 100."""
        if (beat := next(beats)) < 4:
            os.utime(file, (beat, beat))
        else:
            page.write_text("")
            os.utime(page, (100, 100))
            os.utime(file, ns=(10**18, 10**18))

    monkeypatch.setattr(time, "sleep", sleep)
    with joined(tmp_path) as worker:
        file.write_text('{"host": "far", "machine": "far/1", "process": 7, "started": "1"}')
        summary.write_text("{}")
        os.utime(summary, (99, 99) if read else (101, 101))
        with worker.ending() as is_last:
            assert is_last is not read
    said = capsys.readouterr().out
    assert "Waiting for process 7 on far, which is making the report." in said
    assert ("another process has made the report" in said) is read


@pytest.mark.slow
def test_a_killed_one_is_replaced_by_one_that_waits(config: Path, whole: Path, tmp_path: Path):
    first = start(config, tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("a/seed-0/checkpoints/*/manifest.txt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGSTOP)  # it holds its run and does not end
    second = start(config, tmp_path)
    text = said(second)
    assert "1 of 6 programs is being trained by others" in text
    assert not (tmp_path / "report").exists()
    waiting = start(config, tmp_path, "--wait")
    assert waiting.stderr is not None
    first.kill()
    first.communicate()
    assert "Report:" in said(waiting)
    assert_same(tmp_path, whole)


@pytest.mark.slow
def test_workers_killed_at_random_moments_lose_and_repeat_nothing(config: Path, whole: Path, tmp_path: Path):
    draw, workers, kills = random.Random(18), [start(config, tmp_path, "--wait") for _ in range(3)], 0
    while kills < KILLS and all(worker.poll() is None for worker in workers):
        time.sleep(draw.uniform(1.0, 5.0))
        victim = workers.pop(draw.randrange(3))
        victim.kill()
        victim.communicate(timeout=60)
        kills += victim.returncode == -signal.SIGKILL
        workers.append(start(config, tmp_path, "--wait"))
    assert kills > 0
    for worker in workers:
        said(worker)
    assert_same(tmp_path, whole)
    print(f"{kills} kills")


@pytest.mark.slow
def test_a_fixed_split_needs_no_locks(config: Path, whole: Path, tmp_path: Path):
    text = said(start(config, tmp_path, "--worker", "1/2"))
    assert "3 of 6 programs are being trained by others" in text
    assert "Report:" in said(start(config, tmp_path, "--worker", "2/2"))
    assert_same(tmp_path, whole)
    assert not list(tmp_path.rglob(".lock-run-*"))


@pytest.mark.slow
def test_other_settings_and_restart_are_refused_while_another_is_at_work(config: Path, tmp_path: Path):
    first = start(config, tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "a/seed-0/config.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGSTOP)
    assert f"is in use by process {first.pid}" in said(start(config, tmp_path, "--restart"), 2)
    assert f"is being trained by process {first.pid} with other runs" in said(
        start(config, tmp_path, "--seeds", "9"), 2
    )
    os.kill(first.pid, signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    said(first, 128 + signal.SIGTERM)


@pytest.mark.parametrize("given", ["5/4", "0/4", "2", "a/b"])
def test_a_split_that_cannot_be(given: str, config: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", "--config", str(config), "--worker", given]) == 2
    assert f"--worker is '{given}'; give K/N with K from 1 to N" in capsys.readouterr().err


def test_the_number_of_programs(config: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "--config", str(config), "--count", "--out", "nowhere"]) == 0
    assert capsys.readouterr().out == "6\n"
